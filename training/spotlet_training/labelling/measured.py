"""A teacher's best thresholds, measured on a labelled set."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from spotlet.boxes import FloatArray
from spotlet.detections import Detections
from spotlet.errors import UsageError
from spotlet.evaluation import Truth
from spotlet_training.datasets import LabelledImages
from spotlet_training.datasets.discover import read_labels
from spotlet_training.labelling.classes import UNWANTED, classes_of_set, listed
from spotlet_training.labelling.passes import find_objects, views_of
from spotlet_training.labelling.settings import LabelSettings
from spotlet_training.labelling.teachers import Assignment


def measured_thresholds(
    assignment: Assignment,
    class_names: tuple[str, ...],
    root: Path,
    settings: LabelSettings,
    on_picture: Callable[[], None] = lambda: None,
) -> FloatArray:
    """Returns the threshold with the best F1 at IoU 0.5 of each class, (C,) float32.

    It is NaN for a class that the teacher lacks, that has no object in the set or is not complete
    there, or of which the teacher finds none.

    Args:
        assignment: the teacher.
        class_names: of the set that is written; the labelled set's are renamed likewise.
        root: of the labelled set; all its pictures are used.
        settings: of the classes and passes.
        on_picture: called after each picture.

    Raises:
        DatasetError: the set cannot be read.
        UsageError: it has none of the classes, or the training extra is not installed.
    """
    try:
        from spotlet_training.evaluation.operating_point import (
            THRESHOLDS,
            ThresholdCurves,
            best_operating_point,
            threshold_curves,
        )
    except ModuleNotFoundError as error:
        raise UsageError(
            f'thresholds from {root}: needs {error.name}: pip install "spotlet[training]"'
        ) from error
    _, content = read_labels(root)
    content.problems.raise_if_any()
    ids, _ = classes_of_set(content.class_names, (), class_names, settings.classes)
    if (ids == UNWANTED).all():
        raise UsageError(
            f"thresholds from {root}: has the classes {listed(content.class_names)}, none of "
            f"{listed(class_names)}"
        )
    low = np.full_like(assignment.thresholds, THRESHOLDS[0])
    asked = replace(assignment, thresholds=low)
    truths, found = [], []
    images = LabelledImages(content.class_names, [*content.train, *(content.val or [])])
    for index in range(len(images)):
        sample = images.load(index)
        size_hw = (sample.image_bgr.shape[0], sample.image_bgr.shape[1])
        views = views_of(size_hw, settings.passes, settings.tile_pixels)
        each = find_objects(asked, sample.image_bgr, views, doubt=1.0)
        # Of an incompletely labelled class, a correct detection would count as false.
        _, unknown = classes_of_set(
            content.class_names, sample.unknown_ids, class_names, settings.classes
        )
        each = each.select(~np.isin(each.class_ids, sorted(unknown)))
        kept = ids[sample.class_ids] != UNWANTED
        class_ids = ids[sample.class_ids[kept]]
        truths.append(Truth(sample.boxes_xyxy[kept], class_ids, sample.ignored[kept]))
        found.append(Detections(each.boxes_xyxy, each.scores, each.class_ids, class_names))
        on_picture()
    curves = threshold_curves(truths, found, len(class_names))
    thresholds = np.full_like(assignment.thresholds, np.nan)
    for class_id in np.flatnonzero(assignment.knows & (curves.objects > 0)).tolist():
        one = slice(class_id, class_id + 1)
        own = ThresholdCurves(
            curves.thresholds, curves.right[:, one], curves.drawn[:, one], curves.objects[one]
        )
        if (best := best_operating_point(own)) is not None:
            thresholds[class_id] = best.score_threshold
    return thresholds
