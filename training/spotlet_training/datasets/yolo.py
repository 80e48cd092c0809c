"""YOLO txt: a `data.yaml`, and beside every image a text file of class, centre and size.

Each line is `class x_centre y_centre width height`, or `class x1 y1 x2 y2 x3 y3 …` for an
outline, in fractions of the image; see `yolo_labels`.

Source: https://docs.ultralytics.com/datasets/detect/
"""

import re
from pathlib import Path
from typing import Any

from spotlet.errors import DatasetError
from spotlet_training.datasets.checks import SPLIT_NAMES, Problems, read_text
from spotlet_training.datasets.labels import ImageLabels, LabelledSet
from spotlet_training.datasets.partial import declared
from spotlet_training.datasets.pictures_below import PictureWalk, Places, Spellings, is_hidden
from spotlet_training.datasets.yolo_files import read_description
from spotlet_training.datasets.yolo_labels import LabelFiles, label_path, may_be_labels

_DRIVE = re.compile(r"[A-Za-z]:/")


def read_yolo(description: Path) -> LabelledSet:
    """Returns the labels of a YOLO set, and the problems in them.

    Args:
        description: its `data.yaml`.

    Raises:
        DatasetError: the description, or a folder or list that it names, cannot be used.
    """
    content, written = read_description(description)
    if "kpt_shape" in content:
        raise DatasetError(f"{description}: a set of key points; spotlet needs boxes")
    names = _class_names(description, content, written)
    problems = Problems(description.parent)
    files, walk = LabelFiles(names, problems), PictureWalk()
    train = _read_split(description, content, "train", files, walk, problems)
    if train is None:
        raise DatasetError(f"{description}: no `train`; must name the folder of training images")
    val = _read_split(description, content, "val", files, walk, problems)
    notes = [*walk.notes(description.parent), *files.notes()]
    found = LabelledSet(names, train, val, notes, problems)
    exhaustive = _exhaustive(description, content, names)
    return found if exhaustive is None else declared(found, exhaustive, description)


def _class_names(description: Path, content: dict[str, Any], written: Any) -> tuple[str, ...]:
    """Returns the class names.

    Args:
        description: the file.
        content: of it.
        written: its `names`, all of them text.
    """
    names = content.get("names")
    if isinstance(names, dict):
        if sorted(map(str, names)) != sorted(map(str, range(len(names)))):
            raise DatasetError(
                f"{description}: `names` are numbered {', '.join(map(str, names))}; must be "
                f"0 to {len(names) - 1}"
            )
        order = sorted(names, key=lambda number: int(str(number)))
        written = [written.get(str(number)) for number in order]
        names = [names[number] for number in order]
    if not isinstance(names, list) or not names:
        raise DatasetError(f"{description}: no `names`; must be a list of class names")
    for name in names:
        if isinstance(name, bool) or not isinstance(name, str | int | float):
            raise DatasetError(f"{description}: class name {name!r} must be text; put it in quotes")
    texts = tuple(written if None not in written else map(str, names))
    if len(set(texts)) != len(texts):
        raise DatasetError(f"{description}: duplicate in `names`: {', '.join(texts)}")
    count = content.get("nc", len(texts))
    # Some exports write the number as text.
    if str(count).strip() not in (str(len(texts)), f"{len(texts)}.0"):
        raise DatasetError(
            f"{description}: `nc` is {count}, but `names` has {len(texts)}; must be equal"
        )
    return texts


def _exhaustive(
    description: Path, content: dict[str, Any], names: tuple[str, ...]
) -> list[str] | None:
    """Returns the classes that `exhaustive` lists by name or number; None without that key."""
    if "exhaustive" not in content:
        return None
    entries = content["exhaustive"]
    if not isinstance(entries, list):
        raise DatasetError(
            f"{description}: `exhaustive` is {entries!r}; must be a list of class names or "
            "numbers, [] if no class is complete"
        )
    if wrong := [entry for entry in entries if isinstance(entry, bool | None)]:
        raise DatasetError(
            f"{description}: `exhaustive` has {wrong[0]!r}; must be class names or numbers, names "
            "that YAML takes for something else, such as on and no, in quotes"
        )
    return [
        names[entry]
        if type(entry) is int and str(entry) not in names and 0 <= entry < len(names)
        else str(entry)
        for entry in entries
    ]


