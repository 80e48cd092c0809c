"""Frames with lit cells for the networks of `foreign_networks`, and what must be found in them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from foreign_networks import CELL, COLUMNS, HEIGHT, WIDTH, Make, cell_boxes, expected_score

from spotlet import Detector
from spotlet.letterbox import ImageArray

BLACK = {"pad_value": 0}
LIT = ((1, 3, 0, 230), (4, 7, 1, 210), (6, 2, 2, 250))
"""Row and column of a cell of the canvas, its class, its level; far enough apart."""

SCALE = {"letterbox": (2, 2), "letterbox_corner": (2, 2), "stretch": (2, 3)}
"""Pixels of the frame for one of the canvas, down and across: whole, so that cells stay flat."""

FRAME_HW = {"letterbox": (128, 128), "letterbox_corner": (128, 128), "stretch": (128, 288)}


@dataclass(frozen=True)
class Expected:
    class_id: int
    score: float
    box: np.ndarray[Any, Any]


def left_of(resize: str) -> int:
    """Columns of padding to the left, pixels of the canvas: half of what a square leaves free."""
    return (WIDTH - HEIGHT) // 2 if resize == "letterbox" else 0


def make_frame(resize: str) -> ImageArray:
    """Returns a black frame with the lit cells in their colours."""
    frame = np.zeros((*FRAME_HW[resize], 3), np.uint8)
    down, across = SCALE[resize]
    for row, column, class_id, level in LIT:
        left = column * CELL - left_of(resize)
        rows = slice(row * CELL * down, (row + 1) * CELL * down)
        frame[rows, left * across : (left + CELL) * across, 2 - class_id] = level
    return frame


def expected(make: Make, resize: str) -> list[Expected]:
    """Returns what must be found, best first: the letterbox undone by hand."""
    down, across = SCALE[resize]
    high, wide = FRAME_HW[resize]
    found = []
    for row, column, class_id, level in LIT:
        left, top, right, bottom = cell_boxes()[row * COLUMNS + column]
        sides = [
            (left - left_of(resize)) * across,
            top * down,
            (right - left_of(resize)) * across,
            bottom * down,
        ]
        box = np.clip(sides, 0, [wide, high, wide, high])
        found.append(Expected(class_id, expected_score(make, level / 255), box))
    return sorted(found, key=lambda each: -each.score)


def assert_finds(package: Path, make: Make, resize: str, *, most: int = len(LIT)) -> None:
    found = Detector(package)(make_frame(resize))
    wanted = expected(make, resize)[:most]
    slack = 2e-2 if make.dtype == "float16" else 1e-4
    assert found.class_ids.tolist() == [each.class_id for each in wanted]
    np.testing.assert_allclose(found.scores, [each.score for each in wanted], atol=slack)
    boxes = np.array([each.box for each in wanted])
    np.testing.assert_allclose(found.boxes_xyxy, boxes, atol=30 * slack)
