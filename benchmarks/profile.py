"""Measures the microseconds of each stage of `spotlet run`, alone, for each model.

    python -m benchmarks.profile [MODEL[:VARIANT] ...] [--threads 1] [--frames 100] [--rounds 5]

One frame after the other on a 720p clip; each stage gets the previous stage's output. Medians over
the rounds of the mean microseconds per frame. `rest` is the overhead of a detector call beyond its
three stages. The score threshold of each model is set so that the clip has about ten objects per
frame, because the cost of drawing, suppression and NDJSON grows with the objects.
"""

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.clip import FPS, write_clip

from spotlet import Detector, open_stream
from spotlet.annotate import draw_detections
from spotlet.letterbox import ImageArray
from spotlet.postprocess import detections_from_outputs
from spotlet.session import SessionSettings
from spotlet.sinks import NdjsonSink, VideoSink
from spotlet.streams import Frame
from spotlet.text.terminal import table

MODELS = ("garments", "cards", "cards:int8", "cells", "cells:int8", "pcb", "pcb:int8")
OBJECTS = 10
"""Target per frame, on average."""

STAGES = (
    "decode", "letterbox", "session", "postprocess", "detector call", "rest", "NDJSON", "draw",
    "encode",
)  # fmt: skip


def microseconds(call: Callable[[Any], Any], items: Sequence[Any]) -> tuple[float, list[Any]]:
    """Returns the mean microseconds of one call per item, and the results."""
    started = time.perf_counter()
    results = [call(item) for item in items]
    return (time.perf_counter() - started) / len(items) * 1e6, results


def open_detector(model: str, threads: int, images: Sequence[ImageArray]) -> Detector:
    """Returns a detector with a threshold that passes about `OBJECTS` per frame."""
    name, _, variant = model.partition(":")
    settings = SessionSettings(threads=threads)
    every = Detector(name, variant=variant or None, score_threshold=0.0, session=settings)
    scores = np.concatenate([every(image).scores for image in images])
    place = min(OBJECTS * len(images), len(scores)) - 1
    threshold = float(np.sort(scores)[::-1][place])
    return Detector(name, variant=variant or None, score_threshold=threshold, session=settings)


def measure(detector: Detector, clip: Path, folder: Path, count: int) -> dict[str, float]:
    """Returns the mean microseconds per frame of each stage, in one pass over the clip."""
    seen: dict[str, float] = {}
    with open_stream(clip) as stream:
        source = iter(stream)
        next(source)  # was decoded when the stream was opened
        seen["decode"], frames = microseconds(lambda _: next(source), range(count))
    images = [frame.image for frame in frames]
    boxes_of = [detector.letterbox(image) for image in images]
    canvases = np.empty((count, *detector.manifest.input.size_hw, 3), np.uint8)

    def place(index: int) -> ImageArray:
        return detector.letterbox(images[index]).apply(images[index], out=canvases[index])

    def decide(index: int) -> Any:
        boxes, scores = outputs[index]
        letterbox, names = boxes_of[index], detector.class_names
        return detections_from_outputs(boxes[0], scores[0], letterbox, names, detector.rule)

    indices = range(count)
    seen["letterbox"], _ = microseconds(place, indices)
    seen["session"], outputs = microseconds(
        lambda n: detector.session.run(canvases[n : n + 1]), indices
    )
    seen["postprocess"], _ = microseconds(decide, indices)
    seen["detector call"], found = microseconds(detector, images)
    stages = seen["letterbox"] + seen["session"] + seen["postprocess"]
    seen["rest"] = seen["detector call"] - stages
    lines = NdjsonSink(folder / "out.ndjson")
    pairs: list[tuple[Frame, Any]] = list(zip(frames, found, strict=True))
    seen["NDJSON"], _ = microseconds(lambda pair: lines.write(*pair), pairs)
    lines.close()
    seen["draw"], pictures = microseconds(
        lambda pair: draw_detections(pair[0].image, pair[1]), pairs
    )
    video = VideoSink(folder / "out.mp4", FPS)
    seen["encode"], _ = microseconds(video.write_image, pictures)
    video.close()
    seen["objects"] = sum(map(len, found)) / count
    return seen


def main() -> None:
    """Prints a table and, in the last line, the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--threads", type=int, default=1, help="of the session [%(default)s]")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    result: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = write_clip(folder / "clip.mp4", args.frames + 1)
        with open_stream(clip) as stream:
            images = [frame.image for frame in stream]
        for model in args.models:
            detector = open_detector(model, args.threads, images[:10])
            measure(detector, clip, folder, args.frames)  # warm-up
            passes = [measure(detector, clip, folder, args.frames) for _ in range(args.rounds)]
            result[model] = {
                stage: round(statistics.median(each[stage] for each in passes), 1)
                for stage in (*STAGES, "objects")
            }
    rows = [
        (model, *(round(seen[stage]) for stage in STAGES), seen["objects"])
        for model, seen in result.items()
    ]
    print(table(rows, header=("microseconds a frame", *STAGES, "objects")))
    versions = {name: version(name) for name in ("numpy", "onnxruntime", "opencv-python-headless")}
    print(
        json.dumps(
            {"python": platform.python_version(), "machine": platform.machine(), **versions}
            | {"threads": args.threads, "models": result}
        )
    )


if __name__ == "__main__":
    main()
