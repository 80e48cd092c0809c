"""The detections of one frame."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray
from spotlet.counts import Counts

DIGEST_CHARACTERS = 16
"""Of a checksum's 64: enough to tell any two files apart that were not made to collide."""


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """A model file.

    Attributes:
        name: as it was given, without the folders before it: a bundled name, a package or a file.
        sha256: of the bytes that were loaded, 64 hexadecimal digits.

    Example:
        >>> str(ModelIdentity("garments", "3f2a" * 16))
        'garments 3f2a3f2a3f2a3f2a'
    """

    name: str
    sha256: str

    @property
    def digest(self) -> str:
        """The first `DIGEST_CHARACTERS` of `sha256`, as events have it."""
        return self.sha256[:DIGEST_CHARACTERS]

    def __str__(self) -> str:
        return f"{self.name} {self.digest}"


def model_name(model: str | Path) -> str:
    """Returns the name of a model: folders above it may be private."""
    return Path(model).name or Path(model).resolve().name


@dataclass(frozen=True, slots=True)
class Detection:
    """One detected object.

    Attributes:
        name: of its class, as in the manifest.
        class_id: the index of that class.
        score: confidence in [0, 1].
        box_xyxy: left, top, right, bottom in pixels of the frame.
        track_id: the same for one object in all frames of a source, from 1; None without tracking,
            or if the object is too new.
    """

    name: str
    class_id: int
    score: float
    box_xyxy: tuple[float, float, float, float]
    track_id: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """The objects of one frame, best score first.

    Iterating yields each as a `Detection`; the arrays hold all of them at once.

    Attributes:
        boxes_xyxy: (N, 4) float32, pixels of the frame, clipped to it.
        scores: (N,) float32 in [0, 1], descending.
        class_ids: (N,) int64, indices into `class_names`.
        class_names: the model's classes.
        track_ids: (N,) int64, see `Detection.track_id`, 0 for None; None without tracking.
        counts: of the source's lines and zones after this frame; None without counting.
        model: the file that found them; None if they are not from a `Detector`.
        held: of a frame that was not inferred, because nothing has moved: the objects of the last
            one that was, with the counts of this frame; None for every other frame.
        tiles: the layout of the tiles in which they were searched, see `TileSettings`; None: none.
        inferences: how many parts of the frame the network was shown, from 1.

    Example:
        >>> found = Detections.none(("cat", "dog"))
        >>> len(found), found.boxes_xyxy.shape
        (0, (0, 4))
    """

    boxes_xyxy: FloatArray
    scores: FloatArray
    class_ids: npt.NDArray[np.int64]
    class_names: tuple[str, ...]
    track_ids: npt.NDArray[np.int64] | None = None
    counts: Counts | None = None
    model: ModelIdentity | None = None
    held: "Detections | None" = None
    tiles: str | None = None
    inferences: int = 1

    @property
    def present(self) -> "Detections":
        """What is there as far as known: `held` of a frame that was not inferred, else these."""
        return self if self.held is None else self.held

    @classmethod
    def none(cls, class_names: tuple[str, ...]) -> "Detections":
        """Returns the result for a frame without objects."""
        empty = np.zeros(0, np.float32)
        return cls(np.zeros((0, 4), np.float32), empty, np.zeros(0, np.int64), class_names)

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[Detection]:
        tracks = [0] * len(self) if self.track_ids is None else self.track_ids.tolist()
        for box, score, class_id, track in zip(
            self.boxes_xyxy.tolist(),
            self.scores.tolist(),
            self.class_ids.tolist(),
            tracks,
            strict=True,
        ):
            yield Detection(self.class_names[class_id], class_id, score, tuple(box), track or None)

    def select(self, keep: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> "Detections":
        """Returns the objects that a mask (N,) or indices select, in the order of `keep`."""
        return replace(
            self,
            boxes_xyxy=self.boxes_xyxy[keep],
            scores=self.scores[keep],
            class_ids=self.class_ids[keep],
            track_ids=None if self.track_ids is None else self.track_ids[keep],
        )

    def of_classes(self, names: tuple[str, ...]) -> "Detections":
        """Returns only the objects whose class is one of `names`."""
        wanted = [index for index, name in enumerate(self.class_names) if name in names]
        return self.select(np.isin(self.class_ids, wanted))