def _read_split(
    description: Path,
    content: dict[str, Any],
    split: str,
    files: LabelFiles,
    walk: PictureWalk,
    problems: Problems,
) -> list[ImageLabels] | None:
    entries = next((content[key] for key in SPLIT_NAMES[split] if content.get(key)), None)
    if not entries:
        return None
    images: list[Path] = []
    for entry in entries if isinstance(entries, list) else [entries]:
        place = _find(description, content.get("path"), entry, split)
        if place.is_dir():
            found = walk.images(place)
            _check_strays(place, found, problems)
            images += found
        else:
            listed = _listed_images(place, description.parent, problems)
            walk.hidden += [path for path in listed if is_hidden(path.name)]
            images += [path for path in listed if not is_hidden(path.name)]
    labels, seen, places = [], set[str](), Places()
    for path in images:
        real = places.of(path)
        if real in seen:
            problems.add(path, f"duplicate image in `{split}`; list it once")
            continue
        seen.add(real)
        labels.append(files.read(path))
    return labels


def _find(description: Path, base: object, entry: object, split: str) -> Path:
    """Returns the folder or list that an entry names.

    `path` is relative to the description, or of another machine and then useless; Roboflow writes
    `../train/images` for a folder beside the description. Of an entry of another machine, the end
    that exists beside the description is used.
    """
    if not isinstance(entry, str) or not isinstance(base, str | None):
        raise DatasetError(f"{description}: `path` and `{split}` must be names of folders or files")
    here, entry = description.parent, entry.replace("\\", "/")
    for root in (here / (base or "."), here):
        for name in dict.fromkeys((entry, entry.removeprefix("../"))):
            if (root / name).exists():
                return root / name
    if entry.startswith("/") or _DRIVE.match(entry):
        parts = entry.split("/")
        tails = ("/".join(parts[first:]) for first in range(1, len(parts)))
        there = next((here / tail for tail in tails if tail and (here / tail).exists()), None)
        if there is not None:
            return there
    for is_folder in (True, False):
        if other := Spellings().find(here / entry, is_folder=is_folder):
            return other
    raise DatasetError(f"{description}: `{split}` is {entry!r}: no such folder or file")


def _listed_images(listing: Path, root: Path, problems: Problems) -> list[Path]:
    """Returns the images listed in a text file, one a line, relative to it or to the set."""
    images = []
    spellings = Spellings()
    for number, line in enumerate(read_text(listing).splitlines(), start=1):
        if not line.strip():
            continue
        names = dict.fromkeys((line.strip(), line.strip().replace("\\", "/")))
        places = [at / name for name in names for at in (listing.parent, root)]
        path = next((place for place in places if place.is_file()), None)
        path = path or next(filter(None, map(spellings.find, places)), None)
        if path is None:
            problems.add(
                listing, f"no such image {line.strip()!r}; put it back, or remove the line", number
            )
        else:
            images.append(path)
    return images


def _check_strays(folder: Path, images: list[Path], problems: Problems) -> None:
    """Notes every label file whose image is missing."""
    labels = label_path(folder / "any.jpg").parent
    there = sorted(labels.rglob("*.txt"))
    expected = {label_path(image) for image in images}
    spellings = Spellings()
    expected |= {spellings.find(path) or path for path in expected.difference(there)}
    for path in there:
        if any(map(is_hidden, path.relative_to(labels).parts)):
            continue
        if path not in expected and may_be_labels(path):
            problems.add(
                path, f"no image for these labels in {folder.name}; put it back, or remove them"
            )
