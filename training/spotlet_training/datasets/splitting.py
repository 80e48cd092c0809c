"""Chooses validation images for sets without such a split.

By a hash of the names, so that adding images does not change the choice; then a few images change
sides, so that every class can be learnt and measured, and equal files stay together.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from spotlet_training.datasets.labels import ImageLabels

VALIDATION_PART = 0.2
"""The share of the images that becomes the validation split."""

LEAST_PART, MOST_PART = 0.1, 0.35
"""The share of each class's images that may be in the validation split, which chance alone seldom
leaves if there are many; at least one, unless the class has one image only."""

SAMPLE_BYTES = 1024
"""Of each file, to find those that may be equal."""


def choose_validation(
    labels: Sequence[ImageLabels],
    own_train: Sequence[ImageLabels] = (),
    own_val: Sequence[ImageLabels] = (),
) -> tuple[set[ImageLabels], int]:
    """Returns the validation images, and how many were moved for their classes.

    Args:
        labels: of the images to choose from; none are chosen if fewer than two can be.
        own_train: of images that are training images. Their copies are too.
        own_val: of images that are validation images. Their copies are too.
    """
    groups = _groups([one.path for one in (*labels, *own_train, *own_val)])
    count, first_val = len(labels), len(labels) + len(own_train)
    chosen = {
        labels[index]
        for group in groups
        if group[-1] >= first_val
        for index in group
        if index < count
    }
    groups = [group for group in groups if group[-1] < count]
    if len(groups) < 2:
        return chosen, 0
    ranks = [min(_rank(labels[index].path) for index in group) for group in groups]
    classes = [
        frozenset(class_id for index in group for class_id in _learnt(labels[index]))
        for group in groups
    ]
    # In a small set all names may rank high, or all of them low.
    limit = min(max(VALIDATION_PART, min(ranks)), sorted(ranks)[-2])
    by_hash = {group for group, rank in enumerate(ranks) if rank <= limit}
    in_val = _balanced(by_hash, ranks, classes)
    chosen |= {labels[index] for group in in_val for index in groups[group]}
    return chosen, sum(len(groups[group]) for group in in_val ^ by_hash)


def _balanced(
    by_hash: set[int], ranks: Sequence[float], classes: Sequence[frozenset[int]]
) -> set[int]:
    """Returns the validation groups, with each class within its limits where that is possible.

    The rarest classes come first. No move takes the last training or validation image of another
    class away, except that a class must have a training image before all.
    """
    chosen = set(by_hash)
    count = Counter(class_id for group in classes for class_id in group)
    in_val = Counter(class_id for group in chosen for class_id in classes[group])

    def move(group: int) -> None:
        into_val = group not in chosen
        chosen.symmetric_difference_update({group})
        for class_id in classes[group]:
            in_val[class_id] += 1 if into_val else -1

    by_rank = sorted(range(len(ranks)), key=lambda group: (ranks[group], group))
    for class_id in sorted(count, key=lambda each: (count[each], each)):
        total = count[class_id]
        least = max(1, int(LEAST_PART * total)) if total > 1 else 0
        most = max(1, int(MOST_PART * total)) if total > 1 else 0
        own = [group for group in by_rank if class_id in classes[group]]
        for group in own:
            learnable = all(in_val[each] + 1 < count[each] for each in classes[group])
            if in_val[class_id] < least and group not in chosen and learnable:
                move(group)
        for group in reversed(own):
            others = classes[group] - {class_id}
            measurable = all(in_val[each] > 1 or count[each] < 2 for each in others)
            unlearnt = in_val[class_id] == total
            if in_val[class_id] > most and group in chosen and (measurable or unlearnt):
                move(group)
    return chosen or by_hash


def _learnt(labels: ImageLabels) -> set[int]:
    return set(labels.class_ids[~labels.ignored].tolist())


def _rank(path: Path) -> float:
    """Returns a number in [0, 1) that looks random and depends on the file's name alone."""
    digest = hashlib.sha256(path.name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:4], "big") / 2**32


def _groups(paths: Sequence[Path]) -> list[list[int]]:
    """Returns the indices of the images, equal files together, unless most of them are equal."""
    alike: dict[object, list[int]] = {}
    for index, path in enumerate(paths):
        alike.setdefault(_sample(path) or index, []).append(index)
    groups: dict[object, list[int]] = {}
    for indices in alike.values():
        for index in indices:
            same = _digest(paths[index]) if len(indices) > 1 else None
            groups.setdefault(same or index, []).append(index)
    largest = max(map(len, groups.values()), default=0)
    if 2 * largest > len(paths):
        return [[index] for index in range(len(paths))]
    return sorted(groups.values())


def _sample(path: Path) -> tuple[int, bytes] | None:
    """Returns a file's length and a part from its middle: files that differ in it need no reading.

    None if it cannot be read; decoding it will fail.
    """
    try:
        length = path.stat().st_size
        with path.open("rb", buffering=0) as file:
            file.seek(length // 2)
            return length, file.read(SAMPLE_BYTES)
    except OSError:
        return None


def _digest(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return None
