"""Measurements in turn, so that other load on the machine affects all of them alike."""

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

Result = TypeVar("Result")


def take_turns(
    measures: Mapping[str, Callable[[], Result]], rounds: int, seconds: float = float("inf")
) -> dict[str, list[Result]]:
    """Returns the results of each measurement, by round; no round starts after `seconds`."""
    found: dict[str, list[Result]] = {name: [] for name in measures}
    until = time.perf_counter() + seconds
    for number in range(rounds):
        if number and time.perf_counter() >= until:
            break
        # Every second round backwards, so that none always follows the same one.
        for name in list(measures)[:: -1 if number % 2 else 1]:
            found[name].append(measures[name]())
    return found
