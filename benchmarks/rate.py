"""Measures frames a second of Spotlet's detector and a bare onnxruntime session, alternating.

    python benchmarks/rate.py MODEL [--size HxW] [--rounds 9] [--threads N]

The bare session gets a ready canvas; the detector gets a frame, letterboxes it, runs the
session and converts the tensors into detections. Both process one frame at a time.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from spotlet import Detector

# After spotlet, which turns onnxruntime's telemetry off.
# isort: split
import onnxruntime as ort

from spotlet.model import locate_model
from spotlet.session import SessionSettings
from spotlet.text.terminal import table

WARM_UP = 20
FRAMES = 200
"""Frames of one measurement."""


def frames_per_second(call: Callable[[], object]) -> float:
    """Returns how often `call` can be called per second."""
    started = time.perf_counter()
    for _ in range(FRAMES):
        call()
    return FRAMES / (time.perf_counter() - started)


def main() -> None:
    """Prints medians over the rounds, and the median of each round's ratio."""
    parser = argparse.ArgumentParser(description="frames a second")
    parser.add_argument("model")
    parser.add_argument("--size", help="of the frames (default: the network's own)")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()

    detector = Detector(args.model, session=SessionSettings(threads=args.threads))
    canvas_hw = detector.manifest.input.size_hw
    height, width = map(int, args.size.split("x")) if args.size else canvas_hw
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (height, width, 3), np.uint8)
    canvas = rng.integers(0, 256, (1, *canvas_hw, 3), np.uint8)

    options = ort.SessionOptions()
    options.intra_op_num_threads = args.threads
    options.log_severity_level = 4
    session = ort.InferenceSession(
        locate_model(args.model), options, providers=["CPUExecutionProvider"]
    )
    feeds = {session.get_inputs()[0].name: canvas}

    calls: dict[str, Callable[[], object]] = {
        f"Spotlet, {width}x{height} frames": lambda: detector(frame),
        f"bare onnxruntime, {canvas_hw[1]}x{canvas_hw[0]} canvas": lambda: session.run(None, feeds),
    }
    for call in calls.values():
        for _ in range(WARM_UP):
            call()
    rates: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(args.rounds):
        for name, call in calls.items():
            rates[name].append(frames_per_second(call))
    ours, bare = rates.values()
    ratio = statistics.median(a / b for a, b in zip(ours, bare, strict=True))
    rows = [(name, f"{statistics.median(values):.0f}") for name, values in rates.items()]
    print(table([*rows, ("ratio", f"{ratio:.2f}")], header=("median", "frames/s")))
    print(f"{args.rounds} rounds of {FRAMES} frames, onnxruntime {ort.__version__}")


if __name__ == "__main__":
    main()
