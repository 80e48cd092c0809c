"""Measures the cost of each stage of `spotlet run` as frames, objects and classes grow."""

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from benchmarks.clip import demo_frames

from spotlet import open_stream
from spotlet.annotate import draw_detections
from spotlet.boxes import FloatArray
from spotlet.detections import Detections
from spotlet.letterbox import ImageArray, Letterbox
from spotlet.manifest import DetectionRule
from spotlet.postprocess import detections_from_outputs
from spotlet.sinks import NdjsonSink, VideoSink
from spotlet.streams.frame import take_frame

FRAME_SIZES_HW = {
    "VGA": (480, 640), "720p": (720, 1280), "1080p": (1080, 1920), "4K": (2160, 3840),
}  # fmt: skip
OBJECTS = (0, 10, 30, 100, 300)
CLASSES = (1, 10, 80, 365)

CANVAS_HW = (320, 320)
CELLS = 2100
"""Of a network at that size."""

CELLS_AN_OBJECT = 5
"""Overlapping cells that fire for one object; suppression leaves one."""

FEW_OBJECTS = 10
MANY_OBJECTS = 100
ROUNDS = 7
LEAST_SECONDS = 0.05
"""Of one measurement: calls are repeated until this time is reached."""

CLIP_FRAMES = 24


@dataclass(frozen=True, slots=True)
class Row:
    """One stage along one axis.

    Attributes:
        stage: its name.
        axis: what grows.
        sizes: pixels, objects or classes.
        labels: of the sizes in the table.
        microseconds: of the stage at each size, per frame.
    """

    stage: str
    axis: str
    sizes: Sequence[int]
    labels: Sequence[str]
    microseconds: Sequence[float]

    @property
    def grown(self) -> tuple[list[int], list[float]]:
        """The sizes over 0, and the cost beyond that at size 0, if there is such a size."""
        base = self.microseconds[0] if self.sizes[0] == 0 else 0.0
        pairs = [
            (size, cost - base)
            for size, cost in zip(self.sizes, self.microseconds, strict=True)
            if size > 0
        ]
        return [size for size, _ in pairs], [max(cost, 1e-3) for _, cost in pairs]


def measure_stages() -> list[Row]:
    """Returns every stage along the axes that it depends on."""
    with tempfile.TemporaryDirectory() as folder:
        return [
            *_along_frame_size(Path(folder)),
            *_along_objects(Path(folder)),
            *_along_classes(),
        ]


def median_microseconds(calls: Mapping[str, Callable[[], object]]) -> list[float]:
    """Returns the time of each call; they take turns."""
    repeats = {}
    for name, call in calls.items():
        call()
        started = time.perf_counter()
        call()
        once = time.perf_counter() - started
        repeats[name] = max(1, round(LEAST_SECONDS / max(once, 1e-7)))
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            started = time.perf_counter()
            for _ in range(repeats[name]):
                call()
            taken[name].append((time.perf_counter() - started) / repeats[name])
    return [statistics.median(values) * 1e6 for values in taken.values()]


