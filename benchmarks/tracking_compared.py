"""Our tracker beside others: IDF1 on the same boxes, with all frames and with a random half.

    pip install trackers norfair motmetrics opencv-python-headless onnxruntime tqdm
                                      in an environment of its own
    PYTHONPATH=runtime:tests python benchmarks/tracking_compared.py [--seeds 5]

Besides the synthetic scenes of `tracking.py` there are two filmed and labelled ones, TUD-Campus and
TUD-Stadtmitte at 25 frames/s (Andriluka 2008, "People-tracking-by-detection and
people-detection-by-tracking", labelled anew for MOTChallenge), which motmetrics brings along. Their
labelled boxes are the detections, as they are or `seen` as the synthetic ones are: 3 % off, 5 %
missed. Every tracker is told the frames a second, mean of those that it gets, keeps who is out of
sight for 3 s, and begins an object with any score.
"""

import argparse
import importlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from moving_objects import (
    NAMES,
    SCENES,
    Follow,
    Moment,
    half_of,
    idf1,
    play,
)

from spotlet.detections import Detections
from spotlet.tracking import Tracker, TrackingSettings

LOST_SECONDS = 3.0
FILMED = {"TUD-Campus": (480, 640), "TUD-Stadtmitte": (480, 640)}
"""Height and width of the labelled sequences."""

FILMED_FPS = 25.0
NOISE, MISSED = 0.03, 0.05

LEAST_SCORE = 0.01
"""From which on the others begin an object; one of them wants it over 0."""


def ours(fps: float, settings: TrackingSettings = TrackingSettings()) -> Follow:  # noqa: B008
    """Returns this project's tracker; it has the times, and needs no rate."""
    return Tracker(settings).update


def roboflow(name: str) -> Callable[[float], Follow]:
    """Returns what makes a tracker of the library trackers."""

    def make(fps: float) -> Follow:
        supervision: Any = importlib.import_module("supervision")
        # Its buffer counts frames of 30 a second, whatever the rate.
        tracker: Any = getattr(importlib.import_module("trackers"), name)(
            lost_track_buffer=round(30 * LOST_SECONDS),
            frame_rate=fps,
            track_activation_threshold=LEAST_SCORE,
        )

        def follow(
            found: Detections, at_seconds: float, epoch: int, size_hw: tuple[int, int]
        ) -> Detections:
            told = tracker.update(
                supervision.Detections(
                    xyxy=found.boxes_xyxy.astype(np.float64),
                    confidence=found.scores.astype(np.float64),
                    class_id=found.class_ids,
                )
            )
            return Detections(
                told.xyxy.astype(np.float32).reshape(-1, 4),
                np.asarray(told.confidence, np.float32),
                np.asarray(told.class_id, np.int64),
                found.class_names,
                track_ids=np.asarray(told.tracker_id, np.int64) + 1,  # theirs begin at 0, -1 none
            )

        return follow

    return make


def norfair(fps: float) -> Follow:
    """Returns the tracker of the library norfair, by overlap."""
    library: Any = importlib.import_module("norfair")
    tracker = library.Tracker(
        distance_function="iou",
        distance_threshold=0.7,
        hit_counter_max=max(round(fps * LOST_SECONDS), 2),
        initialization_delay=1,
    )

    def follow(
        found: Detections, at_seconds: float, epoch: int, size_hw: tuple[int, int]
    ) -> Detections:
        given = [
            library.Detection(points=box.reshape(2, 2).astype(float), data=row)
            for row, box in enumerate(found.boxes_xyxy)
        ]
        ids = np.zeros(len(found), np.int64)
        for each in tracker.update(detections=given):
            if any(each.last_detection is one for one in given):
                ids[each.last_detection.data] = each.id
        return replace(found, track_ids=ids)

    return follow


TRACKERS: dict[str, Callable[[float], Follow]] = {
    "spotlet": ours,
    "ByteTrack": roboflow("ByteTrackTracker"),
    "SORT": roboflow("SORTTracker"),
    "norfair": norfair,
}


def filmed(name: str, step: int, seen: bool, rng: np.random.Generator) -> list[Moment]:
    """Returns every so manieth frame of a labelled sequence."""
    package = Path(str(importlib.import_module("motmetrics").__file__)).parent
    table = np.loadtxt(package / "data" / name / "gt.txt", delimiter=",")
    moments = []
    for frame in range(1, int(table[:, 0].max()) + 1, step):
        rows = table[table[:, 0] == frame]
        truth = np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], axis=1)
        boxes = truth
        if seen:
            boxes = truth + rng.normal(0, NOISE, truth.shape) * np.tile(rows[:, 4:6], 2)
            boxes = boxes[rng.random(len(boxes)) >= MISSED]
        boxes = rng.permutation(boxes).astype(np.float32)
        moments.append(
            Moment(
                at=(frame - 1) / FILMED_FPS,
                truth_ids=rows[:, 1].astype(np.int64),
                truth_boxes=truth.astype(np.float32),
                truth_classes=np.zeros(len(rows), np.int64),
                found=Detections(
                    boxes,
                    np.full(len(boxes), 0.8, np.float32),
                    np.zeros(len(boxes), np.int64),
                    NAMES,
                ),
                size_hw=FILMED[name],
            )
        )
    return moments


def scenes(seeds: int) -> Iterator[tuple[str, float, list[list[Moment]]]]:
    """Yields of each scene its name, its frames a second, and its moments for each seed."""
    for name in FILMED:
        for seen in (False, True):
            for step in (1, 2, 5):
                drawn = [filmed(name, step, seen, np.random.default_rng(n)) for n in range(seeds)]
                yield name + ", seen" * seen, FILMED_FPS / step, drawn
    for scene in SCENES:
        for fps in (10, 30):
            yield (
                scene.__name__,
                fps,
                [play(scene, fps, np.random.default_rng(seed)) for seed in range(seeds)],
            )


def main() -> None:
    """Prints a row a scene and rate: mean IDF1 of each tracker, of all frames and of half."""
    parser = argparse.ArgumentParser(description="our tracker beside others")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--confirm-seconds", type=float, help="of our tracker, which is then the only one"
    )
    args = parser.parse_args()
    makers = dict(TRACKERS)
    if args.confirm_seconds is not None:
        settings = TrackingSettings(confirm_seconds=args.confirm_seconds)
        makers = {"spotlet": partial(ours, settings=settings)}
    warnings.simplefilter("ignore")  # of the others
    print(f"{'scene':20} frames/s" + "".join(f"{name:>15}" for name in makers))
    for name, fps, drawn in scenes(args.seeds):
        halves = [half_of(each, np.random.default_rng(n)) for n, each in enumerate(drawn)]
        row = f"{name:20} {fps:8.1f}"
        for make in makers.values():
            whole, half = _mean(drawn, make, fps), _mean(halves, make, fps / 2)
            row += f"  {whole:.3f} {half:.3f}"
        print(row, flush=True)


def _mean(drawn: Sequence[list[Moment]], make: Callable[[float], Follow], fps: float) -> float:
    return float(np.mean([idf1(moments, make(fps)) for moments in drawn]))


if __name__ == "__main__":
    main()
