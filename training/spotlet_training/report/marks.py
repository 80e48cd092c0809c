"""Marks on a picture: one for each object and detection, and where its label fits."""

from collections.abc import Sequence
from dataclasses import dataclass

from spotlet.boxes import FloatArray
from spotlet.detections import Detections
from spotlet.evaluation import Truth
from spotlet_training.evaluation.matching import Judgement, Reason
from spotlet_training.report.words import short

COLOURS = {
    Reason.FOUND: "#2ec27e",
    Reason.WRONG_CLASS: "#ff9500",
    Reason.BAD_BOX: "#c061f0",
    Reason.TWICE: "#f5d000",
    Reason.FALSE: "#ff3b30",
}
"""The colour of a detection, by its reason."""

TRUTH_COLOUR = "#ffffff"
MISSED_COLOUR = "#3d9bff"

Rectangle = tuple[float, float, float, float]
"""Left, top, right, bottom."""


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """A box on a picture, with its label.

    Attributes:
        box_xyxy: (4,) pixels of the image.
        colour: of the line and the label.
        label: empty for none.
        truth: whether it is an object, and not a detection.
    """

    box_xyxy: FloatArray
    colour: str
    label: str
    truth: bool


def marks_of(truth: Truth, found: Detections, judgement: Judgement) -> list[Mark]:
    """Returns the marks, the most important last: objects, right detections, wrong ones, misses."""
    names = [short(name) for name in found.class_names]
    objects = [
        Mark(box, TRUTH_COLOUR, "", truth=True)
        for box, missed in zip(truth.boxes_xyxy, judgement.missed, strict=True)
        if not missed
    ]
    right: list[Mark] = []
    wrong: list[Mark] = []
    for index, (each, reason) in enumerate(zip(found, judgement.reasons, strict=True)):
        if reason is Reason.IGNORED:
            continue
        label = f"{names[each.class_id]} {each.score:.2f}"
        if reason is Reason.WRONG_CLASS:
            label += f", is {names[truth.class_ids[judgement.objects[index]]]}"
        elif reason is Reason.BAD_BOX:
            label += f", IoU {judgement.overlaps[index]:.2f}"
        elif reason is not Reason.FOUND:
            label = f"{reason}: {label}"
        mark = Mark(found.boxes_xyxy[index], COLOURS[reason], label, truth=False)
        (right if reason is Reason.FOUND else wrong).append(mark)
    missed = [
        Mark(box, MISSED_COLOUR, f"missed: {names[class_id]}", truth=True)
        for box, class_id in zip(
            truth.boxes_xyxy[judgement.missed], truth.class_ids[judgement.missed], strict=True
        )
    ]
    return objects + right + wrong + missed


def caption(judgement: Judgement) -> str:
    """Returns the counts of a picture's marks, as text.

    Example:
        >>> import numpy as np
        >>> caption(Judgement((Reason.FOUND,), np.array([0]), np.ones(1), np.array([False, True])))
        '1 found, 1 missed'
    """
    counts = [(str(each), judgement.reasons.count(each)) for each in COLOURS]
    counts.append(("missed", int(judgement.missed.sum())))
    return ", ".join(f"{count} {what}" for what, count in counts if count) or "nothing there"


def best_and_worst(judgements: Sequence[Judgement], most: int) -> tuple[list[int], list[int]]:
    """Returns the frames with most objects found and no mistake, and with the most mistakes.

    Args:
        judgements: one for each frame.
        most: of each kind.

    Returns:
        Indices; of equal frames, the first come first.
    """
    found = [each.reasons.count(Reason.FOUND) for each in judgements]
    mistakes = [each.mistakes for each in judgements]
    frames = range(len(judgements))
    best = [n for n in frames if found[n] and not mistakes[n]]
    worst = [n for n in frames if mistakes[n]]
    best.sort(key=lambda n: -found[n])
    worst.sort(key=lambda n: -mistakes[n])
    return best[:most], worst[:most]


def place_label(
    box: Rectangle, size: tuple[float, float], limits: Rectangle, taken: Sequence[Rectangle]
) -> Rectangle | None:
    """Returns where a label fits at a box: above, below, beside or inside; None if nowhere.

    Args:
        box: of the label.
        size: width and height of the label.
        limits: the label must lie within.
        taken: places that the label must not touch.

    Example:
        >>> place_label((10, 50, 40, 80), (20, 10), (0, 0, 100, 100), [])
        (10, 40, 30, 50)
    """
    width, height = size
    left, top, right, bottom = box
    # At the left edge of the box, or as far from the border as needed.
    aligned = max(min(left, limits[2] - width), limits[0])
    for x, y in (
        (aligned, top - height),
        (aligned, bottom),
        (max(right - width, limits[0]), top - height),
        (max(right - width, limits[0]), bottom),
        (right, top),
        (left - width, top),
        (aligned, top),
    ):
        place = (x, y, x + width, y + height)
        inside = x >= limits[0] and y >= limits[1] and place[2] <= limits[2]
        if inside and place[3] <= limits[3] and not any(_touch(place, each) for each in taken):
            return place
    return None


def _touch(one: Rectangle, other: Rectangle) -> bool:
    apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
    return not apart
