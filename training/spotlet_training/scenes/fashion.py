"""Fashion-MNIST: finds its files and reads them as arrays."""

import gzip
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from spotlet.errors import DatasetError
from spotlet.letterbox import ImageArray
from spotlet_training.scenes.fetch import fetch_fashion

CLASS_NAMES = (
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle-boot",
)
"""The ten classes; the index is Fashion-MNIST's label."""

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
"""The folder of the Debian package `dataset-fashion-mnist`."""

SIDE = 28
"""Side of a photo, pixels."""

Split = Literal["train", "t10k"]


@dataclass(frozen=True, slots=True, eq=False)
class FashionObjects:
    """Product photos and their classes.

    Attributes:
        photos: (N, 28, 28) uint8, backdrop 0.
        class_ids: (N,) int64, indices into `CLASS_NAMES`.
        by_class: for each class present, the indices of its objects, ascending.

    Raises:
        DatasetError: wrong shapes, or a class id out of range.
    """

    photos: ImageArray
    class_ids: npt.NDArray[np.int64]
    by_class: dict[int, npt.NDArray[np.intp]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        count = len(self.photos)
        if self.photos.shape != (count, SIDE, SIDE) or self.class_ids.shape != (count,):
            raise DatasetError(
                f"photos {self.photos.shape} and labels {self.class_ids.shape}: must be "
                f"(N, {SIDE}, {SIDE}) and (N,)"
            )
        if count and not 0 <= self.class_ids.min() <= self.class_ids.max() < len(CLASS_NAMES):
            raise DatasetError("labels: must be from 0 to 9")
        by_class = {int(n): np.flatnonzero(self.class_ids == n) for n in np.unique(self.class_ids)}
        object.__setattr__(self, "by_class", by_class)

    def __len__(self) -> int:
        return len(self.class_ids)

    def select(self, indices: npt.NDArray[np.int64] | slice) -> "FashionObjects":
        """Returns the objects at `indices`, in their order."""
        return FashionObjects(self.photos[indices], self.class_ids[indices])


def load_fashion(split: Split, folder: Path | None = None) -> FashionObjects:
    """Returns the objects of a split, in the publisher's order.

    Only `folder` is searched if it is given; else the Debian package's folder, then the user's
    cache, into which a missing set is fetched.

    Args:
        split: "train" (60,000) or "t10k" (10,000).
        folder: holds the four `*-ubyte.gz` files.

    Raises:
        DatasetError: the set is missing and cannot be fetched, or a file is damaged.
    """
    names = (f"{split}-images-idx3-ubyte.gz", f"{split}-labels-idx1-ubyte.gz")
    if folder is None and all((DEBIAN_FOLDER / name).is_file() for name in names):
        folder = DEBIAN_FOLDER
    paths = fetch_fashion(names) if folder is None else [folder / name for name in names]
    photos, labels = (read_idx(path) for path in paths)
    return FashionObjects(photos, labels.astype(np.int64))


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """Returns the array in a gzipped IDX file of bytes.

    Source: the IDX format, yann.lecun.com/exdb/mnist: two zero bytes, a type (8 for bytes),
    the number of dimensions, each size as big-endian 32 bits, the data.

    Raises:
        DatasetError: no such file, not gzip, or not such an array.
    """
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or "damaged gzip"
        raise DatasetError(f"{path}: cannot be read ({reason})") from error
    dimensions = content[3] if content[:3] == b"\0\0\x08" and len(content) > 4 else 0
    header = 4 + 4 * dimensions
    if not dimensions or len(content) < header:
        raise DatasetError(f"{path}: not an IDX file of bytes")
    shape = struct.unpack(f">{dimensions}I", content[4:header])
    if len(content) - header != np.prod(shape, dtype=np.int64):
        raise DatasetError(f"{path}: {len(content) - header} bytes for an array of shape {shape}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
