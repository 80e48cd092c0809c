"""The pictures to label: files, folders, frames of films, sets with labels."""

import glob
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spotlet.coco_labels import is_suggested
from spotlet.errors import SourceError, UsageError
from spotlet.streams import locate_source
from spotlet.streams.source import natural_key
from spotlet_training.datasets.checks import is_image, read_text
from spotlet_training.datasets.coco_files import find_coco_files
from spotlet_training.datasets.coco_rows import file_name, whole_number
from spotlet_training.datasets.discover import NESTED_LEVELS, formats_of, read_labels
from spotlet_training.datasets.pictures_below import PictureWalk, folders_below
from spotlet_training.datasets.yolo_files import find_yolo_file
from spotlet_training.labelling.films import film_frames, is_film
from spotlet_training.labelling.input import Input, source_name
from spotlet_training.labelling.settings import LabelSettings


@dataclass(slots=True)
class Inputs:
    """All that is to be labelled, in order; iterate to read it.

    Attributes:
        class_names: of the sets among it whose labels a person made.
        notes: lines to show the user.
    """

    class_names: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    _parts: dict[Path, Input | Path] = field(default_factory=dict)
    _step: int = 1
    _by_change: bool = False

    @property
    def count(self) -> int | None:
        """How many pictures there are; None if there are films."""
        has_films = any(isinstance(part, Path) for part in self._parts.values())
        return None if has_films else len(self._parts)

    def add(self, parts: Sequence[Input | Path]) -> None:
        """Adds pictures and films, each file once: that with labels, if it has some."""
        for part in parts:
            path = part if isinstance(part, Path) else part.path
            assert path is not None
            first = self._parts.setdefault(path.resolve(), part)
            if _has_labels(part) and not _has_labels(first):
                self._parts[path.resolve()] = part

    def __iter__(self) -> Iterator[Input]:
        for part in self._parts.values():
            if isinstance(part, Path):
                yield from film_frames(part, self._step, by_change=self._by_change)
            else:
                yield part


def find_inputs(settings: LabelSettings) -> Inputs:
    """Returns the pictures that the settings name; nothing is decoded yet.

    Raises:
        DatasetError: a labelled set cannot be read.
        SourceError: there is no such file, or no picture in a folder.
        UsageError: a source is a camera, or it holds the folder to write.
    """
    inputs = Inputs(_step=settings.frame_step, _by_change=settings.by_change)
    for source in settings.pictures:
        path = Path(source)
        if path.is_dir() and settings.out.resolve().is_relative_to(path.resolve()):
            raise UsageError(
                f"out {settings.out}: is in {path}, which is labelled; give a folder elsewhere"
            )
        if path.suffix in (".yaml", ".yml") or (path.is_dir() and formats_of(path)):
            _add_set(inputs, path)
        else:
            _add_files(inputs, source)
    if inputs.count is not None and (settings.every or settings.by_change):
        inputs.notes.append("no video is given: every and by-change choose among frames only")
    return inputs


def _add_files(inputs: Inputs, source: str | Path) -> None:
    path = Path(source)
    if path.is_dir():
        walk = PictureWalk()
        files = [*walk.images(path), *sorted(walk.others)]
        inputs.notes += walk.notes(path)
        for folder in folders_below(path, NESTED_LEVELS):
            if find_coco_files(folder) or find_yolo_file(folder) is not None:
                inputs.notes.append(
                    f"{folder}: is a labelled set, but {path} is not: its labels are not used; "
                    "give the set itself to keep them"
                )
    elif glob.has_magic(str(source)) and "://" not in str(source) and not path.exists():
        names = glob.glob(str(source), recursive=True)  # noqa: PTH207
        files = sorted((Path(name) for name in names), key=natural_key)
    else:
        found = locate_source(source)
        if found.is_live:
            raise UsageError(
                f"{found.name}: a camera is not labelled; collect frames of it with "
                "`spotlet run MODEL SOURCE --collect FOLDER`, and label that folder"
            )
        inputs.add([path] if found.kind == "video" else _pictures(found.paths))
        return
    films = [each for each in files if each.name[0] != "." and is_film(each)]
    pictures = [each for each in files if is_image(each) and each not in films]
    if not (pictures or films):
        raise SourceError(
            f"{source}: contains no images, and no MP4, MOV, MKV, WebM or AVI files; give a film "
            "of another kind by its own name"
        )
    inputs.add(_pictures(pictures))
    inputs.add(films)


def _has_labels(part: Input | Path) -> bool:
    return isinstance(part, Input) and part.labels is not None


def _pictures(paths: Sequence[Path]) -> list[Input]:
    return [Input(each.name, source_name(each), each) for each in paths]


def _add_set(inputs: Inputs, root: Path) -> None:
    """Adds the pictures of a labelled set, with the labels that are not mere suggestions."""
    _, content = read_labels(root)
    content.problems.raise_if_any()
    if content.val is not None:
        inputs.notes.append(f"{root}: its splits are put together; training divides them again")
    labels = [*content.train, *(content.val or [])]
    if not labels:
        raise SourceError(f"{root}: the set has no pictures")
    names = {file: suggested_pictures(file) for file in {one.label_file for one in labels}}
    suggested = {one.path for one in labels if one.path.name in names[one.label_file]}
    if suggested:
        inputs.notes.append(
            f"{root}: of {len(suggested)} of {len(labels)} pictures the labels are suggestions "
            "that no person has reviewed, so that they are not taken over"
        )
    if len(suggested) < len(labels):
        inputs.class_names = tuple(dict.fromkeys([*inputs.class_names, *content.class_names]))
    inputs.add(
        [
            Input(
                one.path.name,
                source_name(one.path),
                one.path,
                labels=None if one.path in suggested else one,
                class_names=content.class_names,
            )
            for one in labels
        ]
    )


def suggested_pictures(file: Path) -> set[str]:
    """Returns the names of the pictures whose labels are suggestions that no person has reviewed.

    Args:
        file: with the labels, which a reader has accepted; COCO files that `collect` or `label`
            wrote say so.
    """
    if file.suffix != ".json":
        return set()
    content: Any = json.loads(read_text(file))
    rows: dict[int | None, list[dict[str, Any]]] = {}
    for row in content["annotations"]:
        rows.setdefault(whole_number(row, "image_id"), []).append(row)
    return {
        (file_name(row) or "").replace("\\", "/").rpartition("/")[2]
        for row in content["images"]
        if is_suggested(row, rows.get(whole_number(row, "id"), []))
    }
