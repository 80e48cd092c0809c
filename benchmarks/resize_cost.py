"""Measures the cost of the resize with the same bytes on every processor, against the old one.

    python -m benchmarks.resize_cost cards --variant int8

For each size of frame: milliseconds of the letterbox with OpenCV's `linear` and `linear_exact`, and
frames a second of the whole detector with each. Rounds alternate; figures are medians.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from unittest import mock

import cv2
import numpy as np

from spotlet.detector import Detector
from spotlet.letterbox import Letterbox
from spotlet.model import locate_model
from spotlet.model.package import VARIANTS
from spotlet.session import SessionSettings

FRAMES_HW = ((480, 640), (720, 1280), (1080, 1920), (2160, 3840))
KINDS = ("linear", "linear_exact")
ROUNDS, CALLS = 15, 10


def main() -> None:
    """Prints a row for each size of frame."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--variant", choices=VARIANTS, default="fp32")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    settings = SessionSettings(threads=args.threads)
    detector = Detector(locate_model(args.model, args.variant), session=settings)
    cv2.setNumThreads(args.threads)
    canvas_hw = detector.manifest.input.size_hw
    print(f"OpenCV {cv2.__version__}, {args.threads} threads, canvas {canvas_hw}")
    print("| frame | letterbox ms, linear | exact | frames/s, linear | exact | exact/linear |")
    print("|---|---|---|---|---|---|")
    for height, width in FRAMES_HW:
        frame = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        letterbox = detector.letterbox(frame)
        resize = _medians(partial(letterbox.apply, frame))
        whole = _medians(partial(detector, frame))
        rates = [1e3 / whole[kind] for kind in KINDS]
        print(
            f"| {width}x{height} | {resize['linear']:.2f} | {resize['linear_exact']:.2f} | "
            f"{rates[0]:.0f} | {rates[1]:.0f} | {rates[1] / rates[0]:.3f} |"
        )


def _medians(call: Callable[[], object]) -> dict[str, float]:
    """Returns milliseconds of a call for each kind of resize, of a model with `linear_exact`."""
    times: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(ROUNDS):
        for kind in KINDS:
            plain = mock.patch.object(Letterbox, "_method", cv2.INTER_LINEAR)
            with plain if kind == "linear" else nullcontext():
                start = time.perf_counter()
                for _ in range(CALLS):
                    call()
                times[kind].append((time.perf_counter() - start) / CALLS * 1e3)
    return {kind: statistics.median(values) for kind, values in times.items()}


if __name__ == "__main__":
    main()
