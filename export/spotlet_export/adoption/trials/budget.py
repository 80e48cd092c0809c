"""The bounds of the trials: runs of the network and time."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

MOST_RUNS, MOST_SECONDS = 240, 90.0
"""Bounds of all trials; for a large network, the time ends them first."""

SLOW_SECONDS = 1.0
"""Of a run, from which only the first image is looked at."""

PROGRESS_SECONDS = 5.0
"""Between two lines of progress."""


@dataclass(slots=True)
class Budget:
    """Counts runs and time, and reports progress.

    Attributes:
        on_step: called with the progress.
        clock: seconds.
        runs: so far.
        seconds: bound of the time; `MOST_SECONDS` by default.
    """

    on_step: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    runs: int = 0
    seconds: float | None = None
    start: float = field(init=False)
    said: float = field(init=False)

    def __post_init__(self) -> None:
        self.start = self.said = self.clock()

    @property
    def spent(self) -> bool:
        """Whether no further reading may be tried."""
        return self.runs >= MOST_RUNS or self.clock() - self.start >= self.most

    @property
    def most(self) -> float:
        """The bound of the time."""
        return MOST_SECONDS if self.seconds is None else self.seconds

    def __str__(self) -> str:
        return f"stopped after {self.runs} runs" if self.spent else f"{self.runs} runs"

    @property
    def slow(self) -> bool:
        """Whether a run takes so long that one image must do."""
        return self.clock() - self.start > SLOW_SECONDS * max(self.runs, 1)

    def count(self) -> None:
        """Counts a run."""
        self.runs += 1
        now = self.clock()
        if now - self.said >= PROGRESS_SECONDS:
            self.said = now
            self.on_step(f"{self.runs} runs in {now - self.start:.0f} s, at most {self.most:g} s")
