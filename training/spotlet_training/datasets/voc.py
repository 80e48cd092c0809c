"""Pascal VOC: one XML file an image, boxes as the indices of the first and last pixel, from 1.

So a box over a whole image of 640 x 480 is 1, 1, 640, 480; on the pixel grid's edges, as
spotlet counts, it is 0, 0, 640, 480. A box of equal first and last pixel is one pixel wide.

Source: Everingham and Winn, "The PASCAL Visual Object Classes Challenge 2012 Development Kit",
section 4.3.
"""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from spotlet.errors import DatasetError
from spotlet.image_files import IMAGE_SUFFIXES
from spotlet_training.datasets.checks import SPLIT_NAMES, Problems, clip_box, read_text
from spotlet_training.datasets.labels import ImageLabels, LabelledSet, LabelRow

CLASS_FILES = ("labels.txt", "classes.txt")
"""A file of class names, one a line, that fixes their order."""


def is_voc(root: Path) -> bool:
    """Whether the folder holds a Pascal VOC set."""
    return any(_split_files(root).values())


def read_voc(root: Path) -> LabelledSet:
    """Returns the labels of a Pascal VOC set, and the problems in them.

    Classes are those of `labels.txt` or `classes.txt`; without one, the names in both splits
    in alphabetical order.

    Raises:
        DatasetError: a list of images or classes cannot be used.
    """
    problems = Problems(root)
    files = _split_files(root)
    if "train" not in files:
        raise DatasetError(f"{root}: no VOC labels for a train split, only for val")
    listed = _listed_classes(root)
    found = list(listed)
    splits: dict[str, list[ImageLabels]] = {}
    for split, paths in files.items():
        read = (_read_annotation(root, path, found, bool(listed), problems) for path in paths)
        splits[split] = [one for one in read if one is not None]
        images = Counter(one.path for one in splits[split])
        for image in (image for image, count in images.items() if count > 1):
            problems.add(image, f"duplicate image in {split}; keep one")
    names = listed or tuple(sorted(found))
    # Class ids are in the order of discovery until all names are known.
    final_ids = np.array([names.index(name) for name in found], np.int64)
    labels = {
        split: [replace(one, class_ids=final_ids[one.class_ids]) for one in part]
        for split, part in splits.items()
    }
    return LabelledSet(names, labels["train"], labels.get("val"), [], problems)


def _split_files(root: Path) -> dict[str, list[Path]]:
    """Returns the XML files that each split names, whether or not they exist."""
    found: dict[str, list[Path]] = {}
    annotations, lists = root / "Annotations", root / "ImageSets" / "Main"
    for split, folders in SPLIT_NAMES.items():
        if (lists / f"{split}.txt").is_file():
            lines = read_text(lists / f"{split}.txt").splitlines()
            # The lists of one class carry a flag after the name: 1, 0 or -1.
            stems = [re.sub(r"\s+-?[01]$", "", line.strip()) for line in lines]
            found[split] = [annotations / f"{stem}.xml" for stem in stems if stem]
        # Images and XML files side by side, as Roboflow exports them.
        elif beside := [path for name in folders for path in sorted((root / name).glob("*.xml"))]:
            found[split] = beside
    if not found and (whole := sorted(annotations.glob("*.xml"))):
        found["train"] = whole
    return found


def _listed_classes(root: Path) -> tuple[str, ...]:
    """Returns the class names in a file of them; none if there is no such file."""
    for path in (root / name for name in CLASS_FILES):
        if path.is_file():
            lines = (line.strip() for line in read_text(path).splitlines())
            names = tuple(line for line in lines if line)
            if len(set(names)) != len(names) or not names:
                raise DatasetError(f"{path}: must be class names, one a line, no duplicates")
            return names
    return ()


def _read_annotation(
    root: Path, file: Path, names: list[str], fixed: bool, problems: Problems
) -> ImageLabels | None:
    """Returns the labels in one XML file; None if it cannot be used.

    Names of new classes are added to `names`, unless these are fixed.
    """
    try:
        # Bytes, because an XML file may declare another encoding than UTF-8.
        tree = ElementTree.fromstring(file.read_bytes())
    except OSError as error:
        problems.add(file, f"cannot be read ({error.strerror})")
        return None
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        problems.add(file, f"is not XML ({error})")
        return None
    filename = tree.findtext("filename")
    image = _find_image(root, file, filename)
    if image is None:
        problems.add(file, f"no image {filename or file.stem!r}; put it back, or remove this file")
        names = list(names)  # its classes do not count
    try:
        size_hw = _whole(tree, "size/height"), _whole(tree, "size/width")
    except ValueError as error:
        problems.add(file, f"{error}; must be the image's size in pixels")
        return None
    rows = []
    for number, element in enumerate(tree.iter("object"), start=1):
        try:
            name, box, difficult = _read_object(element, size_hw)
            if name not in names:
                if fixed:
                    remedy = "correct it, or add it to the list of classes"
                    raise ValueError(f"unknown class {name!r}; {remedy}")
                names.append(name)
            rows.append(LabelRow(box, names.index(name), difficult, number))
        except ValueError as error:
            problems.add(file, f"object {number}: {error}")
    return None if image is None else ImageLabels.from_rows(image, rows, file, size_hw)


def _read_object(
    element: ElementTree.Element, size_hw: tuple[int, int]
) -> tuple[str, tuple[float, float, float, float], bool]:
    """Returns the class name, the box and whether the object is difficult."""
    name = (element.findtext("name") or "").strip()
    if not name:
        raise ValueError("no <name>; name its class")
    box = element.find("bndbox")
    words = [None if box is None else box.findtext(key) for key in ("xmin", "ymin", "xmax", "ymax")]
    try:
        left, top, right, bottom = (float(word or "") for word in words)
    except ValueError:
        raise ValueError("no <bndbox> of four numbers; correct or remove it") from None
    edges = clip_box((left - 1, top - 1, right, bottom), (size_hw[1], size_hw[0]))
    difficult = (element.findtext("difficult") or "0").strip() == "1"
    return name, edges, difficult


def _whole(tree: ElementTree.Element, path: str) -> int:
    """Returns the positive integer in an element."""
    text = (tree.findtext(path) or "").strip()
    if not text.isdecimal() or int(text) == 0:
        raise ValueError(f"<{path}> is {text!r}")
    return int(text)


def _find_image(root: Path, file: Path, filename: str | None) -> Path | None:
    """Returns the image of an annotation: the one named like it, or the one that it names.

    In this order, because the lists of a split name both files by one stem, and <filename>
    goes stale when both are renamed.
    """
    names = [file.stem + suffix for suffix in sorted(IMAGE_SUFFIXES)]
    names += [Path(filename.strip().replace("\\", "/")).name] if filename else []
    places = (folder / name for name in names for folder in (root / "JPEGImages", file.parent))
    return next((place for place in places if place.is_file()), None)
