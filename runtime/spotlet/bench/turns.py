"""Measurements in turn, so that whatever else the machine does affects all of them alike."""

from collections.abc import Callable, Mapping


def take_turns(measures: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Returns what each measurement returned, by round."""
    found: dict[str, list[float]] = {name: [] for name in measures}
    for number in range(rounds):
        # Every second round backwards, so that none always follows the same other.
        for name in list(measures)[:: -1 if number % 2 else 1]:
            found[name].append(measures[name]())
    return found
