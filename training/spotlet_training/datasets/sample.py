"""One labelled image, and the protocol of any set of them."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray
from spotlet.errors import DatasetError
from spotlet.letterbox import ImageArray


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """An image and the objects marked in it.

    Attributes:
        image_bgr: (H, W, 3) uint8.
        boxes_xyxy: (N, 4) float32, pixels of that image, on its grid's edges (see
            `spotlet.boxes`), inside it and not empty.
        class_ids: (N,) int64, indices into the set's `class_names`.
        ignored: (N,) bool, true for objects neither trained on nor counted: COCO's crowds,
            VOC's difficult objects.
        name: of the image, for messages.
        unknown_ids: classes of which there may be more in the image than are marked: the rest of
            it teaches nothing about them and costs nothing in evaluation.

    Raises:
        DatasetError: an array has another shape or type.
    """

    image_bgr: ImageArray
    boxes_xyxy: FloatArray
    class_ids: npt.NDArray[np.int64]
    ignored: npt.NDArray[np.bool_]
    name: str
    unknown_ids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.image_bgr.dtype != np.uint8 or self.image_bgr.shape[2:] != (3,):
            raise DatasetError(
                f"{self.name}: an image of shape {self.image_bgr.shape} and type "
                f"{self.image_bgr.dtype}; must be (H, W, 3) uint8"
            )
        count = len(self.class_ids)
        for what, array, shape, dtype in (
            ("boxes", self.boxes_xyxy, (count, 4), np.float32),
            ("class ids", self.class_ids, (count,), np.int64),
            ("ignored", self.ignored, (count,), np.bool_),
        ):
            if array.shape != shape or array.dtype != dtype:
                raise DatasetError(
                    f"{self.name}: {what} of shape {array.shape} and type {array.dtype}; "
                    f"must be {shape} {np.dtype(dtype).name}"
                )


class Dataset(Protocol):
    """Labelled images by index, in an order that never changes."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes; the index is the class id."""

    def __len__(self) -> int:
        """Returns the number of images."""

    def load(self, index: int) -> Sample:
        """Returns the image at `index`, from 0, with arrays that the caller may change.

        Raises:
            DatasetError: the image cannot be read, or is not the labelled one.
        """
