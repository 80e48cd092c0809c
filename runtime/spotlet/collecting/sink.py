"""The folder of a collected set, and the sink that keeps frames in it."""

import logging
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from spotlet.atomic import atomic_file
from spotlet.coco_labels import LABEL_FILE, PICTURE_FOLDER, CocoPicture
from spotlet.collecting.choice import ChosenFrame
from spotlet.collecting.folder import (
    bytes_in,
    delete_unfinished,
    new_path,
    pictures_of_earlier_runs,
    require_own,
)
from spotlet.collecting.labels import LabelFile, about_of, most_bytes
from spotlet.collecting.looks import Look, Looks
from spotlet.collecting.settings import CollectSettings
from spotlet.detections import Detections
from spotlet.errors import OutputError, SourceError, UsageError
from spotlet.image_files import read_image
from spotlet.lifetime import Closing
from spotlet.sinks.sink import OnFailure, writing
from spotlet.streams import Frame

JPEG_QUALITY = 95
"""Artefacts of a lower quality would be learnt."""

LEAST_PAUSE = 10
"""Times the duration of the last writing of the labels: bounds its share of the time to a tenth."""

BYTES_PER_MB = 1_000_000


def _warn(line: str) -> None:
    logging.getLogger("spotlet.collecting").warning(line)


