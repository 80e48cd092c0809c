"""A measurement as text: the same tables on a terminal and in a model's card."""

from collections.abc import Sequence
from typing import NamedTuple

from spotlet.evaluation import Accuracy, figure_text
from spotlet.text.terminal import table
from spotlet_training.datasets.class_order import listed
from spotlet_training.evaluation.curves import PrecisionCurves
from spotlet_training.evaluation.evaluation import SHOWN_RULE, Evaluation
from spotlet_training.evaluation.measurement import Measurement

NAMED = 5
"""Classes that a line names; the rest are counted."""


class Column(NamedTuple):
    """A column of figures next to the detector's own.

    Attributes:
        header: of the column.
        figures: one per row of the table, in [0, 1]; None if nothing was measured.
    """

    header: str
    figures: Sequence[float | None]


def measurement_text(measured: Measurement, asked: PrecisionCurves | None = None) -> str:
    """Returns every figure of a measurement.

    Args:
        measured: what was measured.
        asked: AP at an IoU threshold that was asked for.
    """
    evaluation = measured.evaluation
    more = []
    if asked is not None:
        at_iou = [*asked.per_class_ap.values(), asked.ap]
        more.append(Column(f"AP at IoU {asked.iou_threshold:g}", at_iou))
    lines = [
        class_table(evaluation.accuracy, more),
        "",
        size_table(evaluation.accuracy),
        "",
        f"AP75 {figure_text(evaluation.accuracy.ap75)}",
        *threshold_lines(evaluation, measured.own_threshold),
        f"latency: {measured.latency}",
        f"{measured.name} on {len(evaluation.truths)} images",
        *partial_lines(evaluation),
    ]
    return "\n".join(lines)


def class_table(accuracy: Accuracy, more: Sequence[Column] = ()) -> str:
    """Returns objects, AP50 and AP by class, with all classes in the last row.

    Args:
        accuracy: what was measured.
        more: columns on the right, a figure per class and one for all.
    """
    objects = [*accuracy.per_class_objects.values()]
    counted = zip(accuracy.rows(), [*objects, sum(objects)], strict=True)
    rows = [(name, count, ap50, ap) for (name, ap50, ap), count in counted]
    return _widened(rows, ("class", "objects", "AP50", "AP"), more)


def size_table(accuracy: Accuracy, more: Sequence[Column] = ()) -> str:
    """Returns objects and AP by the object's size.

    Args:
        accuracy: what was measured.
        more: columns on the right, a figure each for small, medium and large objects.
    """
    return _widened(accuracy.size_rows(), ("size", "objects", "AP"), more)


def threshold_lines(evaluation: Evaluation, own_threshold: float | None) -> list[str]:
    """Returns the figures at the best score threshold and at the model's own.

    Args:
        evaluation: on a labelled set.
        own_threshold: the score threshold stored in the model, if any.
    """
    best = evaluation.operating_point
    if best is None:
        return ["no object is found at any score threshold"]
    points = [("best score threshold", best)]
    own = own_threshold
    if own is not None and own != best.score_threshold and own >= SHOWN_RULE.score_threshold:
        points.append(("the model's own", evaluation.point_at(own)))
    return [
        f"{what} {point.score_threshold:.2f}: mean F1 of the classes {point.f1:.3f}; of all boxes "
        f"precision {point.precision:.3f}, recall {point.recall:.3f}"
        for what, point in points
    ]


def partial_lines(evaluation: Evaluation) -> list[str]:
    """Returns a line on what was not counted; none if the labels are complete."""
    images = len(evaluation.truths)
    unknown = [f"{name} in {count}" for name, count in evaluation.unknown_images.items()]
    if not unknown:
        return []
    return [
        f"false detections do not count where labels are not complete: {listed(unknown, NAMED)} "
        f"of {images} images"
    ]


def _widened(
    rows: Sequence[Sequence[object]], header: Sequence[str], more: Sequence[Column]
) -> str:
    """Returns the table with further columns on its right."""
    added = [[figure_text(figure) for figure in column.figures] for column in more]
    return table(
        [(*row, *figures) for row, *figures in zip(rows, *added, strict=True)],
        header=[*header, *(column.header for column in more)],
    )
