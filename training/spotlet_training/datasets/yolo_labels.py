"""The label files of a YOLO set: which belongs to an image, and its lines.

Source: https://docs.ultralytics.com/datasets/detect/ (boxes), …/segment/ (outlines), …/obb/ (four
corners), …/pose/ (a box and its key points).
"""

from collections.abc import Sequence
from pathlib import Path

from spotlet.errors import DatasetError
from spotlet_training.datasets.checks import Problems, clip_box, read_text, without_path
from spotlet_training.datasets.labels import ImageLabels, LabelRow
from spotlet_training.datasets.pictures_below import Places

BOX_NUMBERS, CORNER_NUMBERS = 4, 8
"""Numbers after the class: of a box, and of the four corners of a rotated box."""


SLACK = 1.05
"""How far key points may lie outside their box, as a factor of its sides: rounding."""


def label_path(image: Path) -> Path:
    """Returns the label file of an image.

    The last folder `images` becomes `labels`; without such a folder, the file is beside the image.
    """
    folders = list(image.parent.parts)
    if "images" in folders:
        folders[len(folders) - 1 - folders[::-1].index("images")] = "labels"
    folder = Path(*folders)
    return (folder if folder.is_dir() else image.parent) / f"{image.stem}.txt"


class LabelFiles:
    """Reads the label files of a set, and gathers what only the whole set can show."""

    def __init__(self, names: tuple[str, ...], problems: Problems) -> None:
        """Starts with the set's class names, and the collector of its errors."""
        self._names = names
        self._problems = problems
        self._places = Places()
        self._image_of: dict[str, Path] = {}
        self._around: list[tuple[Path, int, tuple[float, ...]]] = []

    def read(self, image: Path) -> ImageLabels:
        """Returns the labels of an image, also of one in a linked folder; none without a file."""
        path = label_path(image)
        if not path.is_file():
            real = label_path(Path(self._places.of(image)))
            if not real.is_file():
                return ImageLabels.from_rows(image, [], path)
            path = real
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
                self._around.append((path, number, values))
        first = self._image_of.setdefault(self._places.of(path), image)
        if rows and self._places.of(first) != self._places.of(image):
            self._problems.add(
                image,
                f"has the same label file as {first.name} ({path.name}); only one of the two can "
                "be labelled there: rename or remove the other",
            )
        return rows

    def notes(self) -> list[str]:
        """Returns notes on the outlines; adds a problem if they are key points."""
        readings = [_fits_key_points(values) for _, _, values in self._around]
        if readings.count(True) > readings.count(False):
            path, number, values = self._around[readings.index(True)]
            self._problems.add(
                path,
                f"{len(values)} numbers after the class are a box and key points inside it, in "
                f"{len(readings)} lines of this set; spotlet needs boxes: keep the first "
                f"{BOX_NUMBERS} numbers",
                number,
            )
            return []
        corners = sum(len(values) == CORNER_NUMBERS for _, _, values in self._around)
        kinds = ((len(readings) - corners, "outlines"), (corners, "rotated boxes or outlines"))
        return [
            f"{count} {kind} are taken as the upright boxes around them"
            for count, kind in kinds
            if count
        ]


def read_line(line: str, number: int, names: tuple[str, ...]) -> tuple[LabelRow, tuple[float, ...]]:
    """Returns the object of a line, and the numbers after its class.

    Raises:
        ValueError: the line breaks a rule.
    """
    try:
        class_number, *values = (float(word) for word in line.split())
    except ValueError:
        raise ValueError(f"{line.strip()!r}: must be numbers, the class too") from None
    if not (class_number.is_integer() and 0 <= class_number < len(names)):
        raise ValueError(f"unknown class {class_number:g}; must be from 0 to {len(names) - 1}")
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


def _fits_key_points(values: Sequence[float]) -> bool | None:
    """Whether an outline is a box and the key points in it: x, y, or x, y and visibility 0 to 2.

    None if it may be either: an outline near the picture's middle may look like key points.
    """
    x, y, width, height = values[:BOX_NUMBERS]
    reach_x, reach_y = 0.5 * SLACK * width, 0.5 * SLACK * height
    rest = values[BOX_NUMBERS:]

    def holds(points: Sequence[tuple[float, float]]) -> bool:
        return all(
            (abs(at_x - x) <= reach_x and abs(at_y - y) <= reach_y) or at_x == at_y == 0
            for at_x, at_y in points
        )

    seen = rest[2::3]
    if len(rest) % 3 == 0 and set(seen) <= {0.0, 1.0, 2.0}:
        return holds(list(zip(rest[::3], rest[1::3], strict=True)))
    if not holds(list(zip(rest[::2], rest[1::2], strict=True))):
        return False
    # The second corner of an outline lies near its others; a box's size is no place at all.
    return None if holds([(width, height)]) else True
