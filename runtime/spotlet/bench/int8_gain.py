"""How much faster int8 is than float32 on this processor, measured side by side."""

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from spotlet.bench.turns import take_turns
from spotlet.model.package import VARIANTS
from spotlet.model.processor import cpu_name, int8_instructions
from spotlet.session import ModelSession, SessionSettings

ROUNDS, WARM_UP = 40, 5

LEAST_GAIN = 1.1
"""A smaller ratio does not pay for the accuracy that 8 bits may lose."""

THREADS = 1
"""Threads of an inference: single-threaded figures compare best between machines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8Gain:
    """The speed of a package's int8 file against its float32 file, on one processor.

    Attributes:
        fp32_ms: median time of one inference, milliseconds.
        int8_ms: the same for the int8 file.
        ratio: how many times as fast int8 is; below 1 it is slower. The median of each turn's
            ratio, which other load on the machine affects less than either time.
        threads: of one inference.
        cpu: the processor's name.
        instructions: see `int8_instructions`.
    """

    fp32_ms: float
    int8_ms: float
    ratio: float
    threads: int
    cpu: str
    instructions: str

    def __str__(self) -> str:
        slower = "slower, " if round(self.ratio, 2) < 1 else ""
        return (
            f"int8 is {slower}{self.ratio:.2f} times as fast as float32 on {self.cpu} "
            f"(instructions for eight-bit products: {self.instructions})"
        )

    @property
    def advice(self) -> str:
        """Which of the two files to run on this machine, in a line."""
        if self.ratio >= LEAST_GAIN:
            return f"int8 is {self.ratio:.1f} times as fast here: run with --variant int8"
        return (
            f"int8 is {self.ratio:.1f} times as fast here: run the float32 file, without --variant"
        )


def measure_int8_gain(fp32: Path, int8: Path) -> Int8Gain:
    """Returns how much faster a network's int8 file is than its float32 file, on the CPU.

    Raises:
        ModelFileError: a file cannot be used.
    """
    sessions = [ModelSession(each, SessionSettings(threads=THREADS)) for each in (fp32, int8)]
    size_hw = sessions[0].manifest.input.size_hw
    canvas = np.random.default_rng(0).integers(0, 256, (1, *size_hw, 3), np.uint8)

    def milliseconds(session: ModelSession) -> float:
        started = time.perf_counter()
        session.run(canvas)
        return (time.perf_counter() - started) * 1000

    measures = {str(each.path): partial(milliseconds, each) for each in sessions}
    times = list(take_turns(measures, WARM_UP + ROUNDS).values())
    fp32_ms, int8_ms = np.array(times)[:, WARM_UP:]
    return Int8Gain(
        fp32_ms=float(np.median(fp32_ms)),
        int8_ms=float(np.median(int8_ms)),
        ratio=float(np.median(fp32_ms / int8_ms)),
        threads=THREADS,
        cpu=cpu_name(),
        instructions=int8_instructions(),
    )


def int8_pair(path: Path) -> tuple[Path, Path] | None:
    """Returns the float32 and the int8 file of a model file's package.

    None if it does not have both, or the file is neither.
    """
    pair = path.with_name(VARIANTS["fp32"]), path.with_name(VARIANTS["int8"])
    return pair if path in pair and all(each.is_file() for each in pair) else None
