"""Where a Pascal VOC set has its XML files.

The development kit has `Annotations`, `JPEGImages` and the lists of `ImageSets/Main`; tools also
write `images` and `annotations`, both below each split, or XML files beside the pictures.
"""

import re
from pathlib import Path

from spotlet.image_files import IMAGE_SUFFIXES
from spotlet_training.datasets.checks import SPLIT_NAMES, inside, read_text, split_of
from spotlet_training.datasets.pictures_below import (
    Spellings,
    folders_below,
    is_hidden,
    most_alike,
    plain_name,
)
from spotlet_training.datasets.voc_pictures import IMAGE_FOLDERS, Listing, by_stem, distinct
from spotlet_training.datasets.voc_xml import read_xml

ANNOTATION_FOLDERS = ("Annotations", "annotations", "xmls")
SAMPLED = 5
"""XML files that are opened to see whether those of a folder are annotations."""

XML = "*.[xX][mM][lL]"

KIT_LEVELS = 3
"""How many levels of folders may lie above a kit."""

MOST_LEVELS = 8
"""How deep annotations may lie."""


def listed_files(root: Path) -> dict[str, list[Path]]:
    """Returns the XML files that each split names, whether or not they exist.

    Those of the kit's layout; they are by split, or all in `train`.
    """
    found: dict[str, list[Path]] = {}
    lists, named = root / "ImageSets" / "Main", _Named(root)
    for split, folders in SPLIT_NAMES.items():
        if (lists / f"{split}.txt").is_file():
            found[split] = named.files(lists / f"{split}.txt")
        # Images and XML files side by side, as Roboflow exports them.
        elif beside := [path for name in folders for path in _xml_files(root / name)]:
            found[split] = beside
    if not found and (whole := _xml_files(root / "Annotations")):
        # Lists elsewhere may be those of another format.
        for at in (root / "ImageSets", root):
            if all((at / f"{split}.txt").is_file() for split in SPLIT_NAMES):
                listed = {split: named.files(at / f"{split}.txt") for split in SPLIT_NAMES}
                if all(files and all(map(Path.is_file, files)) for files in listed.values()):
                    return listed
        found["train"] = whole
    return found


def other_files(root: Path) -> dict[str, list[Path]]:
    """Returns the XML files of each split in the places where other tools put them."""
    found: dict[str, list[Path]] = {}
    for split, names in SPLIT_NAMES.items():
        folders = [root / name / below for name in names for below in ANNOTATION_FOLDERS]
        folders += [root / below / name for name in names for below in ANNOTATION_FOLDERS]
        folders += [root / below / name for name in names for below in IMAGE_FOLDERS]
        if files := [path for folder in distinct(folders) for path in _annotation_files(folder)]:
            found[split] = files
    if found:
        return found
    places = (*ANNOTATION_FOLDERS, *IMAGE_FOLDERS, ".")
    whole = next((files for name in places if (files := _annotation_files(root / name))), [])
    return {"train": whole} if whole else {}


def files_below(root: Path) -> dict[str, list[Path]]:
    """Returns the XML files of each split in all folders below one.

    Those of every kit, as in `VOCdevkit/VOC2012`; else all annotations, by the split that a folder
    on their way is named after.
    """
    found: dict[str, list[Path]] = {}
    for kit in folders_below(root, KIT_LEVELS):
        for split, files in listed_files(kit).items():
            if any(map(_is_annotation, files[:SAMPLED])):
                found.setdefault(split, []).extend(files)
    if found:
        return found
    for folder in (root, *folders_below(root, MOST_LEVELS)):
        way = inside(root, folder)
        if files := _annotation_files(folder):
            found.setdefault(split_of(way) or "", []).extend(files)
    rest = found.pop("", [])
    found.pop("test", None)
    return found if "train" in found or not rest else {"train": rest, **found}


class _Named:
    """Finds the XML files that the lists of a set name."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._annotations = _annotations(root)
        self._spellings = Spellings()
        self._all: Listing | None = None

    def files(self, listing: Path) -> list[Path]:
        """Returns the files that a list names, whether or not they exist, without hidden ones."""
        lines = filter(None, map(str.strip, read_text(listing).splitlines()))
        return [self.find(line) for line in lines if not is_hidden(_last_part(line))]

    def find(self, line: str) -> Path:
        """Returns the file of a line, whether or not it exists.

        A line is the stem of the file, or a path or name of the picture; the lists of one class
        have flags behind it, 1, 0 or -1.
        """
        line = line.replace("\\", "/")
        bare = re.sub(r"(\s+-?\d+)+$", "", line)
        names = list(dict.fromkeys(each for text in (line, bare) for each in (text, _stem(text))))
        for name in names:
            if file := self._spellings.find(self._annotations / f"{name}.xml"):
                return file
        if self._all is None:
            self._all = by_stem(self._root.rglob(XML))
        for name in names:
            there = self._all.get(plain_name(_last_part(name)), [])
            alike = most_alike(name, [path.with_suffix("") for path in there])
            if len(alike) == 1:
                return next(path for path in there if path.with_suffix("") == alike[0])
        return self._annotations / f"{names[-1]}.xml"


def _annotations(root: Path) -> Path:
    """Returns the folder of the XML files that the lists of a set name."""
    folders = [root / name for name in ANNOTATION_FOLDERS]
    beside = [root / name for name in IMAGE_FOLDERS if _xml_files(root / name)]
    return next((at for at in (*folders, *beside) if at.is_dir()), folders[0])


def _last_part(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]


def _stem(name: str) -> str:
    """Returns a name without the suffix of a picture or an XML file."""
    suffix = Path(name).suffix
    return name.removesuffix(suffix) if suffix.lower() in {".xml", *IMAGE_SUFFIXES} else name


def _xml_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob(XML) if not is_hidden(path.name))


def _annotation_files(folder: Path) -> list[Path]:
    """Returns the XML files of a folder if they are VOC's: other programs write XML too."""
    files = _xml_files(folder)
    return files if any(map(_is_annotation, files[:SAMPLED])) else []


def _is_annotation(file: Path) -> bool:
    try:
        return bool(read_xml(file).tag == "annotation")
    except (OSError, ValueError):
        return False
