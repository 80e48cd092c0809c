"""JPEG files of frames in which something appears."""

import re
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from spotlet.annotate.detections import draw_detections
from spotlet.detections import Detections
from spotlet.errors import UsageError
from spotlet.image_files.files import write_image
from spotlet.lifetime import Closing
from spotlet.sinks.file_names import safe_name, source_name, unique_names
from spotlet.sinks.sink import require_kept, writing
from spotlet.streams import Frame

QUIET_SECONDS = 10.0
"""How long a class must be absent before it can appear again."""

KEPT_SNAPSHOTS = 1000
"""At Full HD, this many take a few hundred megabytes."""

NAMED_CLASSES = 3
"""The most classes in a file name, even if more appear in one frame."""

LEFT_SECONDS = 60.0
"""An unfinished file of this age was left by a killed run."""

_STAMP = r"\d{8}T\d{6}\.\d{3}Z-"
_OURS = re.compile(rf"{_STAMP}[^-]+-[^-]+\.jpg")
_UNFINISHED = re.compile(rf"\.{_STAMP}.+\.jpg")


class SnapshotSink(Closing):
    """A folder of annotated frames, one whenever a class appears.

    A class appears when it is detected in a source and was not in the `quiet_seconds` before. A
    file is named after its time of capture (UTC), its source and the classes that appear, as in
    `20260131T235959.123Z-10.0.0.7_door-person.jpg`, and is written whole or not at all. If there
    are more than `keep` of these files, the oldest are deleted; other files are not touched.
    Files of earlier runs are ordered by their names and count as older than any of this run.

    After an error, `write` can be called again.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        quiet_seconds: float = QUIET_SECONDS,
        keep: int = KEPT_SNAPSHOTS,
        sources: Sequence[str] = (),
    ) -> None:
        """Creates the folder, and lists the snapshots of earlier runs in it.

        Args:
            folder: where the snapshots are saved.
            quiet_seconds: how long a class must be absent before it can appear again, 0 or more.
            keep: how many snapshots to keep, at least 1.
            sources: sources whose names must differ in the file names, see `unique_names`.

        Raises:
            UsageError: a number breaks its rule.
            OutputError: the folder cannot be created or read.
        """
        if not 0 <= quiet_seconds < float("inf"):
            raise UsageError(f"quiet seconds {quiet_seconds}: must be 0 or more")
        require_kept(keep)
        self.folder = Path(folder)
        self._quiet_seconds = quiet_seconds
        self._keep = keep
        self._taken = 0
        self._source_names = dict(zip(sources, unique_names(sources), strict=True))
        self._last_seen: dict[tuple[str, int], float] = {}
        with writing(folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._names = deque(_names_of_earlier_runs(self.folder))
            self._delete_oldest()

    @property
    def written(self) -> str | None:
        """The folder and how many snapshots were taken; None without one."""
        return f"{self.folder} ({self._taken} snapshots)" if self._taken else None

    def write(self, frame: Frame, detections: Detections) -> None:
        """Saves a snapshot if a class appears.

        Raises:
            OutputError: it cannot be written.
        """
        appearing = self._appearing(frame, detections)
        if appearing:
            self._save(frame, detections, appearing)
        for found in detections.present:  # only now: after an error, the class appears again
            self._last_seen[frame.source, found.class_id] = frame.captured_monotonic

    def close(self) -> None:
        """Does nothing: `write` finishes each snapshot."""

    def _save(self, frame: Frame, detections: Detections, appearing: list[str]) -> None:
        name = self._file_name(frame, appearing)
        write_image(self.folder / name, draw_detections(frame.image, detections))
        self._taken += 1
        self._names.append(name)
        with writing(self.folder):
            self._delete_oldest()

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
    """Returns the names of the snapshots in a folder, oldest first; deletes unfinished ones."""
    names = []
    for path in folder.iterdir():
        if _OURS.fullmatch(path.name):
            names.append(path.name)
        elif _UNFINISHED.fullmatch(path.name) and path.stat().st_mtime < time.time() - LEFT_SECONDS:
            path.unlink(missing_ok=True)
    return sorted(names)
