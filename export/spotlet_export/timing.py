"""How much faster a variant is, measured side by side."""

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from spotlet.session import ModelSession, SessionSettings

ROUNDS, WARM_UP = 40, 5


def median_ms(files: Mapping[str, Path], threads: int = 1) -> dict[str, float]:
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
