"""What the figures mean, in plain words."""

from collections.abc import Sequence

import numpy as np

from spotlet_training.evaluation.measurement import Measurement
from spotlet_training.evaluation.measurement_text import partial_lines
from spotlet_training.report.confusion import ConfusionMatrix
from spotlet_training.report.history import EpochFigures

FEW_OBJECTS = 20
"""Below this number of objects, one more found moves a class's figures by over 5 %."""

NOTABLE_SHARE = 0.1
"""The least share of a class's objects or detections: fewer mistakes get no sentence."""

LOOSE_BOXES = 0.3
"""Share of AP50 lost at IoU 0.75 from which boxes are called loose."""

LATE_EPOCHS = 0.95
"""A best epoch beyond this share of all suggests a longer training."""

MOST_NAMED = 3
"""Classes in a sentence."""

MOST_LETTERS = 24
"""Letters of a name in a picture; the page has the full name."""


def sentences(
    measured: Measurement, matrix: ConfusionMatrix, history: Sequence[EpochFigures] = ()
) -> list[str]:
    """Returns sentences on the main results, and on what may improve them.

    Args:
        measured: the figures.
        matrix: the mistakes at the score threshold.
        history: the epochs of the training, if known.
    """
    lines = [_overall(measured, matrix), _confused(matrix), *_missed_and_false(matrix)]
    lines += [_sizes(measured), _boxes(measured), _few(matrix), _longer(measured, history)]
    lines += [f"{line[0].upper()}{line[1:]}." for line in partial_lines(measured.evaluation)]
    return [line for line in lines if line]


def short(name: str, most: int = MOST_LETTERS) -> str:
    """Returns a name, shortened to fit into a picture.

    Example:
        >>> short("a-name-that-nobody-would-ever-give")
        'a-name-that-nobody-woul…'
    """
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _overall(measured: Measurement, matrix: ConfusionMatrix) -> str:
    objects, right = int(matrix.objects.sum()), int(matrix.right.sum())
    drawn = int(matrix.counts[:, :-1].sum())
    if not objects:
        return "These images hold no labelled object to measure against."
    return (
        f"At a score threshold of {measured.score_threshold:.2f}, it finds {right} of {objects} "
        f"objects ({_percent(right, objects)}); {right} of its {drawn} boxes are right "
        f"({_percent(right, drawn)})."
    )


def _confused(matrix: ConfusionMatrix) -> str:
    if len(matrix.class_names) == 1:
        return ""
    confusions = matrix.confusions()
    if not confusions:
        return "No object is confused with another class."
    pairs = [
        f"{each.truth} with {each.found} ({each.count} of {each.objects})"
        for number, each in enumerate(confusions[:MOST_NAMED])
        if number == 0 or each.count > 1
    ]
    return f"Most often confused: {', '.join(pairs)}."


def _missed_and_false(matrix: ConfusionMatrix) -> list[str]:
    drawn = matrix.counts[:, :-1].sum(axis=0)
    lines = []
    for what, counts, totals, of in (
        ("Most often missed or found with a bad box", matrix.missed, matrix.objects, "objects"),
        ("Most often found where there is no such object", matrix.false, drawn, "boxes"),
    ):
        share = counts / np.maximum(totals, 1)
        order = [n for n in np.argsort(-share, kind="stable") if share[n] >= NOTABLE_SHARE]
        named = [
            f"{matrix.class_names[n]} ({counts[n]} of {totals[n]} {of})" for n in order[:MOST_NAMED]
        ]
        if named:
            lines.append(f"{what}: {', '.join(named)}.")
    return lines


def _sizes(measured: Measurement) -> str:
    accuracy = measured.evaluation.accuracy
    larger = accuracy.ap_medium, accuracy.objects_medium
    if accuracy.objects_large > accuracy.objects_medium:
        larger = accuracy.ap_large, accuracy.objects_large
    small, (large, count) = accuracy.ap_small, larger
    if small is None or large is None or min(accuracy.objects_small, count) < FEW_OBJECTS:
        return ""
    if small > large / 2:
        return ""
    return (
        f"Small objects are found worst: AP {small:.2f}, {large:.2f} for larger ones. A larger "
        "--image-size or closer photographs may help."
    )


def _boxes(measured: Measurement) -> str:
    ap50, ap75 = measured.evaluation.accuracy.ap50, measured.evaluation.accuracy.ap75
    if not ap50 or ap75 is None or ap75 > ap50 * (1 - LOOSE_BOXES):
        return ""
    return (
        f"Objects are found, but many boxes are loose: AP50 is {ap50:.2f}, AP75 only {ap75:.2f}. "
        "Loose labels have the same effect: see the pictures below."
    )


def _few(matrix: ConfusionMatrix) -> str:
    few = [
        f"{name} ({count})"
        for name, count in zip(matrix.class_names, matrix.objects.tolist(), strict=True)
        if count < FEW_OBJECTS
    ]
    if not few:
        return ""
    more = f" and {len(few) - 10} more classes" if len(few) > 10 else ""
    return (
        f"Too few objects to trust the figures of {', '.join(few[:10])}{more}: label more of "
        "them in the validation images."
    )


def _longer(measured: Measurement, history: Sequence[EpochFigures]) -> str:
    best = measured.training.get("epoch")
    if not history or not isinstance(best, int) or best <= LATE_EPOCHS * history[-1].number:
        return ""
    return (
        f"The best epoch was {best} of {history[-1].number}: a longer training (--epochs) may do "
        "better."
    )


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "-"
