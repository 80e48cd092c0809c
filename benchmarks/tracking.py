"""Measures ids on synthetic scenes with known truth, by py-motmetrics: IDF1, MOTA, switches.

    pip install motmetrics numpy      in its own environment: it installs pandas and scipy
    PYTHONPATH=runtime:tests python benchmarks/tracking.py [--seeds 20] [--scenes NAME ...]

Each scene lasts 20 s; 5 % of the objects are missed in each frame, so that perfect identities have
an IDF1 of 0.974. `half` is the same scene without a random half of its frames. The last lines are
the cost of one update.
"""

import argparse
import importlib
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from moving_objects import (
    NAMES,
    SAME_IOU,
    SCENES,
    SIZE_HW,
    Moment,
    half_of,
    idf1,
    play,
)

from spotlet.boxes import box_iou
from spotlet.detections import Detections
from spotlet.tracking import Tracker

RATES = (5, 10, 15, 30)
COUNTS = (10, 100, 300)
"""Objects in the frame of a timed update."""


def main() -> None:
    """Prints a row for each scene and rate: mean and worst over the seeds."""
    parser = argparse.ArgumentParser(description="measure ids on synthetic scenes")
    parser.add_argument("--seeds", type=int, default=20)
    names = [scene.__name__ for scene in SCENES]
    parser.add_argument("--scenes", nargs="+", choices=names, default=names)
    args = parser.parse_args()
    print("scene    frames/s  frames  IDF1 mean  worst  MOTA mean  worst  switches  largest fall")
    for scene in SCENES:
        for fps in RATES if scene.__name__ in args.scenes else ():
            whole, half = [], []
            for seed in range(args.seeds):
                rng = np.random.default_rng(seed)
                moments = play(scene, fps, rng)
                whole.append(_measure(moments))
                half.append(_measure(half_of(moments, rng)))
            _print_row(scene.__name__, fps, "all", np.array(whole), "")
            fall = float((np.array(whole)[:, 0] - np.array(half)[:, 0]).max())
            _print_row("", fps, "half", np.array(half), f"{fall:.3f}")
    for count in COUNTS:
        print(f"{count} objects: {_update_ms(count):.2f} ms an update")


def _measure(moments: Sequence[Moment]) -> tuple[float, float, float]:
    """Returns IDF1, MOTA and switches; also checks our own IDF1 against the library's."""
    metrics: Any = importlib.import_module("motmetrics")
    table = metrics.MOTAccumulator(auto_id=True)
    tracker = Tracker()
    for moment in moments:
        tracked = tracker.update(moment.found, moment.at, 0, SIZE_HW)
        assert tracked.track_ids is not None
        tracked = tracked.select(tracked.track_ids > 0)
        assert tracked.track_ids is not None
        iou = box_iou(moment.truth_boxes, tracked.boxes_xyxy)
        table.update(
            moment.truth_ids, tracked.track_ids, np.where(iou >= SAME_IOU, 1 - iou, np.nan)
        )
    row = metrics.metrics.create().compute(table, metrics=["idf1", "mota", "num_switches"])
    values = tuple(float(row[name].iloc[0]) for name in ("idf1", "mota", "num_switches"))
    own = idf1(moments, Tracker().update)
    assert abs(own - values[0]) < 1e-9, f"IDF1 {own} of the tests, {values[0]} of the library"
    return values[0], values[1], values[2]


def _print_row(name: str, fps: int, frames: str, rows: Any, fall: str) -> None:
    mean, worst = rows.mean(axis=0), rows.min(axis=0)
    print(
        f"{name:8} {fps:8} {frames:>7} {mean[0]:10.3f} {worst[0]:6.3f} {mean[1]:10.3f} "
        f"{worst[1]:6.3f} {mean[2]:9.2f}  {fall:>12}",
        flush=True,
    )


def _update_ms(count: int) -> float:
    """Returns the median milliseconds of an update with `count` wandering objects."""
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 40 * count**0.5, (count, 2))
    tracker, spans = Tracker(), []
    for step in range(40):
        corners += rng.normal(0, 2, corners.shape)
        boxes = np.concatenate([corners, corners + 40], axis=1).astype(np.float32)
        scores = np.linspace(0.9, 0.5, count, dtype=np.float32)
        found = Detections(boxes, scores, np.zeros(count, np.int64), NAMES)
        started = time.perf_counter()
        tracker.update(found, step / 30)
        spans.append(time.perf_counter() - started)
    return float(np.median(spans[10:])) * 1000


if __name__ == "__main__":
    main()
