"""Compares our tracker with others: IDF1 on the same boxes, with all frames and with a random half.

    pip install "trackers>=2.6" motmetrics opencv-python-headless onnxruntime tqdm
    pip install --no-deps norfair==2.3.0 filterpy     # its metadata asks for numpy below 2; it runs
                                      in an environment of their own
    PYTHONPATH=runtime:tests python benchmarks/tracking_compared.py [--seeds 5]

Besides the synthetic scenes of `tracking.py` there are two filmed and labelled ones, TUD-Campus and
TUD-Stadtmitte at 25 frames/s (Andriluka 2008, "People-tracking-by-detection and
people-detection-by-tracking", relabelled for MOTChallenge), which come with motmetrics. Their
labelled boxes are the detections, either unchanged or `seen` like the synthetic ones: 3 % off, 5 %
missed.

Every tracker keeps an object that is out of sight for 3 s, starts one at any score, and gets the
time of each frame: those of `trackers` as `timestamp=`, with the source's frame rate; norfair
through an update without detections for each missing frame, as its documentation says. There are no
pictures, so BoT-SORT and McByte run without camera motion, and McByte without masks.
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

LEAST_SCORE = 0.2
"""Score from which the others start an object: below every score of the scenes, of which the least
is 0.3. One of them refuses 0.1 and less."""


def ours(fps: float, settings: TrackingSettings = TrackingSettings()) -> Follow:  # noqa: B008
    """Returns this project's tracker; it uses the times, and needs no frame rate."""
    return Tracker(settings).update


def roboflow(name: str, **settings: Any) -> Callable[[float], Follow]:
    """Returns a function that makes a tracker of the library trackers."""

    def make(fps: float) -> Follow:
        supervision: Any = importlib.import_module("supervision")
        # The buffer counts frames at 30 a second, whatever the rate.
        tracker: Any = getattr(importlib.import_module("trackers"), name)(
            lost_track_buffer=round(30 * LOST_SECONDS), frame_rate=fps, **settings
        )

        def follow(
            found: Detections, at_seconds: float, epoch: int, size_hw: tuple[int, int]
        ) -> Detections:
            tracked = tracker.update(
                supervision.Detections(
                    xyxy=found.boxes_xyxy.astype(np.float64),
                    confidence=found.scores.astype(np.float64),
                    class_id=found.class_ids,
                ),
                timestamp=at_seconds,
            )
            return Detections(
                tracked.xyxy.astype(np.float32).reshape(-1, 4),
                np.asarray(tracked.confidence, np.float32),
                np.asarray(tracked.class_id, np.int64),
                found.class_names,
                # Their ids start at 0, and -1 is none.
                track_ids=np.asarray(tracked.tracker_id, np.int64) + 1,
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
    before: float | None = None

    def follow(
        found: Detections, at_seconds: float, epoch: int, size_hw: tuple[int, int]
    ) -> Detections:
        nonlocal before
        steps = 1 if before is None else max(round((at_seconds - before) * fps), 1)
        before = at_seconds
        for _ in range(steps - 1):
            tracker.update()
        given = [
            library.Detection(points=box.reshape(2, 2).astype(float), data=row)
            for row, box in enumerate(found.boxes_xyxy)
        ]
        ids = np.zeros(len(found), np.int64)
        for each in tracker.update(detections=given, period=steps):
            if any(each.last_detection is one for one in given):
                ids[each.last_detection.data] = each.id
        return replace(found, track_ids=ids)

    return follow


ANY_SCORE = {"track_activation_threshold": LEAST_SCORE, "high_conf_det_threshold": LEAST_SCORE}
"""Every box may start an object. With their default, 0.6, ByteTrack, C-BIoU and OC-SORT did less
well on most of the scenes."""

TRACKERS: dict[str, Callable[[float], Follow]] = {
    "spotlet": ours,
    "ByteTrack": roboflow("ByteTrackTracker", **ANY_SCORE),
    "SORT": roboflow("SORTTracker", track_activation_threshold=LEAST_SCORE),
    "OC-SORT": roboflow("OCSORTTracker", high_conf_det_threshold=LEAST_SCORE),
    "C-BIoU": roboflow("CBIoUTracker", **ANY_SCORE),
    "BoT-SORT": roboflow("BoTSORTTracker", enable_cmc=False, **ANY_SCORE),
    "McByte": roboflow("McByteTracker", enable_cmc=False, **ANY_SCORE),
    "norfair": norfair,
}


def filmed(name: str, step: int, seen: bool, rng: np.random.Generator) -> list[Moment]:
    """Returns every `step`th frame of a labelled sequence."""
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
    """Yields each scene's name, its frames a second, and its moments for each seed."""
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
    """Prints a row for each scene and rate: mean IDF1 of each tracker, all frames and half."""
    parser = argparse.ArgumentParser(description="compare our tracker with others")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--confirm-seconds", type=float, help="measure only our tracker, with this setting"
    )
    args = parser.parse_args()
    makers = dict(TRACKERS)
    if args.confirm_seconds is not None:
        settings = TrackingSettings(confirm_seconds=args.confirm_seconds)
        makers = {"spotlet": partial(ours, settings=settings)}
    warnings.simplefilter("ignore")  # the others' warnings
    print(f"{'scene':20} frames/s" + "".join(f"{name:>13}" for name in makers))
    for name, fps, drawn in scenes(args.seeds):
        halves = [half_of(each, np.random.default_rng(n)) for n, each in enumerate(drawn)]
        row = f"{name:20} {fps:8.1f}"
        for make in makers.values():
            whole, half = _mean(drawn, make, fps), _mean(halves, make, fps)
            row += f"  {whole:.3f} {half:.3f}"
        print(row, flush=True)


def _mean(drawn: Sequence[list[Moment]], make: Callable[[float], Follow], fps: float) -> float:
    return float(np.mean([idf1(moments, make(fps)) for moments in drawn]))


if __name__ == "__main__":
    main()
