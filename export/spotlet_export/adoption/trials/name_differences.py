"""Where two readings of a network name what they find differently, and which names fit the picture.

Names that swap where red and blue do are often colours themselves: then the picture tells.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray, box_iou
from spotlet.detections import Detections
from spotlet.letterbox import ImageArray
from spotlet.manifest import Manifest
from spotlet_export.adoption.trials.agreement import SAME_IOU
from spotlet_export.adoption.trials.proposal import clear_score

WARM = frozenset({"red", "orange", "yellow", "brown"})
COLD = frozenset({"blue", "cyan", "turquoise", "navy"})
"""Colours with more red than blue, and with more blue than red."""

CLEARLY, LEAST_LEVELS = 0.5, 8.0
"""Of a box: net share of its colour that is red or blue; mean difference of both, of 255."""


class Difference(NamedTuple):
    """A box with two names.

    Attributes:
        own: its name in one reading.
        rival: its name in the other.
        image: its index.
        box_xyxy: pixels of the image.
        clear: whether both are sure of it.
    """

    own: str
    rival: str
    image: int
    box_xyxy: FloatArray
    clear: bool

    def __str__(self) -> str:
        return f"{self.own} or {self.rival}"


def different_names(
    own: Sequence[Detections], rival: Sequence[Detections], manifest: Manifest
) -> list[Difference]:
    """Returns the boxes with two names, if that is more than a doubt about one of them.

    That is, where both are sure of a box, or most boxes change their names, or both are sure of
    objects that the other does not find at all.

    Args:
        own: what one reading finds in each image.
        rival: what the other finds; of fewer images if the network is slow.
        manifest: with the names and the threshold.
    """
    differ: list[Difference] = []
    least, same = manifest.detection.score_threshold, 0
    for image, pair in enumerate(zip(own, rival, strict=False)):
        ours, theirs = (each.select(each.scores >= least) for each in pair)
        overlaps = box_iou(ours.boxes_xyxy, theirs.boxes_xyxy) >= SAME_IOU
        alike = overlaps & (ours.class_ids[:, np.newaxis] == theirs.class_ids)
        same += int(alike.any(axis=1).sum())
        differ += _renamed(ours, theirs, overlaps, alike, image, manifest)
        differ += _moved(ours, theirs, overlaps, image, clear_score(least))
    clear = any(each.clear for each in differ)
    return sorted(differ, key=lambda each: not each.clear) if clear or len(differ) > same else []


def _renamed(
    ours: Detections,
    theirs: Detections,
    overlaps: npt.NDArray[np.bool_],
    alike: npt.NDArray[np.bool_],
    image: int,
    manifest: Manifest,
) -> Iterator[Difference]:
    """Yields the boxes that both readings find, with different names."""
    clear = clear_score(manifest.detection.score_threshold)
    for row, column in np.argwhere(overlaps):
        if not (alike[row].any() or alike[:, column].any()):
            yield Difference(
                manifest.classes[ours.class_ids[row]],
                manifest.classes[theirs.class_ids[column]],
                image,
                ours.boxes_xyxy[row],
                bool(min(ours.scores[row], theirs.scores[column]) >= clear),
            )


def _moved(
    ours: Detections, theirs: Detections, overlaps: npt.NDArray[np.bool_], image: int, clear: float
) -> Iterator[Difference]:
    """Yields a box that one reading is sure of, if each has one that the other does not find."""
    alone = ~overlaps.any(axis=1) & (ours.scores >= clear)
    others = ~overlaps.any(axis=0) & (theirs.scores >= clear)
    if alone.any() and others.any():
        yield Difference("some", "other objects", image, ours.boxes_xyxy[alone.argmax()], True)


def named_by_colour(differ: Sequence[Difference], images: Sequence[ImageArray]) -> int:
    """Returns 1 if the own names of all boxes fit their colours, -1 if the rival's do, else 0.

    Args:
        differ: the boxes; each must have a warm colour in one name and a cold one in the other.
        images: (H, W, 3) uint8 BGR.
    """
    fits = set()
    for each in differ:
        own, rival = _warmth(each.own), _warmth(each.rival)
        left, top, right, bottom = np.rint(each.box_xyxy).astype(int)
        crop = images[each.image][top:bottom, left:right].astype(np.int64)
        warm = crop[..., 2] - crop[..., 0]
        total = int(np.abs(warm).sum())
        if own * rival != -1 or total < LEAST_LEVELS * warm.size:
            return 0
        if abs(warm.sum()) < CLEARLY * total:
            return 0
        fits.add(1 if own * warm.sum() > 0 else -1)
    return fits.pop() if len(fits) == 1 else 0


def _warmth(name: str) -> int:
    """Returns 1 for a name with a warm colour, -1 for a cold one, 0 for others."""
    words = set(re.findall(r"[a-z]+", name.lower()))
    return bool(words & WARM) - bool(words & COLD)
