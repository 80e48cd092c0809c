"""Writes the report of a measurement: a folder with a page and its pictures."""

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spotlet.atomic import atomic_folder, check_replaceable
from spotlet.errors import UsageError
from spotlet_training.datasets import Dataset
from spotlet_training.evaluation.curves import precision_curves
from spotlet_training.evaluation.matching import judge
from spotlet_training.evaluation.measurement import CHECKPOINT_SUFFIX, Measurement, measure
from spotlet_training.learning.epochs import HISTORY
from spotlet_training.report.confusion import ConfusionMatrix, Judged, confusion_matrix
from spotlet_training.report.history import EpochFigures, read_history
from spotlet_training.report.marks import best_and_worst
from spotlet_training.report.page import Picture, make_page
from spotlet_training.report.words import sentences

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE_FILE = "report.html"

REPORT_FOLDER = "report"
"""The folder beside the checkpoint."""

MOST_IMAGES = 6
"""Images on a contact sheet."""

DIAGRAM_DOTS = 110
"""Dots an inch: twice those of a page, for sharp screens."""

JPEG_QUALITY = 85


def write_report(
    measured: Measurement, dataset: Dataset, folder: Path, *, photographs: bool = True
) -> Path:
    """Writes `report.html` and its pictures as files; returns the page's path.

    The page holds the pictures itself and can be sent alone.

    Args:
        measured: the figures.
        dataset: the measured images, in the same order.
        folder: to write; replaces an earlier report there.
        photographs: whether to show the images; else the marks are drawn on grey, for sets that
            must not be passed on.

    Raises:
        OutputError: the folder cannot be written, or holds other things.
        UsageError: matplotlib is not installed.
    """
    check_replaceable(folder, marker=PAGE_FILE)
    truths, names = measured.evaluation.truths, measured.evaluation.class_names
    found = measured.evaluation.shown_from(measured.score_threshold)
    frames = [(truth, each, judge(truth, each)) for truth, each in zip(truths, found, strict=True)]
    matrix = confusion_matrix(frames, names)
    history = own_history(measured)
    with warnings.catch_warnings():
        # Letters that matplotlib's font lacks become boxes; the page has them all.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        drawn = _draw(measured, dataset, frames, matrix, history, photographs)
    page = make_page(measured, matrix, sentences(measured, matrix, history), drawn)
    with atomic_folder(folder, marker=PAGE_FILE) as temporary:
        (temporary / PAGE_FILE).write_text(page, encoding="utf-8", errors="backslashreplace")
        for name, (kind, content) in drawn.items():
            suffix = kind.removeprefix("image/").replace("jpeg", "jpg")
            (temporary / f"{name}.{suffix}").write_bytes(content)
    return folder / PAGE_FILE


def report_training(checkpoint: Path, dataset: Dataset) -> str:
    """Writes the report of a training beside its checkpoint; returns a line about it.

    An error is reported in that line and not raised: the training must not be lost.

    Args:
        checkpoint: of the training.
        dataset: the validation images.
    """
    try:
        page = write_report(
            measure(str(checkpoint), dataset), dataset, checkpoint.parent / REPORT_FOLDER
        )
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        return f"no report ({reason}); the checkpoint is safe"
    return f"report: {page}"


def own_history(measured: Measurement) -> Sequence[EpochFigures]:
    """Returns the epochs in the file beside a checkpoint, if its training wrote them."""
    if not measured.name.endswith(CHECKPOINT_SUFFIX):
        return ()
    history = read_history(Path(measured.name).with_name(HISTORY))
    epoch, ap = measured.training.get("epoch"), measured.training.get("val_ap")
    for each in history:
        # Both are rounded, to four digits and to five.
        if each.number == epoch and isinstance(ap, float) and abs(each.ap - ap) < 1e-4:
            return history
    return ()


def _draw(
    measured: Measurement,
    dataset: Dataset,
    frames: Sequence[Judged],
    matrix: ConfusionMatrix,
    history: Sequence[EpochFigures],
    photographs: bool,
) -> dict[str, Picture]:
    """Returns the pictures by name; those without content are left out."""
    try:
        from spotlet_training.report import curves, pictures
    except ModuleNotFoundError as error:
        raise UsageError('a report needs matplotlib: pip install "spotlet[training]"') from error
    evaluation = measured.evaluation
    precision = precision_curves(evaluation.truths, evaluation.found, evaluation.class_names)
    diagrams = {
        "precision": curves.draw_precision(precision),
        "threshold": curves.draw_thresholds(evaluation.curves, measured.score_threshold),
        "confusion": curves.draw_confusion(matrix),
    }
    if history:
        diagrams["history"] = curves.draw_history(history, measured.training.get("epoch"))
    drawn = {name: _encode(figure, "png", DIAGRAM_DOTS) for name, figure in diagrams.items()}
    best, worst = best_and_worst([judgement for *_, judgement in frames], MOST_IMAGES)
    for name, indices in (("best", best), ("worst", worst)):
        if indices:
            sheet = pictures.draw_sheet(dataset, indices, frames, photographs=photographs)
            drawn[name] = _encode(sheet, "jpeg", pictures.DOTS)
    return drawn


def _encode(figure: "Figure", kind: str, dots: int) -> Picture:
    stream = io.BytesIO()
    quality = {"quality": JPEG_QUALITY} if kind == "jpeg" else {"optimize": True}
    figure.savefig(stream, format=kind, dpi=dots, pil_kwargs=quality)
    return f"image/{kind}", stream.getvalue()
