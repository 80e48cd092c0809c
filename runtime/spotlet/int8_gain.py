"""What eight bits gain on this processor, measured side by side."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spotlet.device import cpu_name, int8_instructions
from spotlet.package import VARIANTS
from spotlet.session import ModelSession, SessionSettings

ROUNDS, WARM_UP = 40, 5

THREADS = 1
"""Of the inferences that are timed: the figure that compares best between machines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8Gain:
    """How fast the int8 file of a package is beside its float32 file, and where.

    Attributes:
        fp32_ms: median of one inference, milliseconds.
        int8_ms: the same of the int8 file.
        threads: of one inference.
        cpu: the processor's name.
        instructions: as `int8_instructions` says them.
    """

    fp32_ms: float
    int8_ms: float
    threads: int
    cpu: str
    instructions: str

    @property
    def ratio(self) -> float:
        """How many times as fast int8 is; below 1 it is slower."""
        return self.fp32_ms / self.int8_ms

    def __str__(self) -> str:
        slower = "slower, " if self.ratio < 1 else ""
        return (
            f"int8 is {slower}{self.ratio:.2f} times as fast as float32 on {self.cpu} "
            f"(instructions for eight-bit products: {self.instructions})"
        )


def measure_int8_gain(fp32: Path, int8: Path) -> Int8Gain:
    """Returns what the int8 file of a network gains over the float32 file, on the CPU.

    Raises:
        ModelFileError: a file cannot be used.
    """
    times = median_ms({"fp32": fp32, "int8": int8}, THREADS)
    return Int8Gain(
        fp32_ms=times["fp32"],
        int8_ms=times["int8"],
        threads=THREADS,
        cpu=cpu_name(),
        instructions=int8_instructions(),
    )


def int8_pair(path: Path) -> tuple[Path, Path] | None:
    """Returns the float32 and the int8 file of the package that a model file lies in.

    None where there are not both, or the file is neither.
    """
    pair = path.with_name(VARIANTS["fp32"]), path.with_name(VARIANTS["int8"])
    return pair if path in pair and all(each.is_file() for each in pair) else None


def median_ms(files: Mapping[str, Path], threads: int) -> dict[str, float]:
    """Returns the median time of one inference of each file, milliseconds.

    The files take turns, so that whatever else the machine does hits all alike.

    Args:
        files: `.onnx` of the same canvas, by variant.
        threads: of one inference.
    """
    sessions = {
        name: ModelSession(file, SessionSettings(threads=threads)) for name, file in files.items()
    }
    seconds: dict[str, list[float]] = {name: [] for name in sessions}
    rng = np.random.default_rng(0)
    for turn in range(WARM_UP + ROUNDS):
        for name, session in sessions.items():
            size_hw = session.manifest.input.size_hw
            canvas = rng.integers(0, 256, (1, *size_hw, 3), np.uint8)
            started = time.perf_counter()
            session.run(canvas)
            if turn >= WARM_UP:
                seconds[name].append(time.perf_counter() - started)
    return {name: float(np.median(values)) * 1000 for name, values in seconds.items()}
