"""The model card's accuracy, by class and by size."""

from collections.abc import Mapping

from spotlet.evaluation import Accuracy, figure_text
from spotlet.model.package import VARIANTS
from spotlet_export.card.markdown import code_span, fenced, section
from spotlet_export.card.measured import NOT_MEASURED
from spotlet_export.gate.variants import FP32, INT8
from spotlet_training.evaluation.evaluation import Evaluation
from spotlet_training.evaluation.measurement_text import (
    Column,
    class_table,
    size_table,
    threshold_lines,
)


def accuracy_section(
    evaluations: Mapping[str, Evaluation], own_threshold: float, data_name: str | None
) -> str:
    """Returns the accuracy of each file, by class and by size.

    Args:
        evaluations: by file name, all on the same images; may be empty.
        own_threshold: the score threshold of the manifest.
        data_name: of the set that the images are from; None if it has no name.
    """
    title = "Accuracy"
    base = evaluations.get(VARIANTS[FP32])
    if base is None:
        return section(title, NOT_MEASURED)
    quantised = evaluations.get(VARIANTS[INT8])
    classes, sizes = [], []
    if quantised is not None:
        figures = quantised.accuracy
        classes = [
            Column("AP50 int8", [*figures.per_class_ap50.values(), figures.ap50]),
            Column("AP int8", [*figures.per_class_ap.values(), figures.ap]),
        ]
        sizes = [Column("AP int8", _by_size(figures))]
    lines = [class_table(base.accuracy, classes), "", size_table(base.accuracy, sizes), ""]
    for label, evaluation in (("", base), ("int8: ", quantised)):
        if evaluation is not None:
            lines.append(f"{label}AP75 {figure_text(evaluation.accuracy.ap75)}")
            lines += [label + line for line in threshold_lines(evaluation, own_threshold)]
    of = "" if data_name is None else f" of {code_span(data_name)}"
    return section(
        title,
        f"Measured on {len(base.truths)} validation images{of} with the shipped runtime, by COCO's "
        "protocol: AP50 is average precision at IoU 0.50, AP its mean over IoU 0.50, 0.55, … 0.95; "
        "a dash means that there was no such object.",
        fenced("\n".join(lines)),
    )


def _by_size(accuracy: Accuracy) -> list[float | None]:
    return [accuracy.ap_small, accuracy.ap_medium, accuracy.ap_large]
