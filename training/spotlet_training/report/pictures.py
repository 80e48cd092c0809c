"""Contact sheets of validation images, with their objects and detections."""

from collections.abc import Sequence

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle as Patch
from matplotlib.patheffects import Normal, Stroke

from spotlet.letterbox import ImageArray
from spotlet_training.datasets import Dataset
from spotlet_training.report.confusion import Judged
from spotlet_training.report.marks import (
    COLOURS,
    MISSED_COLOUR,
    TRUTH_COLOUR,
    Mark,
    Rectangle,
    caption,
    marks_of,
    place_label,
)
from spotlet_training.report.words import short

COLUMNS = 3

CELL_WIDTH = 480
"""The widest picture, pixels; with `COLUMNS` of them a sheet fits a laptop's screen."""

CELL_ASPECTS = (0.6, 1.25)
"""Least and greatest height of a cell over its width."""

MOST_LETTERS = 54
"""Letters of a file's name that fit over a cell."""

CAPTION, GAP, LEGEND = 42, 12, 30  # heights and distances, pixels
DOTS = 100
"""Dots an inch: a point of text is 1.4 pixels."""

BLANK_GREY = 200
"""Grey of an image that is not shown."""


def draw_sheet(
    dataset: Dataset,
    indices: Sequence[int],
    frames: Sequence[Judged],
    *,
    photographs: bool = True,
) -> Figure:
    """Returns some images of a set with their marks, and a legend of the colours below.

    The figure's inches times `DOTS` are its pixels.

    Args:
        dataset: the images.
        indices: which, at least one.
        frames: the objects, detections and judgement of every image of the set.
        photographs: whether to show the images; else the marks are drawn on grey.
    """
    samples = [dataset.load(index) for index in indices]
    aspects = [sample.image_bgr.shape[0] / sample.image_bgr.shape[1] for sample in samples]
    cell_height = round(CELL_WIDTH * float(np.clip(np.median(aspects), *CELL_ASPECTS)))
    columns = min(COLUMNS, len(indices))
    rows = -(-len(indices) // columns)
    width = max(columns, 2) * (CELL_WIDTH + GAP) + GAP  # the legend needs two columns
    height = rows * (cell_height + CAPTION + GAP) + LEGEND
    figure = Figure(figsize=(width / DOTS, height / DOTS), dpi=DOTS, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    for number, (index, sample) in enumerate(zip(indices, samples, strict=True)):
        left = GAP + number % columns * (CELL_WIDTH + GAP)
        top = CAPTION + number // columns * (cell_height + CAPTION + GAP)
        _write(axes, left, top - CAPTION + 6, short(sample.name, MOST_LETTERS), weight="bold")
        _write(axes, left, top - CAPTION + 22, caption(frames[index][2]))
        image = _fitted(sample.image_bgr, (cell_height, CELL_WIDTH))
        image = image if photographs else np.full_like(image, BLANK_GREY)
        place = (left, top, left + image.shape[1], top + image.shape[0])
        axes.imshow(
            image[..., ::-1], extent=(place[0], place[2], place[3], place[1]),
            interpolation="nearest", aspect="auto",
        )  # fmt: skip
        scale = image.shape[1] / sample.image_bgr.shape[1]
        cell = (left, top, left + CELL_WIDTH, top + cell_height)
        _draw_marks(axes, marks_of(*frames[index]), cell, scale)
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    _draw_legend(axes, height - LEGEND / 2)
    return figure


def _fitted(image: ImageArray, limits_hw: tuple[int, int]) -> ImageArray:
    """Returns the image as large as the limits allow."""
    height, width = image.shape[:2]
    scale = min(limits_hw[0] / height, limits_hw[1] / width)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size, interpolation=method), np.uint8)


def _draw_marks(axes: Axes, marks: Sequence[Mark], cell: Rectangle, scale: float) -> None:
    """Draws boxes in order, then labels in reverse: mistakes get room first."""
    boxes = []
    for mark in marks:
        x1, y1, x2, y2 = (mark.box_xyxy * scale).tolist()
        boxes.append((cell[0] + x1, cell[1] + y1, cell[0] + x2, cell[1] + y2))
        _draw_box(axes, boxes[-1], mark.colour, truth=mark.truth)
    taken: list[Rectangle] = []
    for number in reversed(range(len(marks))):
        if marks[number].label:
            others = boxes[:number] + boxes[number + 1 :]
            _draw_label(axes, marks[number], boxes[number], others, cell, taken)


def _draw_box(axes: Axes, box: Rectangle, colour: str, *, truth: bool) -> None:
    """Draws an object dashed, a detection solid, both on a dark rim."""
    left, top, right, bottom = box
    patch = Patch(
        (left, top), right - left, bottom - top, fill=False, edgecolor=colour, linewidth=1.3,
        linestyle=(0, (3, 2)) if truth else "-",
    )  # fmt: skip
    patch.set_path_effects([Stroke(linewidth=2.4, foreground="#000000a0"), Normal()])
    axes.add_patch(patch)


def _draw_label(
    axes: Axes,
    mark: Mark,
    box: Rectangle,
    others: Sequence[Rectangle],
    cell: Rectangle,
    taken: list[Rectangle],
) -> None:
    """Draws a label where there is room, preferably off the other boxes, and takes that room."""
    text = axes.text(
        0, 0, mark.label, fontsize=7.5, color="black", ha="left", va="top", parse_math=False
    )
    extent = text.get_window_extent()
    size = (extent.width + 6, extent.height + 3)
    spot = place_label(box, size, cell, [*taken, *others])
    spot = spot or place_label(box, size, cell, taken)
    if spot is None:
        text.remove()
        return
    taken.append(spot)
    text.set_position((spot[0] + 3, spot[1] + 1))
    text.set_zorder(4)
    back = Patch(spot[:2], *size, edgecolor="#00000080", linewidth=0.5, zorder=3)
    back.set_facecolor(mark.colour)
    axes.add_patch(back)


def _draw_legend(axes: Axes, middle: float) -> None:
    left = float(GAP)
    entries = [
        ("object", TRUTH_COLOUR, True),
        ("missed object", MISSED_COLOUR, True),
        *((str(reason), colour, False) for reason, colour in COLOURS.items()),
    ]
    for label, colour, truth in entries:
        _draw_box(axes, (left, middle - 7, left + 22, middle + 7), colour, truth=truth)
        text = _write(axes, left + 28, middle - 7, label)
        left += 28 + text + 22


def _write(axes: Axes, x: float, y: float, label: str, weight: str = "normal") -> float:
    """Writes a line of text; returns its width."""
    text = axes.text(
        x, y, label, fontsize=8.5, color="#222222", ha="left", va="top", weight=weight,
        parse_math=False,
    )  # fmt: skip
    return float(text.get_window_extent().width)
