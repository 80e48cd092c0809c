"""Times of calls that take turns, so that other load on the machine affects all of them."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence


def median_milliseconds(
    calls: Mapping[str, Sequence[Callable[[], object]]], *, warm_up: int, rounds: int
) -> dict[str, float]:
    """Returns the median time of a call, by name.

    Args:
        calls: of one turn.
        warm_up: how many of them are also made before each turn, without being timed.
        rounds: turns of each.
    """
    milliseconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, turn in calls.items():
            for call in turn[:warm_up]:
                call()
            for call in turn:
                started = time.perf_counter()
                call()
                milliseconds[name].append((time.perf_counter() - started) * 1000)
    return {name: statistics.median(values) for name, values in milliseconds.items()}