def synthetic_outputs(objects: int, classes: int) -> tuple[FloatArray, FloatArray]:
    """Returns boxes (K, 4) and scores (K, C) that contain exactly `objects` objects.

    The objects lie in rows, separated; the cells of one overlap almost completely.

    Args:
        objects: at most 300.
        classes: C; the objects are of all of them in turn.
    """
    rng = np.random.default_rng(0)
    boxes = rng.uniform(0, 0.4, (CELLS, 4)).astype(np.float32)
    boxes[:, 2:] += 0.5
    scores = rng.uniform(0, 0.05, (CELLS, classes)).astype(np.float32)
    cells = rng.permutation(CELLS)[: objects * CELLS_AN_OBJECT]
    numbers = np.arange(len(cells)) % max(objects, 1)
    # Within a 16:9 frame on a square canvas, not on its border.
    least = np.stack([numbers % 20 * 0.05, 0.25 + numbers // 20 * 0.03], axis=1)
    least = least + rng.uniform(0, 0.002, least.shape)
    boxes[cells] = np.concatenate([least, least + np.array([0.04, 0.025])], axis=1)
    scores[cells, numbers % classes] = rng.uniform(0.5, 1, len(cells))
    return boxes, scores


def _detect(objects: int, classes: int, frame_hw: tuple[int, int]) -> Callable[[], Detections]:
    boxes, scores = synthetic_outputs(objects, classes)
    names = tuple(f"class {number}" for number in range(classes))
    letterbox, rule = Letterbox(frame_hw, CANVAS_HW), DetectionRule()
    return lambda: detections_from_outputs(boxes, scores, letterbox, names, rule)


def _along_frame_size(folder: Path) -> list[Row]:
    frames = demo_frames(CLIP_FRAMES)
    stages: dict[str, dict[str, Callable[[], object]]] = {
        "letterbox": {}, "draw, 10 objects": {}, "encode a video's frame": {},
    }  # fmt: skip
    decoding = []
    for label, size_hw in FRAME_SIZES_HW.items():
        height, width = size_hw
        resized = [np.asarray(cv2.resize(frame, (width, height)), np.uint8) for frame in frames]
        decoding.append(_decoding_microseconds(folder / f"{label}.mp4", resized))
        frame, canvas = resized[0], np.empty((*CANVAS_HW, 3), np.uint8)
        box, found = Letterbox(size_hw, CANVAS_HW), _detect(FEW_OBJECTS, 10, size_hw)()
        sink = VideoSink(folder / f"encoded-{label}.mp4")
        stages["letterbox"][label] = partial(box.apply, frame, out=canvas)
        stages["draw, 10 objects"][label] = partial(draw_detections, frame, found)
        stages["encode a video's frame"][label] = partial(sink.write_image, frame)
    taken = {stage: median_microseconds(calls) for stage, calls in stages.items()}
    pixels = [height * width for height, width in FRAME_SIZES_HW.values()]
    return [
        Row(stage, "frame size", pixels, list(FRAME_SIZES_HW), microseconds)
        for stage, microseconds in {"decode": decoding, **taken}.items()
    ]


def _decoding_microseconds(path: Path, frames: Sequence[ImageArray]) -> float:
    """Returns the time to read a frame of a clip, without the first; the least of the rounds."""
    sink = VideoSink(path)
    for frame in frames:
        sink.write_image(frame)
    sink.close()
    taken = []
    for _ in range(ROUNDS):
        with open_stream(path) as stream:
            pictures = iter(stream)
            next(pictures)
            started = time.perf_counter()
            for _ in islice(pictures, len(frames) - 1):
                pass
            taken.append((time.perf_counter() - started) / (len(frames) - 1))
    return min(taken) * 1e6


def _along_objects(folder: Path) -> list[Row]:
    frame = take_frame(demo_frames(1)[0], "clip.mp4", 0, 0.0)
    lines = NdjsonSink(folder / "lines.ndjson")
    stages: dict[str, dict[str, Callable[[], object]]] = {
        "postprocess, 10 classes": {}, "NDJSON": {}, "draw, 720p": {},
    }  # fmt: skip
    for count in OBJECTS:
        detect = _detect(count, 10, frame.size_hw)
        found = detect()
        assert len(found) == count, f"{len(found)} of {count} synthetic objects found"
        stages["postprocess, 10 classes"][str(count)] = detect
        stages["NDJSON"][str(count)] = partial(lines.write, frame, found)
        stages["draw, 720p"][str(count)] = partial(draw_detections, frame.image, found)
    taken = {stage: median_microseconds(calls) for stage, calls in stages.items()}
    lines.close()
    labels = [str(count) for count in OBJECTS]
    return [
        Row(stage, "objects", OBJECTS, labels, microseconds)
        for stage, microseconds in taken.items()
    ]


def _along_classes() -> list[Row]:
    size_hw = FRAME_SIZES_HW["720p"]
    labels = [str(count) for count in CLASSES]
    rows = []
    for objects in (0, MANY_OBJECTS):
        calls = {str(count): _detect(objects, count, size_hw) for count in CLASSES}
        taken = median_microseconds(calls)
        rows.append(Row(f"postprocess, {objects} objects", "classes", CLASSES, labels, taken))
    return rows
