"""The pictures for pretraining a backbone, and views of them."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from spotlet.errors import DatasetError
from spotlet.image_files import read_image
from spotlet.letterbox import ImageArray
from spotlet_training.datasets import open_splits
from spotlet_training.datasets.discover import formats_of
from spotlet_training.datasets.pictures_below import PictureWalk
from spotlet_training.learning.augmentation import AugmentationSettings, recoloured

FOLDER_POWER = 0.75
"""A folder of n pictures is drawn from in proportion to n to this power: a large one does not
outweigh the others, a small one is not repeated too often."""

AREA = (0.15, 1.0)
"""The least and greatest share of a picture in a view."""

ASPECT = 1.33
"""The greatest stretch of a view's width against its height."""

MOSAIC = 0.3
"""The share of views with four pictures: objects as small as detectors see them."""


def find_pictures(root: Path) -> list[Path]:
    """Returns the pictures below a folder; of a labelled set, only the training pictures.

    Raises:
        DatasetError: there are no pictures, a labelled set has errors, or lies in a subfolder, so
            that its validation pictures would be used.
    """
    if root.is_file() or formats_of(root):
        return [labels.path for labels in open_splits(root).train.labels]
    if not root.is_dir():
        raise DatasetError(f"{root}: no such folder; give a folder of pictures")
    for folder in sorted(path for path in root.rglob("*") if path.is_dir()):
        if formats_of(folder):
            raise DatasetError(
                f"{root}: holds the labelled set {folder}; give that set itself, so that its "
                "validation pictures are skipped"
            )
    found = PictureWalk().images(root)
    if not found:
        raise DatasetError(f"{root}: no pictures in this folder; give another")
    return found


class Views:
    """Random crops of pictures, recoloured and mirrored, any number, each reproducible.

    Attributes:
        side: of a view, pixels.
    """

    def __init__(self, folders: Sequence[Sequence[Path]], *, side: int, seed: int) -> None:
        """Sets the source of the views; nothing is decoded yet.

        Args:
            folders: the pictures of each folder.
            side: of a view, pixels.
            seed: of all randomness.
        """
        self._folders = folders
        self.side = side
        self._seed = seed
        weights = np.array([len(folder) for folder in folders], float) ** FOLDER_POWER
        self._shares = weights / weights.sum()

    def load(self, index: int) -> ImageArray:
        """Returns view `index`, (side, side, 3) uint8 BGR.

        Raises:
            SourceError: a picture cannot be decoded.
        """
        rng = np.random.default_rng([self._seed, index])
        settings = AugmentationSettings()
        if rng.random() < MOSAIC:
            half = self.side // 2
            parts = [self._cut(half, rng) for _ in range(4)]
            view = np.vstack([np.hstack(parts[:2]), np.hstack(parts[2:])])
        else:
            view = self._cut(self.side, rng)
        return recoloured(view, settings, rng)

    def _cut(self, side: int, rng: np.random.Generator) -> ImageArray:
        folder = self._folders[rng.choice(len(self._folders), p=self._shares)]
        image = read_image(folder[int(rng.integers(len(folder)))])
        height, width = image.shape[:2]
        share = np.sqrt(rng.uniform(*AREA))
        stretch = np.exp(rng.uniform(-1, 1) * np.log(ASPECT) / 2)
        long = share * np.sqrt(height * width)
        cut_w = int(np.clip(round(long * stretch), 8, width))
        cut_h = int(np.clip(round(long / stretch), 8, height))
        left = int(rng.integers(width - cut_w + 1))
        top = int(rng.integers(height - cut_h + 1))
        cut = image[top : top + cut_h, left : left + cut_w]
        if rng.random() < 0.5:
            cut = cut[:, ::-1]
        return np.asarray(cv2.resize(cut, (side, side)), np.uint8)
