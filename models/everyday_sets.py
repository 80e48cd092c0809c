"""Makes two labelled sets for `models/everyday.py --labelled` from public repositories.

    git clone https://github.com/CATS-Lab/Field-data-Drone-View-Vehicle-Image-Set drone
    git clone https://github.com/OlYVER1337/Object-detection- photos
    python models/everyday_sets.py --drone drone --photos photos --out sets

`sets/overhead` has cars from straight above, `sets/handheld` bottles in hands and rooms.
"""

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from everyday import CLASSES
from spotlet.boxes import FloatArray, box_area
from spotlet.coco_labels import LABEL_FILE, PICTURE_FOLDER, CocoPicture, coco_content
from spotlet.image_files import read_image
from spotlet.image_files.files import write_image
from spotlet.letterbox import ImageArray

SIDE = 480
"""Longest side of a picture, pixels."""

EACH = 3
"""One in this many of the drone's frames is taken, which follow each other closely."""

LONGEST_CAR = 150
"""Pixels of a drone's frame. All its vehicles are labelled as cars: frames with a longer one are
left out."""

PART = (0.4, 0.7)
"""Side of a part of a frame, as a share of the frame's."""

LEAST_VISIBLE = 0.6
"""Share of a box inside the picture; objects with less are ignored."""

CROPS = 3
"""Of each photograph: itself and random parts that show all its bottles."""

WRONG = ("Cups-78-", "Cups-81-")
"""Photographs whose boxes are somewhere else."""


def main() -> None:
    """Writes both sets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--drone", type=Path, required=True, help="frames, with YOLO labels")
    parser.add_argument("--photos", type=Path, required=True, help="with oriented boxes")
    parser.add_argument("--out", type=Path, required=True, help="folder of both sets")
    args = parser.parse_args()
    on_roads = ("person", "bicycle", "motorcycle", "truck")
    write_set(args.out / "overhead", "car", on_roads, overhead(args.drone))
    write_set(args.out / "handheld", "bottle", ("person", "chair"), handheld(args.photos))


def overhead(root: Path) -> Iterable[tuple[ImageArray, FloatArray]]:
    """Yields frames of a drone, and a rotated part of each, with the boxes of their cars.

    The boxes are (N, 4) xyxy in pixels, and may exceed the part.
    """
    random = np.random.default_rng(0)
    for path in sorted((root / "images").glob("*.jpg"))[::EACH]:
        image = read_image(path)
        text = (root / "labels" / f"{path.stem}.txt").read_text("utf-8")
        rows = np.array([line.split()[1:] for line in text.splitlines()], np.float32)
        rows = rows.reshape(-1, 4) * np.array([*image.shape[1::-1]] * 2, np.float32)
        centres, sides = rows[:, :2], rows[:, 2:]
        if len(rows) and sides.max() <= LONGEST_CAR:
            boxes = np.hstack([centres - sides / 2, centres + sides / 2]).astype(np.float32)
            yield image, boxes
            side = int(random.uniform(*PART) * min(image.shape[:2]))
            corner = random.integers(0, np.array(image.shape[1::-1]) - side + 1)
            (left, top), turns = corner, int(random.integers(4))  # counter-clockwise
            part = image[top : top + side, left : left + side]
            boxes = boxes - np.tile(corner, 2).astype(np.float32)
            for _ in range(turns):
                x1, y1, x2, y2 = boxes.T
                boxes = np.stack([y1, side - x2, y2, side - x1], 1)
            yield np.ascontiguousarray(np.rot90(part, turns)), boxes


def handheld(root: Path) -> Iterable[tuple[ImageArray, FloatArray]]:
    """Yields photographs, and parts of them, with the boxes of their bottles."""
    random = np.random.default_rng(0)
    labels = [*root.glob("*/labels/*.txt"), *root.glob("*/labelTxt/*.txt")]
    for label in sorted(labels):
        path = label.parents[1] / "images" / f"{label.stem}.jpg"
        rows = [line.split() for line in label.read_text("utf-8").splitlines()]
        corners = [row[:8] for row in rows if row[8:9] == ["bottle"]]
        if not corners or not path.exists() or any(part in path.name for part in WRONG):
            continue
        image = read_image(path)
        if image.shape[1] > image.shape[0]:  # stored sideways, labelled upright
            image = np.ascontiguousarray(np.rot90(image, -1))
        points = np.array(corners, np.float32).reshape(-1, 4, 2)
        boxes = np.hstack([points.min(1), points.max(1)])
        least, most = boxes[:, :2].min(0), boxes[:, 2:].max(0)
        size = np.array(image.shape[1::-1])
        yield image, boxes
        for _ in range(CROPS - 1):
            left, top = (random.uniform(0, 1, 2) * least).astype(int)
            right, bottom = (size - random.uniform(0, 1, 2) * (size - most).clip(0)).astype(int)
            yield image[top:bottom, left:right], boxes - np.array([left, top] * 2, np.float32)


def write_set(
    out: Path,
    class_name: str,
    unknown: Sequence[str],
    pictures: Iterable[tuple[ImageArray, FloatArray]],
) -> None:
    """Writes a COCO set of one class; of others, some may be in the pictures."""
    known = CLASSES.index(class_name)
    rows = []
    for number, (image, boxes) in enumerate(pictures, 1):
        scale = min(1.0, SIDE / max(image.shape[:2]))
        name = f"{number:05d}.jpg"
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        write_image(out / PICTURE_FOLDER / name, np.asarray(small, np.uint8))
        limit = np.array([*small.shape[1::-1]] * 2, np.float32)
        whole = boxes * np.float32(scale)
        boxes = whole.clip(0, limit)
        visible = box_area(boxes) / box_area(whole)
        boxes, visible = boxes[visible > 0], visible[visible > 0]
        rows.append(
            CocoPicture(
                file_name=name,
                size_hw=(small.shape[0], small.shape[1]),
                boxes_xyxy=boxes,
                class_ids=np.full(len(boxes), known),
                ignored=visible < LEAST_VISIBLE,
                unknown_ids=[CLASSES.index(name) for name in unknown],
            )
        )
    (out / LABEL_FILE).parent.mkdir(parents=True, exist_ok=True)
    (out / LABEL_FILE).write_text(json.dumps(coco_content(CLASSES, rows)), "utf-8")
    print(f"{out}: {len(rows)} pictures, {sum(len(row.boxes_xyxy) for row in rows)} boxes")


if __name__ == "__main__":
    main()
