"""Where a Pascal VOC set has its XML files and its pictures.

The development kit has `Annotations`, `JPEGImages` and the lists of `ImageSets/Main`; tools also
write `images` and `annotations`, both below each split, or XML files beside the pictures.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from spotlet_training.datasets.checks import SPLIT_NAMES, inside, is_image, read_text
from spotlet_training.datasets.pictures_below import PictureWalk, Spellings, is_hidden, plain_name
from spotlet_training.datasets.voc_xml import read_xml

ANNOTATION_FOLDERS = ("Annotations", "annotations", "xmls")
IMAGE_FOLDERS = ("JPEGImages", "images", "Images")
SAMPLED = 5
"""XML files that are opened to see whether those of a folder are annotations."""

SPLITS = {"test"}.union(*SPLIT_NAMES.values())


Listing = dict[str, list[Path]]
"""Pictures by the stem of their name, as `plain_name` has it."""


def listed_files(root: Path) -> dict[str, list[Path]]:
    """Returns the XML files that each split names, whether or not they exist.

    Those of the kit's layout; they are by split, or all in `train`.
    """
    found: dict[str, list[Path]] = {}
    annotations, lists = _annotations(root), root / "ImageSets" / "Main"
    spellings = Spellings()
    for split, folders in SPLIT_NAMES.items():
        if (lists / f"{split}.txt").is_file():
            lines = read_text(lists / f"{split}.txt").splitlines()
            # The lists of one class carry a flag after the name: 1, 0 or -1.
            stems = [re.sub(r"\s+-?[01]$", "", line.strip()) for line in lines]
            visible = [stem for stem in stems if stem and not is_hidden(Path(stem).name)]
            named = [annotations / f"{stem}.xml" for stem in visible]
            found[split] = [spellings.find(file) or file for file in named]
        # Images and XML files side by side, as Roboflow exports them.
        elif beside := [path for name in folders for path in _xml_files(root / name)]:
            found[split] = beside
    if not found and (whole := _xml_files(root / "Annotations")):
        found["train"] = whole
    return found


def other_files(root: Path) -> dict[str, list[Path]]:
    """Returns the XML files of each split in the places where other tools put them."""
    found: dict[str, list[Path]] = {}
    for split, names in SPLIT_NAMES.items():
        folders = [root / name / below for name in names for below in ANNOTATION_FOLDERS]
        folders += [root / below / name for name in names for below in ANNOTATION_FOLDERS]
        folders += [root / below / name for name in names for below in IMAGE_FOLDERS]
        if files := [path for folder in _distinct(folders) for path in _annotation_files(folder)]:
            found[split] = files
    if found:
        return found
    places = (*ANNOTATION_FOLDERS, *IMAGE_FOLDERS, ".")
    whole = next((files for name in places if (files := _annotation_files(root / name))), [])
    return {"train": whole} if whole else {}


class Pictures:
    """Finds the picture of an XML file, each folder read once."""

    def __init__(self, root: Path) -> None:
        """Prepares to search the set at `root`."""
        self._root = root
        self._near: dict[Path, list[Listing]] = {}
        self._below: Listing | None = None

    def find(self, file: Path, filename: str | None) -> Path | None:
        """Returns the picture of an XML file: the one named like it, or the one that it names.

        In this order, because the lists of a split name both files by one stem, and <filename>
        goes stale when both are renamed. Capital letters and the suffix don't matter.

        Args:
            file: the XML file.
            filename: its <filename>; only the last part counts.

        Raises:
            ValueError: several pictures have the name; the message continues a sentence that
                starts with the file's path.
        """
        named = Path((filename or "").strip().replace("\\", "/")).name
        if file.parent not in self._near:
            self._near[file.parent] = self._listings(file.parent)
        stems = [stem for stem in (file.stem, Path(named).stem) if stem]
        for stem in stems:
            for listing in self._near[file.parent]:
                if found := listing.get(plain_name(stem)):
                    return self._only(found, stem, named)
        for stem in stems:
            found = self._elsewhere().get(plain_name(stem), [])
            if found := [path for path in found if self._may_share_split(path, file)]:
                return self._only(found, stem, named)
        return None

    def _only(self, found: list[Path], stem: str, named: str) -> Path:
        """Returns the one picture that fits best."""
        alike = [path for path in found if path.stem == stem] or found
        exact = [path for path in alike if path.name == named] or alike
        if len(exact) > 1:
            shown = ", ".join(str(inside(self._root, path)) for path in exact[:2])
            raise ValueError(f"several pictures have this name ({shown}); <filename> must be one")
        return exact[0]

    def _may_share_split(self, image: Path, file: Path) -> bool:
        """Whether the folders of two files don't put them into different splits."""
        first, second = (SPLITS & set(inside(self._root, path).parts) for path in (image, file))
        return not first or not second or first == second

    def _listings(self, annotations: Path) -> list[Listing]:
        """Returns the pictures in folders near that of XML files, the most likely first."""
        near, split = annotations.parent, annotations.name
        folders = [self._root / "JPEGImages", annotations]
        folders += [near / name for name in IMAGE_FOLDERS]
        folders += [at / name / split for at in (self._root, near.parent) for name in IMAGE_FOLDERS]
        folders += [self._root / name for name in IMAGE_FOLDERS]
        return [
            _by_stem(path for path in folder.iterdir() if is_image(path))
            for folder in _distinct(folders)
        ]

    def _elsewhere(self) -> Listing:
        """Returns the pictures of the whole set by stem."""
        if self._below is None:
            self._below = _by_stem(PictureWalk().images(self._root))
        return self._below


def _annotations(root: Path) -> Path:
    """Returns the folder of the XML files that the lists of a set name."""
    folders = [root / name for name in ANNOTATION_FOLDERS]
    beside = [root / name for name in IMAGE_FOLDERS if _xml_files(root / name)]
    return next((at for at in (*folders, *beside) if at.is_dir()), folders[0])


def _xml_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.[xX][mM][lL]") if not is_hidden(path.name))


def _annotation_files(folder: Path) -> list[Path]:
    """Returns the XML files of a folder if they are VOC's: other programs write XML too."""
    files = _xml_files(folder)
    return files if any(map(_is_annotation, files[:SAMPLED])) else []


def _is_annotation(file: Path) -> bool:
    try:
        return bool(read_xml(file).tag == "annotation")
    except (OSError, ValueError):
        return False


def _distinct(folders: list[Path]) -> list[Path]:
    """Returns the folders that exist, each once, in the order given."""
    there = {folder.resolve(): folder for folder in reversed(folders) if folder.is_dir()}
    kept = set(there.values())
    return [folder for folder in dict.fromkeys(folders) if folder in kept]


def _by_stem(paths: Iterable[Path]) -> Listing:
    found: Listing = {}
    for path in sorted(paths):
        found.setdefault(plain_name(path.stem), []).append(path)
    return found
