"""The folder of the set that is written: its pictures first, then its label file."""

import filecmp
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spotlet.atomic import atomic_file
from spotlet.coco_labels import (
    ABOUT_KEY,
    FIRST_ID,
    CocoPicture,
    annotation_rows,
    category_rows,
    image_row,
)
from spotlet.errors import DatasetError, OutputError, UsageError
from spotlet_training.datasets.checks import read_text
from spotlet_training.labelling.classes import listed
from spotlet_training.labelling.sources import Input

LABEL_FILE = Path("annotations/instances_default.json")
"""Where CVAT and Datumaro have it."""

PICTURE_FOLDER = "images"
PAGE_FILE = "report.html"

Row = dict[str, Any]


class SetFolder:
    """A set in COCO JSON that grows; its rows stay as they are, also those that a person edited.

    Attributes:
        path: of the folder.
        class_names: the classes; the index is the class id.
    """

    def __init__(self, path: Path, class_names: Sequence[str]) -> None:
        """Opens a set that may exist; nothing is written yet.

        Args:
            path: of the folder.
            class_names: of the set. One that exists keeps its order.

        Raises:
            DatasetError: the label file is damaged.
            OutputError: the folder holds other things.
            UsageError: the set that exists has other classes.
        """
        self.path = path
        self.class_names = tuple(class_names)
        # Each picture with its labels: one step adds both, wherever Ctrl-C arrives.
        self._entries: list[tuple[Row, list[Row]]] = []
        self._saved = 0
        if (path / LABEL_FILE).is_file():
            self._read()
        else:
            ours = {PICTURE_FOLDER, LABEL_FILE.parent.name}
            if path.exists() and (
                not path.is_dir() or {each.name for each in path.iterdir()} - ours
            ):
                raise OutputError(f"{path}: holds other files; give a new folder")
        self._about = {row["file_name"]: row.get(ABOUT_KEY) for row, _ in self._entries}
        self._next_image = 1 + max((row["id"] for row, _ in self._entries), default=FIRST_ID - 1)
        ids = (each["id"] for _, rows in self._entries for each in rows)
        self._next_row = 1 + max(ids, default=FIRST_ID - 1)

    @property
    def entries(self) -> Sequence[tuple[Row, list[Row]]]:
        """The row of each picture in `images`, and its rows in `annotations`."""
        return self._entries

    def place(self, item: Input) -> tuple[str, bool]:
        """Returns the name of a picture in the set, and whether the set holds it already.

        A picture that is there has the same bytes; a frame is of the same video. Another picture
        of that name gets a number.
        """
        wanted = Path(item.name.replace("\\", "_"))
        name, number = wanted.name, 1
        while name in self._about or (self.path / PICTURE_FOLDER / name).exists():
            if self._is_same(name, item):
                break
            number += 1
            name = f"{wanted.stem}-{number}{wanted.suffix}"
        is_there = name in self._about
        # Another picture of this run must not take the name.
        self._about.setdefault(name, {"source": item.source, "frame": item.frame})
        return name, is_there

    def add(self, item: Input, picture: CocoPicture, content: bytes | None, own: int) -> None:
        """Writes a picture and notes its labels, which `save` writes.

        Args:
            item: the picture, with its `path` if `content` is None.
            picture: its labels; its name is that of `place`.
            content: of the file to write; None to copy the picture.
            own: how many of the labels, from the first, are not suggestions and have no score.

        Raises:
            OutputError: it cannot be written.
        """
        target = self.path / PICTURE_FOLDER / picture.file_name
        if content is not None or not target.is_file():
            with atomic_file(target) as temporary:
                if content is None:
                    assert item.path is not None
                    shutil.copyfile(item.path, temporary)
                else:
                    temporary.write_bytes(content)
        rows = annotation_rows(self._next_image, picture, self._next_row)
        for row in rows[:own]:
            row.pop("score", None)
        image = image_row(self._next_image, picture, len(self.class_names))
        self._next_image += 1
        self._next_row += len(rows)
        self._entries.append((image, rows))

    def save(self) -> None:
        """Replaces the label file, if there is something new.

        Raises:
            OutputError: it cannot be written.
        """
        count = len(self._entries)
        if count == self._saved:
            return
        content = {
            "images": [image for image, _ in self._entries],
            "annotations": [row for _, rows in self._entries for row in rows],
            "categories": category_rows(self.class_names),
        }
        with atomic_file(self.path / LABEL_FILE) as temporary:
            temporary.write_text(json.dumps(content, separators=(",", ":")) + "\n")
        self._saved = count

    def _is_same(self, name: str, item: Input) -> bool:
        """Whether the picture of that name in the set is this one."""
        file = self.path / PICTURE_FOLDER / name
        if item.path is not None:
            return file.is_file() and filecmp.cmp(file, item.path, shallow=False)
        about = self._about.get(name)
        if not isinstance(about, dict):  # written before a stop, or edited by a tool that drops it
            return True
        return (about.get("source"), about.get("frame")) == (item.source, item.frame)

    def _read(self) -> None:
        file = self.path / LABEL_FILE
        try:
            content = json.loads(read_text(file))
            images, rows = list(content["images"]), list(content["annotations"])
            names = {int(row["id"]): str(row["name"]) for row in content["categories"]}
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DatasetError(f"{file}: is not COCO JSON ({error}); give a new folder") from error
        if sorted(names.values()) != sorted(self.class_names):
            raise UsageError(
                f"{self.path}: has the classes {listed(list(names.values()))}, not "
                f"{listed(self.class_names)}; give the same classes, or a new folder"
            )
        self.class_names = tuple(names[identity] for identity in sorted(names))
        # Other tools number categories otherwise.
        new_ids = {old: FIRST_ID + index for index, old in enumerate(sorted(names))}
        rows_of: dict[int, list[Row]] = {}
        try:
            for row in rows:
                row["id"], row["category_id"] = int(row["id"]), new_ids[int(row["category_id"])]
                rows_of.setdefault(int(row["image_id"]), []).append(row)
            for row in images:
                row["id"], row["file_name"] = int(row["id"]), str(row["file_name"])
                for key in ("neg_category_ids", "not_exhaustive_category_ids"):
                    if key in row:
                        row[key] = sorted(new_ids[int(each)] for each in row[key])
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(
                f"{file}: a row that COCO does not have ({error}); see `spotlet data check "
                f"{self.path}`"
            ) from error
        self._entries = [(row, rows_of.get(row["id"], [])) for row in images]
        self._saved = len(self._entries)
