"""Where a Pascal VOC set has its pictures: beside the folder of its XML files, or elsewhere."""

from collections.abc import Iterable
from pathlib import Path

from spotlet_training.datasets.checks import inside, is_image, split_of
from spotlet_training.datasets.pictures_below import PictureWalk, plain_name

IMAGE_FOLDERS = ("JPEGImages", "images", "Images")

Listing = dict[str, list[Path]]
"""Files by the stem of their name, as `plain_name` has it."""


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
        first, second = (split_of(inside(self._root, path.parent)) for path in (image, file))
        return first is None or second is None or first == second

    def _listings(self, annotations: Path) -> list[Listing]:
        """Returns the pictures in folders near that of XML files, the most likely first."""
        near, split = annotations.parent, annotations.name
        folders = [self._root / "JPEGImages", annotations]
        folders += [near / name for name in IMAGE_FOLDERS]
        folders += [at / name / split for at in (self._root, near.parent) for name in IMAGE_FOLDERS]
        for above in near.parents:  # Annotations/a/b lies beside JPEGImages/a/b
            if not above.is_relative_to(self._root):
                break
            rest = Path(*annotations.relative_to(above).parts[1:])
            folders += [above / name / rest for name in IMAGE_FOLDERS]
        folders += [self._root / name for name in IMAGE_FOLDERS]
        return [
            by_stem(path for path in folder.iterdir() if is_image(path))
            for folder in distinct(folders)
        ]

    def _elsewhere(self) -> Listing:
        """Returns the pictures of the whole set by stem."""
        if self._below is None:
            self._below = by_stem(PictureWalk().images(self._root))
        return self._below


def distinct(folders: list[Path]) -> list[Path]:
    """Returns the folders that exist, each once, in the order given."""
    there = {folder.resolve(): folder for folder in reversed(folders) if folder.is_dir()}
    kept = set(there.values())
    return [folder for folder in dict.fromkeys(folders) if folder in kept]


def by_stem(paths: Iterable[Path]) -> Listing:
    """Returns files by the stem of their name."""
    found: Listing = {}
    for path in sorted(paths):
        found.setdefault(plain_name(path.stem), []).append(path)
    return found
