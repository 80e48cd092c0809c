"""Measures what tiles find of small objects, on pictures made from a set's own.

    python benchmarks/tiles.py MODEL DATASET [--tiles off 2x2 auto] [--pictures 40]
    python benchmarks/tiles.py MODEL DATASET --make FOLDER [--pictures 100]

The second writes such pictures as a COCO set, a third of them to validate on, for `spotlet train
--tiles 2x2` and without.

Each picture, 2560 x 1440, is a validation picture, enlarged, with others pasted small over it, so
that their objects are under 1/40 of its height. AP is of these alone: larger ones may be found but
need not be. The row of false alarms counts, at the model's own threshold, detections that no object
of any size explains; the row of twins, objects that two detections have found.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from spotlet import Detector, SessionSettings, TileSettings
from spotlet.boxes import box_iou
from spotlet.detections import Detections
from spotlet.evaluation import Truth, average_precision
from spotlet.letterbox import ImageArray
from spotlet.text.terminal import Progress, table
from spotlet_training.commands.set_options import asked_sets
from spotlet_training.datasets import Dataset, Sample
from spotlet_training.evaluation.evaluation import COCO_RULE

FRAME_HW = (1440, 2560)
SMALL = FRAME_HW[0] / 40
"""An object below this height, in pixels, is small."""

HEIGHTS = (18.0, 36.0)
"""Of the median object of a picture that is pasted, pixels."""

PASTED = 24
"""Pictures on each; those that would lie on another are left out."""

FOUND_IOU = 0.5


def main() -> None:
    """Prints a row of figures for each layout."""
    parser = argparse.ArgumentParser(description="tiles")
    parser.add_argument("model")
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--variant")
    parser.add_argument("--tiles", nargs="+", default=["off", "2x2", "auto"])
    parser.add_argument("--pictures", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save", type=Path, help="folder for the first pictures")
    parser.add_argument("--make", type=Path, metavar="FOLDER")
    args = parser.parse_args()
    session = SessionSettings(threads=args.threads)
    detector = Detector(args.model, variant=args.variant, session=session)
    if args.make is not None:
        make_set(args.dataset, args.make, args.pictures)
        return
    splits = asked_sets([args.dataset], [])
    dataset = _OfClasses(splits.val, detector.class_names)
    rows = []
    for layout in args.tiles:
        detector.tiles = TileSettings(layout=layout)
        rows.append(_row(detector, dataset, args.pictures, args.save))
    header = ("tiles", "inferences", "ms", "AP", "AP50", "false alarms", "twins", "larger found")
    print(table(rows, header=header))


class _OfClasses:
    """A set with only the objects of some classes, in their order."""

    def __init__(self, dataset: Dataset, class_names: tuple[str, ...]) -> None:
        self._dataset = dataset
        self.class_names = class_names
        ids = {name: index for index, name in enumerate(class_names)}
        self._ids = np.array([ids.get(name, -1) for name in dataset.class_names])

    def __len__(self) -> int:
        return len(self._dataset)

    def load(self, index: int) -> Sample:
        sample = self._dataset.load(index)
        class_ids = self._ids[sample.class_ids]
        kept = class_ids >= 0
        return replace(
            sample,
            boxes_xyxy=sample.boxes_xyxy[kept],
            class_ids=class_ids[kept],
            ignored=sample.ignored[kept],
            unknown_ids=tuple(
                int(self._ids[each]) for each in sample.unknown_ids if self._ids[each] >= 0
            ),
        )


def _row(
    detector: Detector, dataset: Dataset, pictures: int, folder: Path | None
) -> tuple[object, ...]:
    truths, found, seconds, inferences, false, twins = [], [], [], 0, 0, 0
    larger = np.zeros(2, int)
    with Progress("tiles", total=pictures, unit="pictures") as progress:
        for number in range(pictures):
            frame, truth = made_picture(dataset, np.random.default_rng(number))
            started = time.perf_counter()
            shown = detector(frame)
            seconds.append(time.perf_counter() - started)
            inferences = shown.inferences
            found.append(detector.found_in(detector.part_outputs(frame), COCO_RULE))
            truths.append(truth)
            alarms, doubles, there = explained(shown, truth)
            false, twins, larger = false + alarms, twins + doubles, larger + there
            if folder is not None and number < 3:
                _save(frame, truth, shown, folder / f"{number}-{detector.tiles.layout}.jpg")
            progress.advance()
    accuracy = average_precision(truths, found, detector.class_names)
    return (
        detector.tiles.layout,
        inferences,
        f"{np.median(seconds) * 1000:.0f}",
        f"{accuracy.ap or 0:.3f}",
        f"{accuracy.ap50 or 0:.3f}",
        false,
        twins,
        f"{larger[0]} of {larger[1]}",
    )


def made_picture(dataset: Dataset, rng: np.random.Generator) -> tuple[ImageArray, Truth]:
    """Returns a picture of `FRAME_HW`, and its objects; those that are not small are ignored."""
    height, width = FRAME_HW
    base = dataset.load(int(rng.integers(len(dataset))))
    scale_xy = np.array([width, height]) / base.image_bgr.shape[1::-1]
    frame = cv2.resize(base.image_bgr, (width, height), interpolation=cv2.INTER_CUBIC)
    boxes, class_ids = [base.boxes_xyxy * np.tile(scale_xy, 2)], [base.class_ids]
    ignored, unknown = [np.ones(len(base.class_ids), np.bool_)], set(base.unknown_ids)
    places: list[tuple[float, float, float, float]] = []
    for _ in range(PASTED):
        sample = dataset.load(int(rng.integers(len(dataset))))
        if not len(sample.class_ids):
            continue
        sides = sample.boxes_xyxy[:, 3] - sample.boxes_xyxy[:, 1]
        scale = min(rng.uniform(*HEIGHTS) / float(np.median(sides)), 1.0)
        h, w = (max(round(side * scale), 1) for side in sample.image_bgr.shape[:2])
        if h >= height or w >= width:
            continue
        x, y = int(rng.integers(width - w)), int(rng.integers(height - h))
        if any(x < r and x + w > l and y < b and y + h > t for l, t, r, b in places):  # noqa: E741
            continue
        places.append((x, y, x + w, y + h))
        small = cv2.resize(sample.image_bgr, (w, h), interpolation=cv2.INTER_AREA)
        frame[y : y + h, x : x + w] = small
        moved = sample.boxes_xyxy * (
            np.array([w, h, w, h]) / np.tile(sample.image_bgr.shape[1::-1], 2)
        )
        moved = moved + np.array([x, y, x, y])
        boxes.append(moved)
        class_ids.append(sample.class_ids)
        ignored.append(sample.ignored | (moved[:, 3] - moved[:, 1] >= SMALL))
        unknown |= set(sample.unknown_ids)
    truth = Truth(
        boxes_xyxy=np.concatenate(boxes).astype(np.float32),
        class_ids=np.concatenate(class_ids),
        ignored=np.concatenate(ignored),
        unknown_ids=tuple(sorted(unknown)),
    )
    return frame.astype(np.uint8, copy=False), truth


def make_set(given: Path, folder: Path, pictures: int) -> None:
    """Writes a COCO set of made pictures; in the training pictures, larger objects count too."""
    splits = asked_sets([given], [])
    for split, dataset, count in (
        ("train", splits.train, pictures),
        ("val", splits.val, pictures // 2),
    ):
        (folder / split).mkdir(parents=True)
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for number in range(count):
            frame, truth = made_picture(dataset, np.random.default_rng([number, split == "train"]))
            name = f"{number:04}.jpg"
            cv2.imwrite(str(folder / split / name), frame, [cv2.IMWRITE_JPEG_QUALITY, 92])
            images.append(
                {"id": number, "file_name": name, "width": FRAME_HW[1], "height": FRAME_HW[0]}
            )
            rows = zip(truth.boxes_xyxy.tolist(), truth.class_ids, truth.ignored, strict=True)
            for (x1, y1, x2, y2), class_id, ignored in rows:
                annotations.append(
                    {
                        "id": len(annotations),
                        "image_id": number,
                        "category_id": int(class_id),
                        "bbox": [x1, y1, x2 - x1, y2 - y1],
                        "area": (x2 - x1) * (y2 - y1),
                        "iscrowd": int(ignored and split == "val"),
                    }
                )
        classes = [{"id": index, "name": name} for index, name in enumerate(dataset.class_names)]
        content = {"images": images, "annotations": annotations, "categories": classes}
        (folder / "annotations").mkdir(exist_ok=True)
        (folder / "annotations" / f"{split}.json").write_text(json.dumps(content))


def explained(shown: Detections, truth: Truth) -> tuple[int, int, np.ndarray]:
    """Returns the false alarms, the objects found twice, and how many larger ones were found."""
    overlaps = box_iou(shown.boxes_xyxy, truth.boxes_xyxy)
    overlaps *= shown.class_ids[:, None] == truth.class_ids
    hits = overlaps >= FOUND_IOU
    known = ~np.isin(shown.class_ids, truth.unknown_ids)
    # A detection belongs to the object it fits best; the others are neighbours.
    own = np.zeros_like(hits)
    if hits.size:
        own[np.arange(len(hits)), overlaps.argmax(axis=1)] = True
    times = (hits & own).sum(axis=0)
    alarms = int((known & ~(overlaps >= FOUND_IOU / 2).any(axis=1)).sum())
    larger = truth.ignored
    return alarms, int((times > 1).sum()), np.array([(times[larger] > 0).sum(), larger.sum()])


def _save(frame: ImageArray, truth: Truth, shown: Detections, path: Path) -> None:
    drawn = frame.copy()
    rows: Sequence[tuple[np.ndarray, tuple[int, int, int]]]
    rows = ((truth.boxes_xyxy, (0, 200, 0)), (shown.boxes_xyxy, (0, 0, 255)))
    for boxes, colour in rows:
        for x1, y1, x2, y2 in boxes.round().astype(int).tolist():
            cv2.rectangle(drawn, (x1, y1), (x2, y2), colour, 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), drawn)


if __name__ == "__main__":
    main()
