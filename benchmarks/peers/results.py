"""Detections of a peer's validation, from its file in COCO's results format.

Source: https://cocodataset.org/#format-results
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from benchmarks.peers.contender import ContenderError

from spotlet.detections import Detections


def read_results(
    path: Path, image_ids: Sequence[str], first_class: int, class_names: tuple[str, ...]
) -> list[Detections]:
    """Returns the detections of each image, best first.

    Args:
        path: of the file.
        image_ids: its ids of the images, in our order.
        first_class: its id of our class 0.
        class_names: ours.

    Raises:
        ContenderError: there is no such file, or it has an unknown image or class.
    """
    if not path.is_file():
        raise ContenderError(f"{path}: was not written by the peer's validation")
    numbers = {image_id: number for number, image_id in enumerate(image_ids)}
    rows: list[list[tuple[float, ...]]] = [[] for _ in image_ids]
    for found in json.loads(path.read_text("utf-8")):
        number = numbers.get(str(found["image_id"]))
        class_id = int(found["category_id"]) - first_class
        if number is None or not 0 <= class_id < len(class_names):
            raise ContenderError(
                f"{path}: image {found['image_id']!r}, class {found['category_id']}; "
                "must be one of ours"
            )
        rows[number].append((*found["bbox"], found["score"], class_id))
    return [_detections(one, class_names) for one in rows]


def _detections(rows: list[tuple[float, ...]], class_names: tuple[str, ...]) -> Detections:
    """Returns detections, best first, from rows of x, y, width, height, score, class id."""
    table = np.array(sorted(rows, key=lambda row: -row[4]), np.float64).reshape(-1, 6)
    table[:, 2:4] += table[:, :2]
    return Detections(
        table[:, :4].astype(np.float32),
        table[:, 4].astype(np.float32),
        table[:, 5].astype(np.int64),
        class_names,
    )
