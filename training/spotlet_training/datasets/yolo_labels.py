"""The label files of a YOLO set: which belongs to an image, and its lines.

Source: https://docs.ultralytics.com/datasets/detect/ (boxes), …/segment/ (outlines), …/obb/ (four
corners), …/pose/ (a box and its key points).
"""

import re
from collections import Counter
from pathlib import Path

from spotlet.errors import DatasetError
from spotlet_training.datasets.checks import Problems, clip_box, read_text, without_path
from spotlet_training.datasets.key_points import (
    BOX_NUMBERS,
    crosses_itself,
    fits_key_points,
    has_visibilities,
)
from spotlet_training.datasets.labels import ImageLabels, LabelRow
from spotlet_training.datasets.pictures_below import Places, Spellings, is_broken_link

CORNER_NUMBERS = 8
"""Numbers after the class of a rotated box: its four corners."""

LABEL_FOLDERS = ("labels", "Labels", "LABELS")
"""Folders of label files, the usual one first."""

MOST_UNCLEAR = 20
"""Outlines examined for crossing sides, which takes the square of their corners."""


def label_path(image: Path) -> Path:
    """Returns the label file of an image.

    The last folder `images` becomes `labels`, both in any case; without such a folder, the file is
    beside the image.
    """
    folders = image.parent.parts
    for at in range(len(folders) - 1, -1, -1):
        if folders[at].lower() == "images":
            for name in LABEL_FOLDERS:
                folder = Path(*folders[:at], name, *folders[at + 1 :])
                if folder.is_dir():
                    return folder / f"{image.stem}.txt"
    return image.parent / f"{image.stem}.txt"


def may_be_labels(path: Path) -> bool:
    """Returns whether a text file may hold labels, by its first line.

    Lists of names or of images, licences and notes may lie among them.
    """
    try:
        lines = read_text(path).splitlines()
        first = next((line for line in lines if line.strip()), None)
        return first is None or len([*map(float, _words(first))]) > 1
    except (DatasetError, ValueError):
        return False


class LabelFiles:
    """Reads the label files of a set, and gathers what only the whole set can show."""

    def __init__(self, names: tuple[str, ...], problems: Problems) -> None:
        """Starts with the set's class names, and the collector of its errors."""
        self._names = names
        self._problems = problems
        self._places = Places()
        self._spellings = Spellings()
        self._image_of: dict[str, Path] = {}
        # Of outlines: how they read, the first place of each reading, and some that may be either.
        self._readings: Counter[bool | None] = Counter()
        self._first: dict[bool | None, tuple[Path, int, int]] = {}
        self._unclear: list[tuple[float, ...]] = []
        self._corners = 0

    def read(self, image: Path) -> ImageLabels:
        """Returns the labels of an image, also of one in a linked folder; none without a file."""
        path = label_path(image)
        if not path.is_file():
            if is_broken_link(path):
                self._problems.add(path, "is a broken link; put its file back, or remove it")
            real = label_path(Path(self._places.of(image)))
            found = real if real.is_file() else self._spellings.find(path)
            if found is None:
                return ImageLabels.from_rows(image, [], path)
            path = found
        return ImageLabels.from_rows(image, self._rows(image, path), path)

    def _rows(self, image: Path, path: Path) -> list[LabelRow]:
        """Returns the objects in a label file, which is that of an image."""
        try:
            lines = read_text(path).splitlines()
        except DatasetError as error:
            self._problems.add(path, without_path(error, path))
            return []
        rows: list[LabelRow] = []
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row, values = read_line(line, number, self._names)
            except ValueError as error:
                self._problems.add(path, str(error), number)
                continue
            rows.append(row)
            if len(values) > BOX_NUMBERS:
                self._note_outline(path, number, values)
        first = self._image_of.setdefault(self._places.of(path), image)
        if rows and self._places.of(first) != self._places.of(image):
            self._problems.add(
                image,
                f"has the same label file as {first.name} ({path.name}); only one of the two can "
                "be labelled there: rename or remove the other",
            )
        return rows

    def _note_outline(self, path: Path, number: int, values: tuple[float, ...]) -> None:
        reading = fits_key_points(values)
        self._readings[reading] += 1
        self._first.setdefault(reading, (path, number, len(values)))
        self._corners += len(values) == CORNER_NUMBERS
        if reading is None and len(self._unclear) < MOST_UNCLEAR:
            self._unclear.append(values)

    def notes(self) -> list[str]:
        """Returns notes on the outlines; adds a problem if they are key points."""
        count = self._readings
        points = self._first.get(True)
        if not count[True] and not count[False] and any(map(crosses_itself, self._unclear)):
            points = self._first.get(None)
        elif count[True] <= count[False]:
            points = None
        if points is not None:
            path, number, numbers = points
            self._problems.add(
                path,
                f"{numbers} numbers after the class are a box and key points inside it, in "
                f"{count.total()} lines of this set; spotlet needs boxes: keep the first "
                f"{BOX_NUMBERS} numbers",
                number,
            )
            return []
        kinds = (
            (count.total() - self._corners, "outlines"),
            (self._corners, "rotated boxes or outlines"),
        )
        return [
            f"{kind}, taken as the upright boxes around them: {number}"
            for number, kind in kinds
            if number
        ]


def _words(line: str) -> list[str]:
    """Returns the numbers of a line, also with commas: between them, or as decimal signs."""
    if "." in line:
        return re.sub(r"[,;]", " ", line).split()
    words = line.replace(";", " ").split()
    return [word.replace(",", ".") for word in words] if len(words) > BOX_NUMBERS else words


def read_line(line: str, number: int, names: tuple[str, ...]) -> tuple[LabelRow, tuple[float, ...]]:
    """Returns the object of a line, and the numbers after its class.

    Raises:
        ValueError: the line breaks a rule.
    """
    try:
        class_number, *values = map(float, _words(line))
    except ValueError:
        what = f"{line.strip()!r} is not a label"
        raise ValueError(f"{what}: must be numbers, the class too") from None
    if not (class_number.is_integer() and 0 <= class_number < len(names)):
        raise ValueError(f"unknown class {class_number:g}; must be from 0 to {len(names) - 1}")
    if has_visibilities(values):
        raise ValueError(
            f"{len(values)} numbers after the class are a box and key points; spotlet needs boxes: "
            f"keep the first {BOX_NUMBERS} numbers"
        )
    if len(values) == BOX_NUMBERS:
        x, y, width, height = values
        edges = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    elif len(values) >= 6 and len(values) % 2 == 0:
        edges = (min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2]))
    else:
        raise ValueError(
            f"{len(values)} numbers after the class; must be 4 for a box, or an even number, at "
            "least 6, for an outline"
        )
    row = LabelRow(clip_box(edges), int(class_number), ignored=False, place=number)
    return row, tuple(values)
