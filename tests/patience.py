"""Time in tests: limits here only end a hang, and no outcome depends on how fast a machine is."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE_SECONDS = 120.0
"""How long anything may take on a machine that has other work, before it counts as hung."""

Result = TypeVar("Result")


class Clock:
    """Stands in for the module `time` where a test says how late it is."""

    def __init__(self) -> None:
        self.now = time.monotonic()

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class NeverComes(Clock):
    """The clock, and an event that never comes: to wait for it takes the time that was given."""

    def is_set(self) -> bool:
        return False

    def set(self) -> None:
        pass

    def wait(self, seconds: float) -> bool:
        self.advance(seconds)
        return False


def wait_until(
    condition: Callable[[], object],
    seen: Callable[[], object] = lambda: "",
    *,
    nap_seconds: float = 0.005,
) -> None:
    """Returns when the condition holds.

    Args:
        condition: asked again and again.
        seen: what the failure shows.
        nap_seconds: between two questions.

    Raises:
        AssertionError: it does not hold within `PATIENCE_SECONDS`.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, seen()
        time.sleep(nap_seconds)


def ends(call: Callable[[], Result]) -> Result:
    """Returns what a call gives that something else must not hold up.

    Raises:
        AssertionError: it has not ended within `PATIENCE_SECONDS`.
    """
    results: list[Result] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(call())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive(), "it has not ended"
    if errors:
        raise errors[0]
    return results[0]
