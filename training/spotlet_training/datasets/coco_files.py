"""Where a COCO set has its label files and its pictures."""

import re
from pathlib import Path
from urllib.parse import unquote

from spotlet.coco_labels import LABEL_FILE
from spotlet.errors import DatasetError
from spotlet.image_files import read_image_size
from spotlet_training.datasets.checks import SPLIT_NAMES, inside, split_of
from spotlet_training.datasets.pictures_below import (
    PictureWalk,
    Spellings,
    is_hidden,
    most_alike,
    plain_name,
)

SPLIT_FILES = (
    "annotations/{split}.json",
    "annotations/instances_{split}*.json",
    "{split}/_annotations.coco.json",
)
"""Label files of one split, below the set's folder."""

WHOLE_FILES = (LABEL_FILE.as_posix(), "result.json", "_annotations.coco.json")
"""Label files of sets without splits, as tools write them."""


def find_coco_files(root: Path) -> dict[str, Path]:
    """Returns the label file of each split that exists; none if the set is not COCO.

    Raises:
        DatasetError: a split has several label files.
    """
    found: dict[str, Path] = {}
    for split, names in SPLIT_NAMES.items():
        patterns = [pattern.format(split=name) for name in names for pattern in SPLIT_FILES]
        files = sorted({path for pattern in patterns for path in root.glob(pattern)})
        _keep_one(root, split, files)
        if files:
            found[split] = files[0]
    whole = [root / name for name in WHOLE_FILES if (root / name).is_file()]
    if whole and not found:
        found["train"] = whole[0]
    return found


def other_coco_files(root: Path) -> dict[str, Path]:
    """Returns the COCO files of each split in a folder under any name, or in one just below it.

    They are recognised by what they hold, and their splits by the words of their names.

    Raises:
        DatasetError: a split has several.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted({*root.glob("*.json"), *root.glob("*/*.json")}):
        way = inside(root, path)
        if not any(map(is_hidden, way.parts)) and _holds_tables(path):
            found.setdefault(split_of(way.with_suffix("")) or "", []).append(path)
    rest, _ = found.pop("", []), found.pop("test", None)
    if rest and "train" not in found:
        found["train"] = rest
    for split, paths in found.items():
        _keep_one(root, split, paths)
    return {split: found[split][0] for split in SPLIT_NAMES if split in found and "train" in found}


def _keep_one(root: Path, split: str, files: list[Path]) -> None:
    if len(files) > 1:
        listed = ", ".join(str(inside(root, path)) for path in files)
        raise DatasetError(f"{root}: several COCO files of the {split} split ({listed}); keep one")


def _holds_tables(path: Path) -> bool:
    try:
        content = path.read_bytes()
    except OSError:
        return False
    return all(key in content for key in (b'"images"', b'"annotations"', b'"categories"'))


class PictureFinder:
    """Finds the pictures that the label file of a split names.

    Attributes:
        moved: names that were found by their end, and the pictures.
        measured: how many sizes were read from the pictures.
    """

    def __init__(self, root: Path, split: str, file: Path) -> None:
        """Prepares to search a set for the pictures of a split and its label file."""
        self.moved: list[tuple[str, Path]] = []
        self.measured = 0
        self._root = root
        self._split = split
        self._is_whole = split_of(inside(root, file)) is None
        self._folders = _image_folders(root, split, file)
        self._spellings = Spellings()
        self._below: dict[str, list[Path]] | None = None

    def find(self, name: str) -> Path | None:
        """Returns the picture of a name; None if there is none.

        Raises:
            ValueError: several may be meant; the message continues a sentence.
        """
        # Labelling tools on Windows write backslashes, and archives made there may keep them.
        parts = name.replace("\\", "/")
        places = [at / each for each in dict.fromkeys((parts, name)) for at in self._folders]
        path = next((place for place in places if place.is_file()), None)
        alike = (self._spellings.find(at / parts) for at in self._folders if path is None)
        return path or next(filter(None, alike), None) or self._find_by_end(name, parts)

    def size_hw(self, path: Path, stated_hw: tuple[int, int]) -> tuple[int, int]:
        """Returns the stated size of a picture or, where that is 0, its own.

        Raises:
            SourceError: the picture cannot be read.
        """
        if all(stated_hw):
            return stated_hw
        self.measured += 1
        return read_image_size(path)

    def _find_by_end(self, name: str, parts: str) -> Path | None:
        """Returns the picture that a path of another machine, or a URL, ends with."""
        if self._below is None:
            self._below = {}
            for path in PictureWalk().images(self._root):
                if self._is_whole or not self._is_of_other_split(path):
                    self._below.setdefault(plain_name(path.name), []).append(path)
        for text in (parts.strip(), unquote(re.sub(r"[?#].*", "", parts)).strip()):
            there = self._below.get(plain_name(text.rpartition("/")[2]), [])
            found = most_alike(text, there)
            if len(found) > 1:
                shown = ", ".join(str(inside(self._root, path)) for path in found[:2])
                raise ValueError(f"no such file {name!r}, but several may be meant ({shown})")
            if found:
                self.moved.append((name, found[0]))
                return found[0]
        return None

    def _is_of_other_split(self, path: Path) -> bool:
        """Whether a folder such as `val2017` says so."""
        return split_of(inside(self._root, path.parent)) not in (None, self._split)


def _image_folders(root: Path, split: str, file: Path) -> list[Path]:
    """Returns the folders that may hold the images of a split, the most likely first."""
    named = file.stem.removeprefix("instances_")
    names = dict.fromkeys([named, *SPLIT_NAMES[split]])
    below = [folder for name in names for folder in (root / name, root / "images" / name)]
    beside = (file.parent, file.parent / "images", file.parent / "data", root / "images", root)
    return [folder for folder in (*below, *beside) if folder.is_dir()]
