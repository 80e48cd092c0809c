"""Where a Pascal VOC set has its XML files and its pictures.

The development kit has `Annotations`, `JPEGImages` and the lists of `ImageSets/Main`; tools also
write `images` and `annotations`, both below each split, or XML files beside the pictures.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from spotlet_training.datasets.checks import SPLIT_NAMES, inside, is_image, read_text
from spotlet_training.datasets.pictures_below import PictureWalk, is_hidden, plain_name

ANNOTATION_FOLDERS = ("Annotations", "annotations", "xmls")
IMAGE_FOLDERS = ("JPEGImages", "images", "Images")
SPLITS = {"test"}.union(*SPLIT_NAMES.values())


def listed_files(root: Path) -> dict[str, list[Path]]:
    """Returns the XML files that each split names, whether or not they exist.

    Those of the kit's layout; they are by split, or all in `train`.
    """
    found: dict[str, list[Path]] = {}
    annotations, lists = _annotations(root), root / "ImageSets" / "Main"
    for split, folders in SPLIT_NAMES.items():
        if (lists / f"{split}.txt").is_file():
            lines = read_text(lists / f"{split}.txt").splitlines()
            # The lists of one class carry a flag after the name: 1, 0 or -1.
            stems = [re.sub(r"\s+-?[01]$", "", line.strip()) for line in lines]
            found[split] = [annotations / f"{stem}.xml" for stem in stems if stem]
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
        if files := [path for folder in _distinct(folders) for path in _xml_files(folder)]:
            found[split] = files
    if found:
        return found
    places = (*ANNOTATION_FOLDERS, *IMAGE_FOLDERS, ".")
    whole = next((files for name in places if (files := _xml_files(root / name))), [])
    return {"train": whole} if whole else {}


class Pictures:
    """Finds the picture of an XML file, each folder read once."""

    def __init__(self, root: Path) -> None:
        """Prepares to search the set at `root`."""
        self._root = root
        self._listed: dict[Path, dict[str, list[Path]]] = {}
        self._below: dict[str, list[Path]] | None = None

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
        near = list(self._near(file))
        for listings in (near, [self._elsewhere()]):
            for stem in filter(None, (file.stem, Path(named).stem)):
                for listing in listings:
                    found = listing.get(plain_name(stem), [])
                    if listings is not near:
                        found = [path for path in found if self._may_share_split(path, file)]
                    alike = [path for path in found if path.stem == stem] or found
                    exact = [path for path in alike if path.name == named] or alike
                    if len(exact) > 1:
                        shown = ", ".join(str(inside(self._root, path)) for path in exact[:2])
                        raise ValueError(
                            f"several pictures have this name ({shown}); <filename> must be one"
                        )
                    if exact:
                        return exact[0]
        return None

    def _may_share_split(self, image: Path, file: Path) -> bool:
        """Whether the folders of two files don't put them into different splits."""
        first, second = (SPLITS & set(inside(self._root, path).parts) for path in (image, file))
        return not first or not second or first == second

    def _near(self, file: Path) -> Iterator[dict[str, list[Path]]]:
        """Yields the pictures by stem, of the most likely folders first."""
        near, split = file.parent.parent, file.parent.name
        folders = [self._root / "JPEGImages", file.parent, *(near / name for name in IMAGE_FOLDERS)]
        folders += [at / name / split for at in (self._root, near.parent) for name in IMAGE_FOLDERS]
        folders += [self._root / name for name in IMAGE_FOLDERS]
        for folder in _distinct(folders):
            if folder not in self._listed:
                self._listed[folder] = _by_stem(path for path in folder.iterdir() if is_image(path))
            yield self._listed[folder]

    def _elsewhere(self) -> dict[str, list[Path]]:
        """Returns the pictures of the whole set by stem."""
        if self._below is None:
            self._below = _by_stem(PictureWalk().images(self._root))
        return self._below


def _annotations(root: Path) -> Path:
    folders = (root / name for name in ANNOTATION_FOLDERS)
    return next((at for at in folders if at.is_dir()), root / ANNOTATION_FOLDERS[0])


def _xml_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.[xX][mM][lL]") if not is_hidden(path.name))


def _distinct(folders: list[Path]) -> list[Path]:
    """Returns the folders that exist, each once, in the order given."""
    there = {folder.resolve(): folder for folder in reversed(folders) if folder.is_dir()}
    kept = set(there.values())
    return [folder for folder in dict.fromkeys(folders) if folder in kept]


def _by_stem(paths: Iterable[Path]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in sorted(paths):
        found.setdefault(plain_name(path.stem), []).append(path)
    return found
