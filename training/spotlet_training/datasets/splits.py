"""Training and validation images of labelled sets, opened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spotlet.errors import DatasetError
from spotlet_training.datasets.labels import ImageLabels, LabelledImages, LabelledSet
from spotlet_training.datasets.partial import partial_notes
from spotlet_training.datasets.several import read_sets
from spotlet_training.datasets.splitting import choose_validation

STRAY_CLICK_PIXELS = 2
"""A box with both sides below this is probably a stray click."""


@dataclass(frozen=True, slots=True, eq=False)
class Splits:
    """Labelled sets, opened as one.

    Attributes:
        train: what to train on.
        val: what to measure on.
        class_names: the classes of both; the index is the class id.
        format: `coco`, `yolo` or `voc`; of several sets, each that occurs.
        notes: lines to show the user: decisions, oddities.
    """

    train: LabelledImages
    val: LabelledImages
    class_names: tuple[str, ...]
    format: str
    notes: tuple[str, ...] = ()


def open_dataset(root: str | Path, split: Literal["train", "val"]) -> LabelledImages:
    """Returns one split of a labelled set; see `open_sets`."""
    splits = open_splits(root)
    return splits.train if split == "train" else splits.val


def open_splits(root: str | Path, exhaustive: Sequence[str] | None = None) -> Splits:
    """Returns both splits of one labelled set; see `open_sets`."""
    return open_sets([root], None if exhaustive is None else {Path(root): exhaustive})


def open_sets(
    roots: Sequence[str | Path], exhaustive: Mapping[Path, Sequence[str]] | None = None
) -> Splits:
    """Returns both splits of one or more labelled sets, joined as by `read_sets`.

    All labels are read and checked now; images are decoded when they are loaded. Of the sets
    without a validation split, a fifth of the images become one, of each class about a fifth,
    chosen by a hash of their names, so that adding images hardly changes the choice.

    Args:
        roots: folder, or `data.yaml`, of each set, at least one.
        exhaustive: see `read_sets`.

    Raises:
        DatasetError: labels break a rule, a set has no training image, the sets have no image
            or object in a split, or as for `read_sets`; the message names files and lines.
    """
    paths = [Path(root) for root in roots]
    formats, contents = read_sets(paths, exhaustive)
    for path, content in zip(paths, contents, strict=True):
        content.problems.raise_if_any()
        if not content.train:
            raise DatasetError(f"{path}: no images in the train split")
    where = ", ".join(map(str, paths))
    train, val, notes = divide(contents)
    if not val and all(content.val is None for content in contents):
        raise DatasetError(
            f"{where}: {len(train)} images and no validation split; must be at least 2 images"
        )
    for split, labels in (("train", train), ("val", val)):
        if not labels:
            raise DatasetError(f"{where}: no images in the {split} split")
        if not any(len(one.class_ids) for one in labels):
            formats_text = " or ".join(formats).upper()
            raise DatasetError(
                f"{where}: {len(labels)} images but no labelled object in the {split} split; put "
                f"the labels where the {formats_text} format has them"
            )
    names = contents[0].class_names
    return Splits(
        LabelledImages(names, train),
        LabelledImages(names, val),
        names,
        ", ".join(formats),
        (*notes, *_odd_traits(train, val), *partial_notes(train, val, names)),
    )


def divide(
    contents: Sequence[LabelledSet],
) -> tuple[list[ImageLabels], list[ImageLabels], list[str]]:
    """Returns the training and the validation images of sets, in their order, and notes.

    They are the sets' own splits. Of the sets without a validation split, some images are chosen
    together, by names and classes; copies of a picture that has a split go with it.
    """
    notes = [note for content in contents for note in content.notes]
    undivided = [one for content in contents if content.val is None for one in content.train]
    own_train = [one for content in contents if content.val is not None for one in content.train]
    own_val = [one for content in contents for one in content.val or ()]
    chosen, moved = choose_validation(undivided, own_train, own_val)
    train = [one for content in contents for one in content.train if one not in chosen]
    val = [
        one
        for content in contents
        for one in (content.train if content.val is None else content.val)
        if content.val is not None or one in chosen
    ]
    if undivided:
        count = sum(content.val is None for content in contents)
        which = "the set" if len(contents) == 1 else f"{count} of the {len(contents)} sets"
        note = (
            f"no validation split in {which}: {len(chosen)} of {len(undivided)} images are used "
            "as one, chosen by a hash of their names"
        )
        if moved:
            note += f"; {moved} changed sides, so that each class is in both splits where it can be"
        notes += [note] if val else []
    return train, val, notes


def _odd_traits(train: Sequence[ImageLabels], val: Sequence[ImageLabels]) -> list[str]:
    notes = []
    shared = {one.path.resolve() for one in train} & {one.path.resolve() for one in val}
    if shared:
        notes.append(
            f"images in both splits: {len(shared)} ({min(shared).name}); validation figures would "
            "be too good"
        )
    for split, labels in (("training", train), ("validation", val)):
        empty = sum(len(one.class_ids) == 0 for one in labels)
        if empty:
            notes.append(f"{split} images without a labelled object: {empty} of {len(labels)}")
    tiny = [
        one.path.name
        for one in (*train, *val)
        for box in one.boxes_xyxy
        if one.size_hw is not None and max(box[2:] - box[:2]) < STRAY_CLICK_PIXELS
    ]
    if tiny:
        notes.append(
            f"boxes smaller than {STRAY_CLICK_PIXELS} pixels, likely stray clicks, which are kept: "
            f"{len(tiny)} ({', '.join(tiny[:3])})"
        )
    return notes
