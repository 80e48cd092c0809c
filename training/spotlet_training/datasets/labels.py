"""Labels read up front, and their image files, decoded on demand."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray
from spotlet.errors import DatasetError, SourceError
from spotlet.image_files import read_image
from spotlet.letterbox import ImageArray
from spotlet.text.plain import plain_line
from spotlet_training.datasets.checks import Problems
from spotlet_training.datasets.sample import Sample


class LabelRow(NamedTuple):
    """One object as a reader finds it.

    Attributes:
        box_xyxy: on the pixel grid's edges, in pixels or fractions.
        class_id: index into the class names.
        ignored: whether it is neither trained on nor counted.
        place: where in the label file: the line (YOLO), the object (VOC), both from 1, or the
            annotation's id (COCO).
        score: of a model's suggestion, in [0, 1] (COCO); NaN of all other objects.
    """

    box_xyxy: tuple[float, float, float, float]
    class_id: int
    ignored: bool
    place: int
    score: float = math.nan


@dataclass(frozen=True, slots=True, eq=False)
class ImageLabels:
    """The objects of one image file.

    Attributes:
        path: of the image.
        boxes_xyxy: (N, 4) float32, on the pixel grid's edges: pixels if the labels declare the
            image's size, else (YOLO) fractions of its width and height.
        class_ids: (N,) int64.
        ignored: (N,) bool.
        size_hw: height and width that the labels declare, pixels; None if they do not.
        label_file: in which the objects are listed.
        places: N numbers, their places in it, see `LabelRow`.
        unknown_ids: see `Sample`.
        scores: (N,) float32, see `LabelRow`; None without any.
    """

    path: Path
    boxes_xyxy: FloatArray
    class_ids: npt.NDArray[np.int64]
    ignored: npt.NDArray[np.bool_]
    size_hw: tuple[int, int] | None
    label_file: Path
    places: tuple[int, ...]
    unknown_ids: tuple[int, ...] = ()
    scores: FloatArray | None = None

    @classmethod
    def from_rows(
        cls,
        path: Path,
        rows: Sequence[LabelRow],
        label_file: Path,
        size_hw: tuple[int, int] | None = None,
        unknown_ids: tuple[int, ...] = (),
    ) -> "ImageLabels":
        """Returns the labels of an image, in the order of the rows."""
        scores = np.array([row.score for row in rows], np.float32)
        return cls(
            path,
            np.array([row.box_xyxy for row in rows], np.float32).reshape(-1, 4),
            np.array([row.class_id for row in rows], np.int64),
            np.array([row.ignored for row in rows], np.bool_),
            size_hw,
            label_file,
            tuple(row.place for row in rows),
            unknown_ids,
            None if np.isnan(scores).all() else scores,
        )


@dataclass(frozen=True, slots=True, eq=False)
class LabelledSet:
    """What the reader of a format returns.

    Attributes:
        class_names: the classes, shared by both splits.
        train: labels of the training images.
        val: labels of the validation images; None if the set has no such split.
        notes: lines to show the user.
        problems: errors, left out of the labels; training needs a set without any.
    """

    class_names: tuple[str, ...]
    train: list[ImageLabels]
    val: list[ImageLabels] | None
    notes: list[str]
    problems: Problems


class LabelledImages:
    """A `Dataset` over image files."""

    def __init__(self, class_names: tuple[str, ...], labels: Sequence[ImageLabels]) -> None:
        """Takes labels that are already checked."""
        self._class_names = class_names
        self._labels = tuple(labels)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes; the index is the class id."""
        return self._class_names

    @property
    def labels(self) -> tuple[ImageLabels, ...]:
        """The labels of every image, without the images."""
        return self._labels

    def __len__(self) -> int:
        return len(self._labels)

    def load(self, index: int) -> Sample:
        """Returns the image at `index`, from 0, with arrays that the caller may change.

        The picture is turned as its EXIF orientation says, as labelling tools show it and the
        device reads it.

        Raises:
            DatasetError: the file cannot be decoded, or its size differs from its labels'.
        """
        labels = self._labels[index]
        image = decode_image(labels.path)
        height, width = image.shape[:2]
        if labels.size_hw is None:
            boxes = labels.boxes_xyxy * np.array([width, height, width, height], np.float32)
        else:
            if fault := size_fault((height, width), labels.size_hw):
                raise DatasetError(f"{labels.path}: {fault}")
            boxes = labels.boxes_xyxy.copy()
        return Sample(
            image,
            boxes,
            labels.class_ids.copy(),
            labels.ignored.copy(),
            plain_line(labels.path.name),
            labels.unknown_ids,
        )


def decode_image(path: Path) -> ImageArray:
    """Returns the picture in a file as (H, W, 3) uint8 BGR, as the device would read it.

    Raises:
        DatasetError: the file cannot be read, or is not an image.
    """
    try:
        return read_image(path)
    except SourceError as error:
        raise DatasetError(str(error)) from error


def size_fault(actual_hw: tuple[int, int], declared_hw: tuple[int, int]) -> str:
    """Returns a text if a picture's size differs from its labels'; else an empty one.

    The text continues a sentence that starts with the picture's path.
    """
    if actual_hw == declared_hw:
        return ""
    (height, width), (declared_height, declared_width) = actual_hw, declared_hw
    if actual_hw == declared_hw[::-1]:
        remedy = (
            "they seem to ignore the EXIF orientation, which turns the image; save the images "
            "upright and without that tag, and check the boxes"
        )
    else:
        remedy = "label this image again, or put back the one that was labelled"
    return (
        f"is {width} x {height} pixels, but its labels say {declared_width} x {declared_height}; "
        f"{remedy}"
    )
