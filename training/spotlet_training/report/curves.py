"""The report's diagrams: loss and accuracy, precision, thresholds and confusions."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from spotlet.evaluation import RECALLS, figure_text
from spotlet_training.evaluation.curves import PrecisionCurves
from spotlet_training.evaluation.operating_point import ThresholdCurves
from spotlet_training.report.confusion import ConfusionMatrix
from spotlet_training.report.history import EpochFigures
from spotlet_training.report.words import short

BLUE, RED, GREEN, GREY, BLACK = "#2f6fc4", "#c4442f", "#2e8b57", "#b8b8b8", "#222222"

LOSSES = (
    ("loss", "all", BLACK),
    ("scores_loss", "classes", BLUE),
    ("boxes_loss", "boxes", GREEN),
)
ACCURACIES = (("ap50", "AP50", BLUE), ("ap", "AP", BLACK))
"""Figures of an epoch, their labels, and their colours."""

MOST_COLOURS = 10
"""Up to this many classes have a colour each; of more, only the weakest."""

NAMED_WEAKEST = 5
"""Classes that have a colour if there are more than `MOST_COLOURS`."""

MOST_IN_MATRIX = 40
"""Classes in the picture of a confusion matrix: of more, those with the most mistakes."""


def draw_history(epochs: Sequence[EpochFigures], best: int | None = None) -> Figure:
    """Returns loss and AP by epoch.

    Args:
        epochs: at least one, in order.
        best: number of the epoch whose weights were kept; None if it is unknown.
    """
    figure, (loss, accuracy) = _figure(9.6, 3.6, columns=2)
    numbers = [epoch.number for epoch in epochs]
    marker = "o" if len(epochs) < 10 else ""
    for axes, lines in ((loss, LOSSES), (accuracy, ACCURACIES)):
        for what, label, colour in lines:
            values = [getattr(epoch, what) for epoch in epochs]
            axes.plot(numbers, values, color=colour, marker=marker, markersize=4, label=label)
        axes.set_xlabel("epoch")
        axes.locator_params("x", integer=True)
        axes.legend(frameon=False)
    loss.set_title("Loss on the training images", fontsize=11, loc="left")
    loss.set_ylim(bottom=0)
    accuracy.set_title("Accuracy on the validation images", fontsize=11, loc="left")
    accuracy.set_ylim(0, 1.02)
    if best is not None and best in numbers:
        _mark(accuracy, best, f"kept: {best}", left=2 * best > numbers[0] + numbers[-1])
    return figure


def draw_precision(curves: PrecisionCurves) -> Figure:
    """Returns precision by recall of each class."""
    figure, (axes,) = _figure(7.2, 4.2)
    aps = curves.per_class_ap
    measured = [n for n, name in enumerate(curves.class_names) if aps[name] is not None]
    weakest_first = sorted(measured, key=lambda n: aps[curves.class_names[n]] or 0.0)
    few = len(measured) <= MOST_COLOURS
    named = measured if few else weakest_first[:NAMED_WEAKEST]
    entries: list[tuple[Line2D, str]] = []
    for class_id in [n for n in measured if n not in named] + named:
        row = curves.precision[class_id]
        colour = f"C{named.index(class_id)}" if class_id in named else GREY
        width = 1.8 if class_id in named else 0.8
        # Beyond the greatest recall there is no precision to draw.
        (line,) = axes.plot(RECALLS, np.where(row > 0, row, np.nan), color=colour, linewidth=width)
        if class_id in named:
            name = curves.class_names[class_id]
            entries.append((line, f"{short(name)}  {figure_text(aps[name])}"))
    if not few:
        (line,) = axes.plot([], [], color=GREY)
        entries.append((line, f"the other {len(measured) - len(named)} classes"))
    if len(measured) > 1:
        mean = np.nanmean(curves.precision, axis=0)
        (line,) = axes.plot(RECALLS, mean, color=BLACK, linewidth=2.4, linestyle=":")
        entries.append((line, f"mean  {figure_text(curves.ap)}"))
    axes.set_xlabel("recall: share of the objects that are found")
    axes.set_ylabel("precision: share of the boxes that are right")
    axes.set(xlim=(0, 1.01), ylim=(0, 1.02))
    title = "AP50" if few else "AP50 of the weakest"
    legend = figure.legend(
        [line for line, _ in entries], [str(n) for n in range(len(entries))],
        loc="outside right upper", fontsize=9, title=title, frameon=False, alignment="left",
    )  # fmt: skip
    for text, (_, label) in zip(legend.get_texts(), entries, strict=True):
        text.set_parse_math(False)
        text.set_text(label)
    return figure


def draw_thresholds(curves: ThresholdCurves, score_threshold: float) -> Figure:
    """Returns precision, recall and F1 by score threshold, and the threshold that is used."""
    figure, (axes,) = _figure(7.2, 4.2)
    lines = (("precision", GREEN, curves.precision), ("recall", BLUE, curves.recall))
    for label, colour, values in lines:
        drawn = np.where(curves.drawn.any(axis=1), values, np.nan)
        axes.plot(curves.thresholds, drawn, color=colour, label=label)
    if curves.objects.any():
        axes.plot(curves.thresholds, curves.f1, color=BLACK, linewidth=2.2, label="F1")
    _mark(axes, score_threshold, f"{score_threshold:.2f}")
    axes.set(xlabel="score threshold", xlim=(0, 1), ylim=(0, 1.02))
    figure.legend(loc="outside right upper", fontsize=9, frameon=False)
    return figure


def draw_confusion(matrix: ConfusionMatrix) -> Figure:
    """Returns the matrix as a picture: green for right, red for wrong.

    A row is coloured by the share of its objects; the last one, of false detections, by the
    share of a column's detections.
    """
    if len(matrix.class_names) > MOST_IN_MATRIX:
        mistakes = matrix.objects - matrix.right + matrix.false
        worst = np.sort(np.argsort(-mistakes, kind="stable")[:MOST_IN_MATRIX])
        matrix = matrix.of_classes(worst.tolist())
    counts, size = matrix.counts, len(matrix.counts)
    side = 2.4 + (0.5 if size <= 12 else 0.3) * size
    figure, (axes,) = _figure(side + 0.6, side)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    share[-1] = counts[-1] / np.maximum(counts.sum(axis=0), 1)
    tint = (share**0.5 * 0.85)[..., None]  # a few mistakes among many must still be seen
    colours = np.where(np.eye(size)[..., None] > 0, _rgb(GREEN), _rgb(RED))
    axes.imshow(1 - tint * (1 - colours))
    for row, column in np.argwhere(counts).tolist():
        axes.text(
            column, row, f"{counts[row, column]}", ha="center", va="center",
            fontsize=10 if size <= 12 else 7,
            color="white" if tint[row, column, 0] > 0.6 else BLACK,
        )  # fmt: skip
    names = [short(name) for name in matrix.class_names]
    slanted: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    turned: dict[str, Any] = slanted if size <= 12 else {"rotation": 90}
    small = 10 if size <= 12 else 8
    for axis, nothing, turn in ((axes.xaxis, "(missed)", turned), (axes.yaxis, "(nothing)", {})):
        labels = [*names, nothing]
        axis.set_ticks(range(size), labels, fontsize=small, parse_math=False, **turn)
        axis.set_ticks(np.arange(0.5, size), minor=True)
    axes.set(xlabel="found as", ylabel="true class")
    axes.tick_params(which="both", length=0)
    axes.grid(visible=False)
    axes.grid(which="minor", color="#dddddd", linewidth=0.6)
    axes.spines[:].set(color="#dddddd", visible=True)
    return figure


def _figure(width: float, height: float, columns: int = 1) -> tuple[Figure, Sequence[Axes]]:
    """Returns a figure of a size in inches, and its axes, with a light grid and no box."""
    figure = Figure(figsize=(width, height), layout="constrained")
    row: list[Axes] = figure.subplots(1, columns, squeeze=False)[0].tolist()
    for axes in row:
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, row


def _mark(axes: Axes, x: float, label: str, *, left: bool = False) -> None:
    """Draws a dashed line at `x`, with a label at its right or left."""
    axes.axvline(x, color=RED, linewidth=1, linestyle="--")
    axes.annotate(
        label, (x, 0), xytext=(-4 if left else 4, 4), textcoords="offset points", color=RED,
        ha="right" if left else "left",
    )  # fmt: skip


def _rgb(colour: str) -> list[float]:
    return [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
