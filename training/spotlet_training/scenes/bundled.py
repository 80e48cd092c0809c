"""The sample shipped with the package: 2,000 garments and a dozen photographs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from spotlet.errors import DatasetError
from spotlet.letterbox import ImageArray
from spotlet_training.scenes.fashion import SIDE, FashionObjects, Split

SAMPLE_FOLDER = Path(__file__).parent / "sample"

TRAINING_PHOTOGRAPHS = (
    "astronaut",
    "brick",
    "camera",
    "clock",
    "grass",
    "gravel",
    "hubble",
    "ihc",
    "retina",
)
"""Backgrounds of training scenes only."""

HELD_OUT_PHOTOGRAPHS = ("chelsea", "coffee", "rocket")
"""Backgrounds of validation scenes and the demo's clip only."""

SAMPLE_COUNTS: dict[Split, int] = {"train": 1600, "t10k": 400}
"""Objects of each split in the sample, the same number of each class, in the classes' order."""

SHEET_COLUMNS = 40
"""Photos in a row of a sheet."""


def load_sample(split: Split) -> FashionObjects:
    """Returns the sample's objects of a split, class by class.

    Raises:
        DatasetError: the file is missing or damaged, as after an incomplete installation.
    """
    class_ids = np.repeat(np.arange(10, dtype=np.int64), SAMPLE_COUNTS[split] // 10)
    return load_sheet(SAMPLE_FOLDER / f"objects-{split}.png", class_ids)


def load_sheet(path: Path, class_ids: npt.NDArray[np.int64]) -> FashionObjects:
    """Returns the objects on a shipped picture, `SHEET_COLUMNS` in a row.

    Args:
        path: of the picture.
        class_ids: (N,), the classes of its photos, row by row.

    Raises:
        DatasetError: the file is missing or damaged, as after an incomplete installation.
    """
    sheet = _read(path, cv2.IMREAD_GRAYSCALE)
    if sheet.shape != (len(class_ids) // SHEET_COLUMNS * SIDE, SHEET_COLUMNS * SIDE):
        raise DatasetError(f"{path.name}: unexpected size {sheet.shape}; install spotlet again")
    photos = sheet.reshape(-1, SIDE, SHEET_COLUMNS, SIDE).swapaxes(1, 2).reshape(-1, SIDE, SIDE)
    return FashionObjects(np.ascontiguousarray(photos), class_ids)


def load_photographs(use: Literal["training", "held-out"]) -> list[ImageArray]:
    """Returns the photographs for a use, (H, W, 3) uint8 BGR each, at most 600 pixels a side.

    Raises:
        DatasetError: a file is missing or damaged, as after an incomplete installation.
    """
    names: Sequence[str] = TRAINING_PHOTOGRAPHS if use == "training" else HELD_OUT_PHOTOGRAPHS
    return [load_photograph(name) for name in names]


def load_photograph(name: str) -> ImageArray:
    """Returns one photograph by name, (H, W, 3) uint8 BGR.

    Raises:
        DatasetError: the file is missing or damaged.
    """
    return _read(SAMPLE_FOLDER / f"{name}.jpg", cv2.IMREAD_COLOR)


def _read(path: Path, flags: int) -> ImageArray:
    try:
        image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), flags)
    except (OSError, cv2.error) as error:
        raise DatasetError(f"{path}: cannot be read; install spotlet again") from error
    if image is None:
        raise DatasetError(f"{path}: not an image; install spotlet again")
    return image.astype(np.uint8, copy=False)
