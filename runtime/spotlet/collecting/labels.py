"""The label file of a collected set: read, added to, and written whole.

A person may correct it or replace it by an export of a labelling tool at any time, so it is read
again when it has changed, and nothing in it but what is added is touched. An export is as old as
its newest picture: those after it came since and are entered again, those before it that have no
entry were deleted in the tool.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from spotlet.atomic import atomic_file
from spotlet.coco_labels import (
    ABOUT_KEY,
    ABSENT_KEY,
    FIRST_ID,
    MORE_KEY,
    CocoPicture,
    annotation_rows,
    coco_content,
    image_row,
)
from spotlet.collecting.folder import STAMP_LENGTH, own_name
from spotlet.errors import OutputError, UsageError

TABLES = ("images", "annotations", "categories")

ROW_BYTES = 400
"""More than a row takes besides its names; one of an annotation has about 230 bytes."""

ID_BYTES = 12
"""More than the id of a class takes in a list."""

Content = dict[str, Any]


class LabelFile:
    """The entries of a set, and those that wait to be written.

    Attributes:
        path: of the file.
        size_bytes: of the file, and at most of what waits.
    """

    def __init__(self, path: Path, class_names: Sequence[str]) -> None:
        """Reads the file, or writes one without pictures.

        Raises:
            UsageError: it lacks one of the classes; nothing was written.
            OutputError: it cannot be read or written, or is not COCO JSON.
        """
        self.path = path
        self.size_bytes = 0
        self._names = tuple(class_names)
        self._added: list[CocoPicture] = []
        self._waiting: list[CocoPicture] = []
        self._state: tuple[int, int] | None = None
        self._content: Content = coco_content(self._names, [])
        if path.exists():
            self._read()
        else:
            self._write()

    @property
    def images(self) -> list[dict[str, Any]]:
        """The entries of the pictures in the file."""
        rows: list[dict[str, Any]] = self._content["images"]
        return rows

    @property
    def count(self) -> int:
        """How many pictures have an entry, or will have."""
        return len(self.images) + len(self._waiting)

    @property
    def is_complete(self) -> bool:
        """Whether nothing waits, and the file is as it was written."""
        return not self._waiting and self._state_now() == self._state

    def came_since(self, names: Iterable[str]) -> list[str]:
        """Returns those names of pictures without an entry that are newer than all with one."""
        named = {own_name(str(row.get("file_name"))) for row in self.images}
        newest = max(named, default="")[:STAMP_LENGTH]
        return [name for name in names if name not in named and name[:STAMP_LENGTH] >= newest]

    def add(self, picture: CocoPicture) -> None:
        """Adds a picture, whose class ids are indices into the names given first."""
        self._added.append(picture)
        self._waiting.append(picture)
        self.size_bytes += most_bytes(picture)

    def save(self) -> None:
        """Writes what waits, and what an export that replaced the file lacks, after its entries.

        Raises:
            UsageError: the file was replaced by one that lacks a class.
            OutputError: it cannot be read or written; what waits still does.
        """
        if self._state_now() not in (None, self._state):
            self._read()
            since = self.came_since(picture.file_name for picture in self._added)
            self._waiting = [
                picture
                for picture in self._added
                if picture in self._waiting or picture.file_name in since
            ]
        before = {key: list(self._content[key]) for key in TABLES}
        self._append()
        try:
            self._write()
        except BaseException:
            self._content.update(before)
            raise
        self._waiting = []

    def _append(self) -> None:
        categories = self._content["categories"]
        place_of = {row["name"]: place for place, row in enumerate(categories)}
        # `coco_labels` numbers from 1 in the order of the names; this file may do otherwise.
        identity_of = {FIRST_ID + place: row["id"] for place, row in enumerate(categories)}
        image = _next_id(self._content["images"])
        annotation = _next_id(self._content["annotations"])
        for picture in self._waiting:
            places = [place_of[self._names[each]] for each in picture.class_ids.tolist()]
            class_ids = picture.class_ids.copy()
            class_ids[:] = places
            # What a person added to the classes is not labelled here either.
            unknown = range(len(categories)) if picture.unknown_ids else ()
            moved = replace(picture, class_ids=class_ids, unknown_ids=unknown)
            row = image_row(image, moved, len(categories))
            for key in (ABSENT_KEY, MORE_KEY):
                if key in row:
                    row[key] = [identity_of[each] for each in row[key]]
            rows = annotation_rows(image, moved, annotation)
            for each in rows:
                each["category_id"] = identity_of[each["category_id"]]
            self._content["images"].append(row)
            self._content["annotations"] += rows
            image, annotation = image + 1, annotation + len(rows)

    def _read(self) -> None:
        try:
            state, text = self._state_now(), self.path.read_bytes()
            content = json.loads(text)
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be read ({error.strerror})") from error
        except (ValueError, RecursionError) as error:
            raise OutputError(
                f"{self.path}: is not JSON ({error}); correct it, or collect into a new folder"
            ) from error
        for key in TABLES:
            table = content.get(key) if isinstance(content, dict) else None
            if not isinstance(table, list) or not all(isinstance(row, dict) for row in table):
                raise OutputError(
                    f"{self.path}: no list {key!r} of objects, which COCO labels must have; "
                    "correct it, or collect into a new folder"
                )
        categories = content["categories"]
        if not all(type(row.get("id")) is int for row in categories):
            raise OutputError(
                f"{self.path}: a category without a whole number as `id`; correct it, or collect "
                "into a new folder"
            )
        known = [row.get("name") for row in categories]
        missing = [name for name in self._names if name not in known]
        if missing:
            raise UsageError(
                f"{self.path}: has no class {', '.join(map(repr, missing))}, which the model "
                f"finds; its classes are {', '.join(map(str, known))}; collect into a new folder"
            )
        self._content, self._state, self.size_bytes = content, state, len(text)

    def _write(self) -> None:
        content = json.dumps(self._content, ensure_ascii=False, separators=(",", ":"))
        # A lone surrogate in a name of a file cannot be written as UTF-8 otherwise.
        text = content.encode("utf-8", errors="backslashreplace")
        with atomic_file(self.path) as temporary:
            temporary.write_bytes(text)
        self._state, self.size_bytes = self._state_now(), len(text)

    def _state_now(self) -> tuple[int, int] | None:
        """Returns the time and size of the file; None without one."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_size


def most_bytes(picture: CocoPicture) -> int:
    """Returns a bound of how much a picture adds to the file."""
    noted = len(json.dumps(dict(picture.about))) + len(picture.file_name.encode())
    return noted + ROW_BYTES * (1 + len(picture.class_ids)) + ID_BYTES * len(picture.unknown_ids)


def about_of(row: dict[str, Any]) -> dict[str, Any]:
    """Returns what Spotlet noted of a picture; empty if a tool has dropped it."""
    about = row.get(ABOUT_KEY)
    return about if isinstance(about, dict) else {}


def _next_id(rows: list[dict[str, Any]]) -> int:
    numbers = [row["id"] for row in rows if type(row.get("id")) is int]
    return max(numbers, default=FIRST_ID - 1) + 1
