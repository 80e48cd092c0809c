"""The pictures to label: files, folders, frames of videos, sets with labels."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from spotlet.coco_labels import ABOUT_KEY
from spotlet.errors import SourceError, UsageError
from spotlet.image_files import read_image
from spotlet.letterbox import ImageArray
from spotlet.likeness import ALIKE_BITS, PictureHash, hash_of
from spotlet.streams import locate_source, open_stream
from spotlet_training.datasets import ImageLabels, LabelledImages, Sample
from spotlet_training.datasets.checks import read_text
from spotlet_training.datasets.coco_files import find_coco_files
from spotlet_training.datasets.discover import NESTED_LEVELS, formats_of, read_labels
from spotlet_training.datasets.pictures_below import PictureWalk, folders_below
from spotlet_training.datasets.yolo_files import find_yolo_file
from spotlet_training.labelling.settings import LabelSettings

SUGGESTED_KEY = "suggested"
"""In what an image's entry says under `ABOUT_KEY`: whether no person has made the labels."""

NAMED_PARTS = 2
"""How many parts from the end of its path name a picture's source, so that no path of a machine
is passed on."""


@dataclass(frozen=True, slots=True, eq=False)
class Input:
    """A picture to label.

    Attributes:
        name: that it should have in the set.
        source: the end of the path it is from.
        path: of the picture; None for a frame.
        image_bgr: (H, W, 3) uint8 of a frame; None for a picture, which is not decoded yet.
        frame: the frame's number in its video, from 0.
        labels: those that a person made; None if there are none, or only suggestions.
        class_names: of the set that the labels are from.
        fault: why it, or the rest of its video, cannot be read.
    """

    name: str
    source: str
    path: Path | None = None
    image_bgr: ImageArray | None = None
    frame: int | None = None
    labels: ImageLabels | None = None
    class_names: tuple[str, ...] = ()
    fault: SourceError | None = None

    def load(self) -> Sample:
        """Returns the picture, upright, and its own labels.

        Raises:
            DatasetError: it cannot be read, or has another size than its labels say.
            SourceError: it cannot be read.
        """
        if self.fault is not None:
            raise self.fault
        if self.labels is not None:
            return LabelledImages(self.class_names, [self.labels]).load(0)
        image = self.image_bgr
        if image is None:
            assert self.path is not None
            image = read_image(self.path)
        none = np.zeros(0, np.int64)
        return Sample(image, np.zeros((0, 4), np.float32), none, none.astype(np.bool_), self.name)


@dataclass(slots=True)
class Inputs:
    """All that is to be labelled, in order; iterate to read it.

    Attributes:
        class_names: of the sets among it whose labels a person made.
        count: of the pictures; None if there are videos.
        notes: lines to show the user.
    """

    class_names: tuple[str, ...] = ()
    count: int | None = 0
    notes: list[str] = field(default_factory=list)
    _pictures: list[list[Input] | Path] = field(default_factory=list)
    _seen: set[Path] = field(default_factory=set)
    _step: int = 1
    _by_change: bool = False

    def add(self, pictures: Sequence[Input]) -> None:
        """Adds picture files, each file once."""
        files = {each.path.resolve(): each for each in pictures if each.path is not None}
        new = [each for file, each in files.items() if file not in self._seen]
        self._seen.update(files)
        self._pictures.append(new)
        self.count = (self.count or 0) + len(new)

    def __iter__(self) -> Iterator[Input]:
        for part in self._pictures:
            if isinstance(part, Path):
                yield from _frames(part, self._step, by_change=self._by_change)
            else:
                yield from part


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
    if any(isinstance(part, Path) for part in inputs._pictures):
        inputs.count = None
    return inputs


def _add_files(inputs: Inputs, source: str | Path) -> None:
    path = Path(source)
    if path.is_dir():
        walk = PictureWalk()
        paths: Sequence[Path] = walk.images(path)
        inputs.notes += walk.notes(path)
        for folder in folders_below(path, NESTED_LEVELS):
            if find_coco_files(folder) or find_yolo_file(folder) is not None:
                inputs.notes.append(
                    f"{folder}: is a labelled set, but {path} is not: its labels are not used; "
                    "give the set itself to keep them"
                )
        if not paths:
            locate_source(path)  # says so, and which suffixes are pictures
            raise SourceError(f"{path}: this folder contains no images")
    else:
        found = locate_source(source)
        if found.is_live:
            raise UsageError(
                f"{found.name}: a camera is not labelled; collect frames of it with "
                "`spotlet run MODEL SOURCE --collect FOLDER`, and label that folder"
            )
        if found.kind == "video":
            inputs._pictures.append(path)
            return
        paths = found.paths
    inputs.add([Input(each.name, source_name(each), each) for each in paths])


def _add_set(inputs: Inputs, root: Path) -> None:
    """Adds the pictures of a labelled set, with the labels that are not mere suggestions."""
    _, content = read_labels(root)
    content.problems.raise_if_any()
    if content.val is not None:
        inputs.notes.append(f"{root}: its splits are put together; training divides them again")
    labels = [*content.train, *(content.val or [])]
    if not labels:
        raise SourceError(f"{root}: the set has no pictures")
    suggested = suggested_pictures({one.label_file for one in labels})
    reviewed = [one for one in labels if one.path not in suggested]
    if reviewed:
        inputs.class_names = tuple(dict.fromkeys([*inputs.class_names, *content.class_names]))
    pictures = [
        Input(
            one.path.name,
            source_name(one.path),
            one.path,
            labels=None if one.path in suggested else one,
            class_names=content.class_names,
        )
        for one in labels
    ]
    inputs.add(pictures)


def suggested_pictures(label_files: set[Path]) -> set[Path]:
    """Returns the pictures whose labels are suggestions of a model that no person has reviewed.

    Args:
        label_files: of a set; COCO files that `collect` or `label` wrote say so.
    """
    found: set[Path] = set()
    for file in label_files:
        if file.suffix != ".json":
            continue
        content: Any = json.loads(read_text(file))
        for row in content["images"]:
            about = row.get(ABOUT_KEY)
            if isinstance(about, dict) and about.get(SUGGESTED_KEY) is True:
                found.add(file.parent.parent / "images" / str(row.get("file_name")))
    return found


def source_name(path: Path) -> str:
    """Returns the end of a path, with slashes."""
    return "/".join(path.resolve().parts[-NAMED_PARTS:])


def _frames(path: Path, step: int, *, by_change: bool) -> Iterator[Input]:
    """Yields frames of a video; at a fault one input that says so."""
    source = source_name(path)
    taken: list[PictureHash | None] = []
    try:
        with open_stream(path, mode="video") as stream:
            for frame in stream:
                if frame.index % step:
                    continue
                if by_change:
                    now = hash_of(frame.image)
                    if any(_is_alike(each, now) for each in reversed(taken)):
                        continue
                    taken.append(now)
                name = f"{path.stem}-{frame.index:06d}.jpg"
                yield Input(name, source, image_bgr=frame.image, frame=frame.index)
            early = stream.ended_early
        if early:
            raise SourceError(f"{path}: {early}")
    except SourceError as error:
        yield Input(path.name, source, fault=error)


def _is_alike(one: PictureHash | None, other: PictureHash | None) -> bool:
    """Whether two hashes are of the same; pictures of one colour have none and are alike."""
    if one is None or other is None:
        return one is other
    return int(np.count_nonzero(one != other)) <= ALIKE_BITS