class CollectSink(Closing):
    """Keeps frames as a labelled set in COCO JSON, unless it holds the same picture already.

    The pictures are as the runtime saw them, JPEG in `images/`; what was found is in
    `annotations/instances_default.json`, as suggestions with scores. In every frame all classes
    are marked as not exhaustively labelled. A picture is written first, then its entry; after a
    kill in between, the next run enters the picture without labels. No frame is ever deleted, and
    no entry changed. After an error, `write` can be called again.
    """

    def __init__(
        self,
        settings: CollectSettings,
        class_names: Sequence[str],
        *,
        on_notice: OnFailure = _warn,
    ) -> None:
        """Creates the folder, or continues one.

        Args:
            settings: where, and how much.
            class_names: the model's; the index is the class id.
            on_notice: called with one line when the folder is full.

        Raises:
            UsageError: the folder holds something else, or lacks a class; it is left as it was.
            OutputError: it cannot be read or written.
        """
        self.folder = Path(settings.folder)
        self._settings = settings
        self._on_notice = on_notice
        self._names = tuple(class_names)
        self._kept = self._alike = 0
        self._reasons: Counter[str] = Counter()
        self._pictures = self.folder / PICTURE_FOLDER
        self._open()

    def _open(self) -> None:
        self._is_full = False
        self._pause_until = -np.inf
        self._looks: Looks | None = None
        require_own(self.folder)
        with writing(self.folder):
            # Before the folder of the pictures: what is refused stays as it was.
            self._labels = LabelFile(self.folder / LABEL_FILE, self._names)
            self._pictures.mkdir(parents=True, exist_ok=True)
            delete_unfinished(self.folder)
            self._picture_bytes = bytes_in(self.folder)
            self._enter_left()
        self._check_room(0)

    @property
    def written(self) -> str | None:
        """How many frames were kept where and why, and what to do next; None without any."""
        if not self._kept:
            return f"nothing to {self.folder}: {self._alike} frames alike" if self._alike else None
        reasons = ", ".join(f"{reason} {count}" for reason, count in self._reasons.most_common())
        alike = f"; {self._alike} more were alike" if self._alike else ""
        return (
            f"{self.folder} ({self._kept} frames to label: {reasons}{alike}); next: correct the "
            "suggestions in CVAT or Label Studio, or `spotlet label`"
        )

    def write(self, frame: Frame, detections: Detections) -> None:
        """Keeps a frame, with its detections as suggestions.

        Args:
            frame: a `ChosenFrame` also has the reasons.
            detections: of the classes given first.

        Raises:
            OutputError: it cannot be written.
        """
        with writing(self.folder):
            if not self._pictures.is_dir():
                self._on_notice(f"{self.folder}: was moved or deleted; an empty set begins there")
                self._open()
            if not self._is_full:
                self._keep(frame, detections)

    def close(self) -> None:
        """Writes what waits.

        Raises:
            OutputError: it cannot be written.
        """
        self._save(at_once=True)

    def _keep(self, frame: Frame, detections: Detections) -> None:
        reasons, focus = (
            (frame.reasons, frame.focus_xyxy) if isinstance(frame, ChosenFrame) else ((), None)
        )
        looks = self._all_looks()
        boxes = [each.box_xyxy for each in detections]
        look = Look.of(frame.image, focus, boxes, looks.tiles)
        if looks.has_alike(look):
            self._alike += 1
            return
        quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        encoded, content = cv2.imencode(".jpg", frame.image, quality)
        if not encoded:
            raise OutputError(f"{self.folder}: OpenCV cannot encode a frame of {frame.source}")
        path, model = new_path(self.folder, frame), detections.model
        about = {
            "suggested": True,
            "reasons": list(reasons),
            "source": frame.source,
            "frame": frame.index,
            "pts_s": None if frame.pts_seconds is None else round(frame.pts_seconds, 6),
            "captured_at": round(frame.captured_at, 3),
            "model": model and {"name": model.name, "digest": model.digest},
            **look.to_json(),
        }
        entry = self._entry(path.name, frame.size_hw, detections, about)
        if not self._check_room(len(content) + most_bytes(entry)):
            return
        with atomic_file(path) as temporary:
            temporary.write_bytes(content.tobytes())
        self._picture_bytes += len(content)
        self._labels.add(entry)
        looks.add(look)
        self._kept += 1
        self._reasons.update(reasons)
        self._save()

    def _save(self, *, at_once: bool = False) -> None:
        started = time.monotonic()
        if not self._pictures.is_dir():  # moved away with all that is known
            return
        if self._labels.is_complete or not (at_once or started >= self._pause_until):
            return
        with writing(self.folder):
            try:
                self._labels.save()
            except UsageError as error:  # replaced during the run, which goes on
                raise OutputError(str(error)) from error
        ended = time.monotonic()
        self._pause_until = ended + LEAST_PAUSE * (ended - started)

    def _check_room(self, more_bytes: int) -> bool:
        """Returns whether another picture may be kept; says so once if not."""
        limit = self._settings.megabytes * BYTES_PER_MB
        if self._labels.count >= self._settings.frames:
            reached = f"{self._labels.count} frames"
        elif self._picture_bytes + self._labels.size_bytes + more_bytes > limit:
            reached = f"{self._settings.megabytes:g} MB"
        else:
            return True
        if not self._is_full:
            self._is_full = True
            self._save(at_once=True)
            self._on_notice(
                f"{self.folder}: {reached}, the most it may hold; no more frames are collected"
            )
        return False

    def _entry(
        self,
        name: str,
        size_hw: tuple[int, int],
        detections: Detections,
        about: dict[str, Any],
    ) -> CocoPicture:
        return CocoPicture(
            file_name=name,
            size_hw=size_hw,
            boxes_xyxy=detections.boxes_xyxy,
            class_ids=detections.class_ids,
            ignored=np.zeros(len(detections), np.bool_),
            scores=detections.scores,
            unknown_ids=range(len(self._names)),
            about=about,
        )

    def _enter_left(self) -> None:
        """Enters the pictures that a killed run had no time for, or that an export lacks."""
        left = (path.name for path in pictures_of_earlier_runs(self.folder))
        for name in self._labels.came_since(left):
            path = self._pictures / name
            try:
                image = read_image(path)
            except SourceError:
                continue
            about = {"suggested": True, "reasons": [], **Look.of(image, None).to_json()}
            size_hw, none = (image.shape[0], image.shape[1]), Detections.none(self._names)
            self._labels.add(self._entry(name, size_hw, none, about))
        self._save(at_once=True)

    def _all_looks(self) -> Looks:
        """Returns the looks of the frames in the folder, also of those that a tool exported."""
        if self._looks is None:
            self._looks = Looks()
            for row in self._labels.images:
                look = Look.from_json(about_of(row))
                path = self._pictures / Path(str(row.get("file_name"))).name
                if look is None and path.is_file():
                    try:
                        look = Look.of(read_image(path), None)
                    except SourceError:
                        continue
                if look is not None:
                    self._looks.add(look)
        return self._looks
