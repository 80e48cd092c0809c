"""What the writer of a format gets, and what more than one of them has to say of it."""

from collections.abc import Mapping, Sequence

import numpy as np

from spotlet.coco_labels import CocoPicture

SplitPictures = Mapping[str, Sequence[CocoPicture]]
"""Pictures by split: `train`, and `val` if the set has one."""


def every(pictures: SplitPictures) -> list[CocoPicture]:
    """Returns the pictures of all splits."""
    return [one for part in pictures.values() for one in part]


def suggestion_notes(pictures: SplitPictures) -> list[str]:
    """Returns a line if there are scores, or notes on pictures, which only COCO can hold."""
    scores = (one.scores for one in every(pictures) if one.scores is not None)
    count = sum(int(np.isfinite(each).sum()) for each in scores)
    noted = sum(bool(one.about) for one in every(pictures))
    parts = [f"the scores of {count} suggestions"] * bool(count)
    parts += [f"Spotlet's notes on {noted} pictures"] * bool(noted)
    return [f"{' and '.join(parts)} are left out: only COCO can hold them"] if parts else []
