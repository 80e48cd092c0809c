"""LVIS' two lists of an image, which say of which classes its labels are complete.

`neg_category_ids` names classes that were looked for and are not there, and
`not_exhaustive_category_ids` those of which not every object has a box. Of a class without a box
that is not among the first, nothing is known.

Source: Gupta et al. 2019, LVIS, arXiv:1908.03195, section 3.3, and https://www.lvisdataset.org
"""

from collections.abc import Mapping
from typing import Any

from spotlet.coco_labels import ABSENT_KEY, MORE_KEY
from spotlet_training.datasets.coco_rows import whole_number


class ContradictionError(ValueError):
    """An image's lists contradict each other or its boxes."""


def unknown_classes(
    row: Mapping[str, Any], index_of: Mapping[int, int | None], boxed: set[int]
) -> tuple[int, ...]:
    """Returns the ids of the classes of which an image may show more than is marked, ascending.

    None without either list: the labels are then complete. Each list says only what it says:
    without the first, a class without a box is absent, as elsewhere in COCO.

    Args:
        row: of the image.
        index_of: class id of each category of the file; None for a category that is skipped.
        boxed: class ids of the image's boxes.

    Raises:
        ContradictionError: a class that is said to be absent has a box, or is in both lists.
        ValueError: a list is not one of the file's categories. Both messages continue a sentence.
    """
    absent, more = (_listed(row, key, index_of) for key in (ABSENT_KEY, MORE_KEY))
    for there, what in ((boxed, "has a box"), (more or set(), f"is in {MORE_KEY} too")):
        for index in (absent or set()) & there:
            category = next(key for key, value in index_of.items() if value == index)
            raise ContradictionError(
                f"{ABSENT_KEY} says that there is none of category {category}, which {what}; "
                "correct one of them"
            )
    unknown = set(more or ())
    if absent is not None:
        known = {index for index in index_of.values() if index is not None}
        unknown |= known - absent - boxed
    return tuple(sorted(unknown))


def _listed(
    row: Mapping[str, Any], key: str, index_of: Mapping[int, int | None]
) -> set[int] | None:
    """Returns the class ids in a list, without those of skipped categories; None without it."""
    values = row.get(key)
    if values is None:
        return None
    if not isinstance(values, list):
        raise ValueError(f"{key} {values!r} is not a list of category ids; correct or remove it")
    found: set[int] = set()
    for value in values:
        category = whole_number({"id": value}, "id")
        if category is None or category not in index_of:
            raise ValueError(
                f"{key} has {value!r}, which is not in `categories`; correct it, or add it there"
            )
        index = index_of[category]
        found |= set() if index is None else {index}
    return found
