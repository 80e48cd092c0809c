"""The picture files of a folder, as its owner means them: linked folders in, hidden files out."""

import os
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from spotlet.errors import DatasetError
from spotlet.image_files import IMAGE_SUFFIXES
from spotlet_training.datasets.checks import inside, is_image


@dataclass(slots=True)
class PictureWalk:
    """The pictures found below folders, and what was met on the way.

    Attributes:
        hidden: pictures left out, because their name or that of a folder begins with a dot (copies
            of notebooks, macOS's `._` files) or the folder is `__MACOSX`.
        linked: folders that were reached through a link.
        broken: links left out because they lead nowhere, or to themselves.
        others: visible files that are not pictures.
    """

    hidden: list[Path] = field(default_factory=list)
    linked: list[Path] = field(default_factory=list)
    broken: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)

    def images(self, root: Path) -> list[Path]:
        """Returns the pictures below a folder, sorted.

        Linked folders are followed, after all others, unless they were visited or contain `root`:
        no picture is found twice.

        Raises:
            DatasetError: a folder cannot be read.
        """
        found: list[Path] = []
        whole = root.resolve()
        visited: set[Path] = set()
        folders, links = [root], list[Path]()
        while folders or links:
            if not folders:
                link = links.pop(0)
                real = link.resolve()
                if real in visited or whole.is_relative_to(real):
                    continue
                self.linked.append(link)
                folders.append(link)
            folder = folders.pop()
            if folder.resolve() in visited:
                continue
            visited.add(folder.resolve())
            for entry in _entries(folder):
                path = folder / entry.name
                if is_hidden(entry.name):
                    self.hidden += _pictures_of(path)
                elif entry.is_symlink() and is_broken_link(path):
                    self.broken.append(path)
                elif not _is_folder(entry):
                    (found if is_image(path) else self.others).append(path)
                else:
                    (links if entry.is_symlink() else folders).append(path)
        return sorted(found)

    def notes(self, root: Path) -> list[str]:
        """Returns one note on what was left out and which links were followed, or none."""
        kinds = (
            (self.hidden, "hidden pictures are left out"),
            (self.linked, "linked folders are followed"),
            (self.broken, "broken links are left out"),
        )
        parts = [
            f"{len(paths)} {what} ({_first_few(inside(root, path) for path in paths)})"
            for paths, what in kinds
            if paths
        ]
        return ["; ".join(parts)] if parts else []


class Places:
    """Where files lie, whatever the spelling of their path: `./a.jpg` and links to a folder."""

    def __init__(self) -> None:
        self._real: dict[str, str] = {}

    def of(self, path: Path) -> str:
        """Returns the file's own name in its real folder. The file itself may be a link."""
        folder, name = os.path.split(path)
        real = self._real.get(folder)
        if real is None:
            real = self._real[folder] = os.path.realpath(folder)
        return f"{real}/{name}"  # faster than a `Path`, once for each file of a set


class Spellings:
    """Finds files whose name a label file spells in another case, or as another system does."""

    def __init__(self) -> None:
        self._files: dict[Path, dict[str, list[Path]]] = {}

    def find(self, path: Path, *, is_folder: bool = False) -> Path | None:
        """Returns a file, or a folder; else the only one in its folder with an equal `plain_name`.

        The folders above it may be spelled otherwise as well.
        """
        is_there = Path.is_dir if is_folder else Path.is_file
        if is_there(path):
            return path
        above = path.parent
        folder = above if above.is_dir() else self.find(above, is_folder=True)
        if folder is None:
            return None
        if folder not in self._files:
            files = self._files[folder] = {}
            for entry in _entries(folder):
                files.setdefault(plain_name(entry.name), []).append(folder / entry.name)
        found = self._files[folder].get(plain_name(path.name), [])
        return found[0] if len(found) == 1 and is_there(found[0]) else None


def folders_below(root: Path, levels: int) -> list[Path]:
    """Returns the visible folders down to a level below a folder, the upper ones first.

    Linked ones are among them, each real folder once.
    """
    found: list[Path] = []
    visited = {os.path.realpath(root)}
    level = [root]
    for _ in range(levels):
        above, level = level, []
        for folder in above:
            for entry in _entries(folder):
                if not is_hidden(entry.name) and _is_folder(entry):
                    path = folder / entry.name
                    if (real := os.path.realpath(path)) not in visited:
                        visited.add(real)
                        level.append(path)
        found += level
    return found


def most_alike(name: str, paths: Iterable[Path]) -> list[Path]:
    """Returns the paths that share the most parts with a name from its end; none without any.

    Args:
        name: a path, perhaps of another machine, with slashes.
        paths: without suffix if the name has none.
    """
    wanted = [plain_name(part) for part in name.split("/")][::-1]
    best: list[Path] = []
    most = 1
    for path in paths:
        own = [plain_name(part) for part in path.parts][::-1]
        pairs = enumerate(zip(wanted, own, strict=False))
        shared = next(
            (at for at, (one, other) in pairs if one != other), min(len(wanted), len(own))
        )
        if shared > most:
            best, most = [], shared
        best += [path] if shared == most else []
    return best


def is_broken_link(path: Path) -> bool:
    """Whether a path is a link that leads nowhere, or to itself."""
    return path.is_symlink() and not path.exists()


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is not meant to be seen."""
    return name.startswith(".") or name == "__MACOSX"


def plain_name(name: str) -> str:
    """Returns a name as it compares equal to its spellings on Windows and macOS."""
    return unicodedata.normalize("NFC", name).casefold()


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be read ({error.strerror})") from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _pictures_of(path: Path) -> list[Path]:
    """Returns the files with a picture's suffix in a hidden folder, or the hidden file itself."""
    names = [path]
    if path.is_dir():
        names = [Path(at) / name for at, _, files in os.walk(path) for name in files]
    return sorted(name for name in names if name.suffix.lower() in IMAGE_SUFFIXES)


def _first_few(paths: Iterable[Path], most: int = 3) -> str:
    named = [str(path) for path in paths]
    return ", ".join(named[:most]) + (", …" if len(named) > most else "")
