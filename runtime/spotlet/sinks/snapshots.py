"""JPEG pictures of the moments when something appears."""

import re
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import cv2

from spotlet.annotate.detections import draw_detections
from spotlet.atomic import atomic_file
from spotlet.detections import Detections
from spotlet.errors import OutputError, UsageError
from spotlet.lifetime import Closing
from spotlet.sinks.file_names import safe_name, source_name, unique_names
from spotlet.streams import Frame

QUIET_SECONDS = 10.0
"""How long a class must be out of sight to appear again."""

KEPT_SNAPSHOTS = 1000
"""Full HD pictures of this number take some hundred megabytes."""

NAMED_CLASSES = 3
"""More classes that appear in one frame are not in its file's name."""

LEFT_SECONDS = 60.0
"""An unfinished picture as old as this is what a killed run left."""

_STAMP = r"\d{8}T\d{6}\.\d{3}Z-"
_OURS = re.compile(rf"{_STAMP}[^-]+-[^-]+\.jpg")
_UNFINISHED = re.compile(rf"\.{_STAMP}.+\.jpg")


class SnapshotSink(Closing):
    """A folder of annotated frames, one whenever a class appears.

    A class appears when it is found in a source and was not in the `quiet_seconds` before. A file
    is named after the time of the capture (UTC), the source and what appears, as in
    `20260131T235959.123Z-10.0.0.7_door-person.jpg`, and is there whole or not at all. Of those
    files the oldest is deleted when there are more than `keep`; others are not touched. Those of
    earlier runs are as old as their names say, by the clock of their time, and older than any of
    this run.

    After an error of `write` it can be called again.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        quiet_seconds: float = QUIET_SECONDS,
        keep: int = KEPT_SNAPSHOTS,
        sources: Sequence[str] = (),
    ) -> None:
        """Makes the folder, and counts what earlier runs left there.

        Args:
            folder: where the pictures go.
            quiet_seconds: how long a class must be out of sight, 0 or more.
            keep: how many pictures remain, at least 1.
            sources: that are to be told apart in the names also where they look alike in these,
                see `unique_names`.

        Raises:
            UsageError: a number breaks its rule.
            OutputError: the folder cannot be made or read.
        """
        if not 0 <= quiet_seconds < float("inf"):
            raise UsageError(f"quiet seconds {quiet_seconds}: must be 0 or more")
        if keep < 1:
            raise UsageError(f"keep {keep}: must be at least 1")
        self.folder = Path(folder)
        self._quiet_seconds = quiet_seconds
        self._keep = keep
        self._taken = 0
        self._source_names = dict(zip(sources, unique_names(sources), strict=True))
        self._last_seen: dict[tuple[str, int], float] = {}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._names = deque(_names_of_earlier_runs(self.folder))
            self._delete_oldest()
        except OSError as error:
            raise OutputError(f"{folder}: cannot be written ({error.strerror})") from error

    @property
    def written(self) -> str | None:
        """How many pictures were taken, and where they are; None when there was none."""
        return f"{self.folder} ({self._taken} snapshots)" if self._taken else None

    def write(self, frame: Frame, detections: Detections) -> None:
        """Takes a picture if a class appears.

        Raises:
            OutputError: it cannot be written.
        """
        appearing = self._appearing(frame, detections)
        if appearing:
            self._take(frame, detections, appearing)
        for found in detections:  # only now: what could not be written appears again
            self._last_seen[frame.source, found.class_id] = frame.captured_monotonic

    def close(self) -> None:
        """Does nothing: each picture is finished when it is taken."""

    def _take(self, frame: Frame, detections: Detections, appearing: list[str]) -> None:
        name = self._file_name(frame, appearing)
        encoded, content = cv2.imencode(".jpg", draw_detections(frame.image, detections))
        if not encoded:
            raise OutputError(f"{self.folder / name}: OpenCV cannot encode this image")
        with atomic_file(self.folder / name) as temporary:
            temporary.write_bytes(content.tobytes())
        self._taken += 1
        self._names.append(name)
        try:
            self._delete_oldest()
        except OSError as error:
            raise OutputError(f"{self.folder}: cannot be written ({error.strerror})") from error

    def _appearing(self, frame: Frame, detections: Detections) -> list[str]:
        """Returns the names of the classes that appear."""
        now = frame.captured_monotonic
        appearing = []
        for class_id, name in {found.class_id: found.name for found in detections}.items():
            last_seen = self._last_seen.get((frame.source, class_id))
            if last_seen is None or now - last_seen > self._quiet_seconds:
                appearing.append(name)
        return appearing

    def _delete_oldest(self) -> None:
        while len(self._names) > self._keep:
            (self.folder / self._names[0]).unlink(missing_ok=True)
            self._names.popleft()

    def _file_name(self, frame: Frame, appearing: list[str]) -> str:
        at = datetime.fromtimestamp(frame.captured_at, UTC)
        stamp = f"{at:%Y%m%dT%H%M%S}.{at.microsecond // 1000:03}Z"
        source = self._source_names.get(frame.source) or source_name(frame.source)
        classes = safe_name(" ".join(appearing[:NAMED_CLASSES]))
        return f"{stamp}-{source}-{classes}.jpg"


def _names_of_earlier_runs(folder: Path) -> list[str]:
    """Returns the names of the pictures there, oldest first, and deletes unfinished ones."""
    names = []
    for path in folder.iterdir():
        if _OURS.fullmatch(path.name):
            names.append(path.name)
        elif _UNFINISHED.fullmatch(path.name) and path.stat().st_mtime < time.time() - LEFT_SECONDS:
            path.unlink(missing_ok=True)
    return sorted(names)
