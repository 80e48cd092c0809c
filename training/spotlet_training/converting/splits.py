"""What the writer of a format gets, and what more than one of them has to say of it."""

from collections.abc import Mapping, Sequence

import numpy as np

from spotlet.coco_labels import CocoPicture

MOST_NAMED = 8
"""Classes that a line names; the rest are counted."""

SplitPictures = Mapping[str, Sequence[CocoPicture]]
"""Pictures by split: `train`, and `val` if the set has one."""


def every(pictures: SplitPictures) -> list[CocoPicture]:
    """Returns the pictures of all splits."""
    return [one for part in pictures.values() for one in part]


def named(class_names: Sequence[str], class_ids: Sequence[int]) -> str:
    """Returns the names of the first classes, and how many more there are."""
    names = ", ".join(class_names[each] for each in class_ids[:MOST_NAMED])
    more = len(class_ids) - MOST_NAMED
    return f"{names} and {more} more" if more > 0 else names


def suggestion_notes(pictures: SplitPictures) -> list[str]:
    """Returns a line if there are scores, or notes on pictures, which only COCO can hold."""
    scores = (one.scores for one in every(pictures) if one.scores is not None)
    count = sum(int(np.isfinite(each).sum()) for each in scores)
    noted = sum(bool(one.about) for one in every(pictures))
    parts = [f"scores of suggestions ({count})"] * bool(count)
    parts += [f"notes on pictures ({noted})"] * bool(noted)
    return [f"left out, as only COCO can hold them: {', '.join(parts)}"] if parts else []
