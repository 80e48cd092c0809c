"""The report's diagrams: the course of a training, precision, thresholds and confusions."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
"""Figures of an epoch, what they are called, and their colours."""

MOST_COLOURS = 10
"""Classes up to this number have a colour each; of more, the weakest have one."""

NAMED_WEAKEST = 5
"""Classes that have a colour where there are more than `MOST_COLOURS`."""

MOST_IN_MATRIX = 40
"""Classes in the picture of a confusion matrix: of more, those with the most mistakes."""


def draw_history(epochs: Sequence[EpochFigures], best: int | None = None) -> Figure:
    """Returns loss and AP by epoch.

    Args:
        epochs: at least one, in order.
        best: number of the epoch whose weights were kept; None where nobody knows.
    """
    figure = Figure(figsize=(9.6, 3.6), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    numbers = [epoch.number for epoch in epochs]
    marker = "o" if len(epochs) < 10 else ""
    for axes, lines in ((loss, LOSSES), (accuracy, ACCURACIES)):
        for what, label, colour in lines:
            values = [getattr(epoch, what) for epoch in epochs]
            axes.plot(numbers, values, color=colour, marker=marker, markersize=4, label=label)
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(frameon=False)
        _plain(axes)
    loss.set_title("Loss on the training images", fontsize=11, loc="left")
    loss.set_ylim(bottom=0)
    accuracy.set_title("Accuracy on the validation images", fontsize=11, loc="left")
    accuracy.set_ylim(0, 1.02)
    if best is not None and best in numbers:
        accuracy.axvline(best, color=RED, linewidth=1, linestyle="--")
        accuracy.annotate(
            f"kept: {best}", (best, 0), xytext=(-4, 4), textcoords="offset points",
            color=RED, ha="right" if best > np.mean(numbers) else "left",
        )  # fmt: skip
    return figure


def draw_precision(curves: PrecisionCurves) -> Figure:
    """Returns precision by recall of each class."""
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.subplots()
    aps = curves.per_class_ap
    measured = [n for n, name in enumerate(curves.class_names) if aps[name] is not None]
    weakest_first = sorted(measured, key=lambda n: aps[curves.class_names[n]] or 0.0)
    few = len(measured) <= MOST_COLOURS
    named = measured if few else weakest_first[:NAMED_WEAKEST]
    handles, labels = [], []
    for class_id in [n for n in measured if n not in named] + named:
        row = curves.precision[class_id]
        colour = f"C{named.index(class_id)}" if class_id in named else GREY
        width = 1.8 if class_id in named else 0.8
        # Beyond the greatest recall that was reached there is no precision to draw.
        (line,) = axes.plot(RECALLS, np.where(row > 0, row, np.nan), color=colour, linewidth=width)
        if class_id in named:
            name = curves.class_names[class_id]
            handles.append(line)
            labels.append(f"{short(name)}  {figure_text(aps[name])}")
    if not few:
        (line,) = axes.plot([], [], color=GREY)
        handles.append(line)
        labels.append(f"the other {len(measured) - len(named)} classes")
    if len(measured) > 1:
        mean = np.nanmean(curves.precision, axis=0)
        (line,) = axes.plot(RECALLS, mean, color=BLACK, linewidth=2.4, linestyle=":")
        handles.append(line)
        labels.append(f"mean  {figure_text(curves.ap)}")
    axes.set_xlabel("recall: share of the objects that are found")
    axes.set_ylabel("precision: share of the boxes that are right")
    axes.set_xlim(0, 1.01)
    axes.set_ylim(0, 1.02)
    _plain(axes)
    legend = figure.legend(
        handles,
        [str(n) for n in range(len(handles))],
        loc="outside right upper",
        fontsize=9,
        title="AP50" if few else "AP50 of the weakest",
        frameon=False,
        alignment="left",
    )
    for text, label in zip(legend.get_texts(), labels, strict=True):
        text.set_parse_math(False)
        text.set_text(label)
    return figure


def draw_thresholds(curves: ThresholdCurves, score_threshold: float) -> Figure:
    """Returns precision, recall and F1 by score threshold, and the threshold that is used."""
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.subplots()
    lines = (("precision", GREEN, curves.precision), ("recall", BLUE, curves.recall))
    for label, colour, values in lines:
        drawn = np.where(curves.drawn.any(axis=1), values, np.nan)
        axes.plot(curves.thresholds, drawn, color=colour, label=label)
    if curves.objects.any():
        axes.plot(curves.thresholds, curves.f1, color=BLACK, linewidth=2.2, label="F1")
    axes.axvline(score_threshold, color=RED, linewidth=1, linestyle="--")
    axes.annotate(
        f"{score_threshold:.2f}", (score_threshold, 0), xytext=(4, 4),
        textcoords="offset points", color=RED,
    )  # fmt: skip
    axes.set_xlabel("score threshold")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    _plain(axes)
    figure.legend(loc="outside right upper", fontsize=9, frameon=False)
    return figure


def draw_confusion(matrix: ConfusionMatrix) -> Figure:
    """Returns the matrix as a picture: green what is right, red what is not.

    A row is coloured by the share of its objects; the last one, of false detections, by the
    share of a column's detections.
    """
    if len(matrix.class_names) > MOST_IN_MATRIX:
        mistakes = matrix.objects - matrix.right + matrix.false
        worst = np.sort(np.argsort(-mistakes, kind="stable")[:MOST_IN_MATRIX])
        matrix = matrix.of_classes(worst.tolist())
    counts, size = matrix.counts, len(matrix.counts)
    side = 2.4 + (0.5 if size <= 12 else 0.3) * size
    figure = Figure(figsize=(side + 0.6, side), layout="constrained")
    axes = figure.subplots()
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
    ticks = range(size)
    small = 10 if size <= 12 else 8
    axes.set_xticks(
        ticks, [*names, "(missed)"], rotation=45 if size <= 12 else 90, fontsize=small,
        parse_math=False, ha="right" if size <= 12 else "center", rotation_mode="anchor"
        if size <= 12 else "default",
    )  # fmt: skip
    axes.set_yticks(ticks, [*names, "(nothing)"], fontsize=small, parse_math=False)
    axes.set_xlabel("found as")
    axes.set_ylabel("what is there")
    axes.tick_params(length=0)
    axes.set_xticks(np.arange(0.5, size), minor=True)
    axes.set_yticks(np.arange(0.5, size), minor=True)
    axes.grid(which="minor", color="#dddddd", linewidth=0.6)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_color("#dddddd")
    return figure


def _plain(axes: Axes) -> None:
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _rgb(colour: str) -> list[float]:
    return [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
