"""The folder of the set that is written: its pictures first, then its label file."""

import filecmp
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spotlet.atomic import atomic_file
from spotlet.coco_labels import (
    ABOUT_KEY,
    FIRST_ID,
    LABEL_FILE,
    PICTURE_FOLDER,
    CocoPicture,
    annotation_rows,
    image_row,
    is_suggested,
)
from spotlet.errors import OutputError
from spotlet.sinks.recording.lock import TargetLock
from spotlet_training.labelling.input import Input
from spotlet_training.labelling.label_file import (
    RUN_KEY,
    Entry,
    Run,
    SetContent,
    read_content,
    written,
)

PAGE_FILE = "report.html"

MOST_NAME_BYTES = 200
"""Of a picture's name: file systems have 255, and its number and a temporary name need some."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a picture that the set holds, or will.

    Attributes:
        about: where it is from; nothing if a tool has dropped it.
        suggested: whether no person has made or reviewed its labels.
        path: from which it will be copied.
    """

    about: Mapping[str, Any]
    suggested: bool
    path: Path | None = None


class SetFolder:
    """A set in COCO JSON that grows; its rows stay as they are, also those that a person edited.

    A person may correct the label file at any time: it is read again when it has changed. Only one
    program labels into a folder at a time.

    Attributes:
        path: of the folder.
        content: of the label file, as last saved.
        replaced: pictures whose suggestions labels of a person replace.
        contested: pictures that the set holds with labels of a person, given with labels again.
    """

    def __init__(self, path: Path, class_names: Sequence[str], *, every_class: bool = True) -> None:
        """Opens a set that may exist; nothing is written yet.

        Args:
            path: of the folder.
            class_names: of the set. One that exists keeps its order.
            every_class: whether the file lists classes of which there is no object too.

        Raises:
            DatasetError: the label file is damaged.
            OutputError: the folder holds other things, or another program writes to it.
            UsageError: the set that exists has other classes.
        """
        self.path = path
        self.replaced = self.contested = 0
        self._every_class = every_class
        self.content = SetContent(tuple(class_names))
        # Each picture with its labels: one step adds both, wherever Ctrl-C arrives.
        self._new: dict[str, Entry] = {}
        self._known: dict[str, _Known] = {}
        self._state: tuple[int, int] | None = None
        self._lock: TargetLock | None = None
        if (path / LABEL_FILE).is_file():
            self._lock = TargetLock(path / LABEL_FILE)
            try:
                self._read(in_order=False)
            except BaseException:
                self.close()
                raise
        else:
            ours = {PICTURE_FOLDER.name, LABEL_FILE.parent.name}
            if path.exists() and (
                not path.is_dir() or {each.name for each in path.iterdir()} - ours
            ):
                raise OutputError(f"{path}: holds other files; give a new folder")

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes; the index is the class id."""
        return self.content.class_names

    def place(self, item: Input) -> tuple[str, bool]:
        """Returns the name of a picture in the set, and whether its labels there are to stay.

        A picture that is there has the same bytes; a frame is of the same film. Another picture
        of that name gets a number. Labels of a person replace suggestions.
        """
        wanted = Path(item.name.replace("\\", "_"))
        stem, suffix = wanted.stem, wanted.suffix
        while len(os.fsencode(stem + suffix)) > MOST_NAME_BYTES and stem:
            stem = stem[:-1]
        name, number = stem + suffix, 1
        while name in self._known or (self.path / PICTURE_FOLDER / name).exists():
            if self._is_same(name, item):
                break
            number += 1
            name = f"{stem}-{number}{suffix}"
        known = self._known.get(name)
        stays = known is not None and (item.labels is None or not known.suggested)
        if known is not None and item.labels is not None:
            self.replaced += not stays
            self.contested += stays and known.about.get("source") != item.source
        if not stays:
            # Another picture of this run must not take the name.
            about = {"source": item.source, "frame": item.frame, "film": item.film}
            self._known[name] = _Known(about, item.labels is None, item.path)
        return name, stays

    def add(self, item: Input, picture: CocoPicture, content: bytes | None, own: int) -> None:
        """Writes a picture and notes its labels, which `save` writes.

        Args:
            item: the picture, with its `path` if `content` is None.
            picture: its labels; its name is that of `place`.
            content: of the file to write; None to copy the picture.
            own: how many of the labels, from the first, are not suggestions and have no score.

        Raises:
            OutputError: it cannot be written, or another program writes to the folder.
        """
        if self._lock is None:
            self._lock = TargetLock(self.path / LABEL_FILE)
        target = self.path / PICTURE_FOLDER / picture.file_name
        if content is not None or not target.is_file():
            with atomic_file(target) as temporary:
                if content is None:
                    assert item.path is not None
                    shutil.copyfile(item.path, temporary)
                else:
                    temporary.write_bytes(content)
        rows = annotation_rows(0, picture, 0)  # `save` numbers them
        for row in rows[:own]:
            row.pop("score", None)
        image = image_row(0, picture, len(self.class_names))
        self._new[picture.file_name] = Entry(image, rows, target)

    def save(self, run: Run) -> None:
        """Replaces the label file, if there is something new.

        Args:
            run: the thresholds of the teachers.

        Raises:
            DatasetError: the file was replaced by one that cannot be read.
            OutputError: it cannot be written.
            UsageError: the file was replaced by one with other classes.
        """
        if not self._new:
            return
        if self._state_now() not in (None, self._state):
            self._read(in_order=True)
        entries, runs = self.content.entries, self.content.runs
        if run not in runs:
            runs.append(run)
        next_image = 1 + max((each.image["id"] for each in entries.values()), default=0)
        ids = (row["id"] for each in entries.values() for row in each.rows)
        next_row = max(FIRST_ID, 1 + max(ids, default=0))
        for name, new in self._new.items():
            old = entries.get(name)
            if old is not None and not is_suggested(old.image, old.rows):
                continue  # a person was faster
            new.image["id"] = old.image["id"] if old else next_image
            if "teachers" in new.image[ABOUT_KEY]:
                new.image[ABOUT_KEY][RUN_KEY] = runs.index(run)
            for number, row in enumerate(new.rows, next_row):
                row["id"], row["image_id"] = number, new.image["id"]
            next_image, next_row = next_image + (old is None), next_row + len(new.rows)
            entries[name] = new
        text = json.dumps(
            written(self.content, every_class=self._every_class), separators=(",", ":")
        )
        with atomic_file(self.path / LABEL_FILE) as temporary:
            temporary.write_text(text + "\n")
        self._state = self._state_now()
        self._new = {}

    def close(self) -> None:
        """Lets other programs write. A second call does nothing."""
        if self._lock is not None:
            self._lock.release()

    def _is_same(self, name: str, item: Input) -> bool:
        """Whether the picture of that name in the set is this one."""
        file, known = self.path / PICTURE_FOLDER / name, self._known.get(name)
        if item.path is not None:
            other = known.path if known is not None and not file.is_file() else file
            return (
                other is not None
                and other.is_file()
                and filecmp.cmp(other, item.path, shallow=False)
            )
        noted = {} if known is None else known.about
        if item.film is not None and (noted.get("film"), noted.get("frame")) == (
            item.film,
            item.frame,
        ):
            return True
        return file.is_file() and file.read_bytes() == item.frame_content()

    def _read(self, *, in_order: bool) -> None:
        state = self._state_now()
        self.content = read_content(self.path, self.class_names, in_order=in_order)
        self._state = state
        for name, entry in self.content.entries.items():
            about = entry.image.get(ABOUT_KEY)
            self._known[name] = _Known(
                about if isinstance(about, Mapping) else {}, is_suggested(entry.image, entry.rows)
            )

    def _state_now(self) -> tuple[int, int] | None:
        """Returns what changes with the label file; None if there is none."""
        try:
            status = (self.path / LABEL_FILE).stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_size
