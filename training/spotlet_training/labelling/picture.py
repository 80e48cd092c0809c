"""One picture: what it has, what the teachers find, what is written of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spotlet.boxes import box_iou
from spotlet.coco_labels import SUGGESTED_KEY, CocoPicture
from spotlet_training.datasets import Sample
from spotlet_training.labelling.classes import classes_of_set
from spotlet_training.labelling.fusion import CLASH_IOU, Labels, fuse
from spotlet_training.labelling.input import Input
from spotlet_training.labelling.passes import find_objects, views_of
from spotlet_training.labelling.settings import LabelSettings
from spotlet_training.labelling.teachers import Assignment

SAME_IOU = 0.5
"""Overlap from which a teacher's box is that of an object already labelled."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledPicture:
    """What is to be written of a picture.

    Attributes:
        picture: its labels, own ones first.
        content: of the file; None to copy the picture.
        own: how many labels a person made.
    """

    picture: CocoPicture
    content: bytes | None
    own: int


def label_picture(
    item: Input,
    file_name: str,
    assignments: Sequence[Assignment],
    class_names: tuple[str, ...],
    settings: LabelSettings,
) -> LabelledPicture:
    """Returns the labels of a picture.

    Its own labels stay; the teachers add only classes that these leave open. A class that no
    teacher knows either stays unknown.

    Args:
        item: the picture.
        file_name: in the set.
        assignments: the teachers.
        class_names: of the set.
        settings: of the passes and of the agreement.

    Raises:
        DatasetError: the picture cannot be read, or has another size than its labels say.
        SourceError: it cannot be read.
        SpotletError: a teacher fails.
    """
    sample = item.load()
    own, unknown = _own_labels(item, sample, class_names, settings)
    taught = {int(index) for each in assignments for index in np.flatnonzero(each.knows).tolist()}
    size_hw = (sample.image_bgr.shape[0], sample.image_bgr.shape[1])
    labels, asked = own, unknown & taught
    if asked:
        views = views_of(size_hw, settings.passes, settings.tile_pixels)
        found = [
            find_objects(each, sample.image_bgr, views, settings.doubt) for each in assignments
        ]
        labels = completed(own, fuse(assignments, found, settings.agree), asked)
    about: dict[str, object] = {"source": item.source}
    if item.frame is not None:
        about |= {"frame": item.frame, "film": item.film}
    if asked:
        about["teachers"] = [each.teacher.name for each in assignments]
        about["doubt"] = round(float(labels.doubts.sum()), 3)
    if item.labels is None:
        about[SUGGESTED_KEY] = True
    elif asked:
        about["added"] = [class_names[index] for index in sorted(asked)]
    picture = CocoPicture(
        file_name=file_name,
        size_hw=size_hw,
        boxes_xyxy=labels.boxes_xyxy,
        class_ids=labels.class_ids,
        ignored=labels.ignored,
        scores=labels.scores,
        unknown_ids=sorted(unknown - taught),
        about=about,
    )
    return LabelledPicture(picture, item.frame_content(), len(own.scores))


def completed(own: Labels, found: Labels, asked: set[int]) -> Labels:
    """Returns a picture's own labels, then those found of other objects of some classes.

    Args:
        own: of a person; they stay unchanged.
        found: by the teachers.
        asked: classes of which there may be more than `own` has.
    """
    new = found.select(np.isin(found.class_ids, sorted(asked)))
    same = new.class_ids[:, None] == own.class_ids[None, :]
    overlaps = box_iou(new.boxes_xyxy, own.boxes_xyxy)
    # A person has named the object, perhaps by another class.
    new = new.select(~((same & (overlaps >= SAME_IOU)) | (overlaps >= CLASH_IOU)).any(axis=1))
    return Labels(
        np.concatenate([own.boxes_xyxy, new.boxes_xyxy]),
        np.concatenate([own.scores, new.scores]),
        np.concatenate([own.class_ids, new.class_ids]),
        np.concatenate([own.ignored, new.ignored]),
        np.concatenate([own.doubts, new.doubts]),
    )


def _own_labels(
    item: Input, sample: Sample, class_names: tuple[str, ...], settings: LabelSettings
) -> tuple[Labels, set[int]]:
    """Returns the labels that a person made, and the classes that they leave open."""
    count = len(sample.class_ids)
    own_names = () if item.labels is None else item.class_names
    new_ids, unknown = classes_of_set(own_names, sample.unknown_ids, class_names, settings.classes)
    ids = new_ids[sample.class_ids]
    zeros = np.zeros(count, np.float32)
    own = Labels(sample.boxes_xyxy, zeros + 1, ids, sample.ignored, zeros)
    return own, unknown
