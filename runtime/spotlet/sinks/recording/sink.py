"""Annotated videos of live sources, in real time, which no crash can spoil."""

import contextlib
from collections import deque
from collections.abc import Callable
from pathlib import Path

from spotlet.annotate.detections import draw_detections
from spotlet.detections import Detections
from spotlet.errors import OutputError, UsageError
from spotlet.lifetime import Closing
from spotlet.sinks.recording.codecs import playback_fps
from spotlet.sinks.recording.file import RecordingFile
from spotlet.sinks.recording.lock import TargetLock
from spotlet.sinks.recording.row import RecordingRow
from spotlet.streams import Frame

RECORDED_SUFFIX = ".mp4"
"""The container of which half a file can be read."""

LOST_SECONDS = 5.0
"""A source that was lost for longer goes on in a new file."""

STILL_SECONDS = 60.0
"""The longest time for which one picture is shown, whatever the reason."""

FILE_SECONDS = 3600.0
"""The longest file: it opens at once, and old ones can be deleted."""

KEPT_RECORDINGS = 168
"""Files of a recording that remain: with one an hour, a week."""

LEAST_STILL_PICTURES = 3
"""At very low rates even some pictures last longer than those times."""


class RecordingSink(Closing):
    """Annotated videos, written so that a kill at any moment loses their last half second at most.

    They have a constant rate, and a frame is seen when it was captured, within a picture: while
    no frame comes the last is repeated, and a frame that comes before the one before it was shown
    is left out. Only the picture is repeated, never what was found.

    A new file begins when the source was lost for over `LOST_SECONDS`, when no frame came for
    over `STILL_SECONDS`, when the frames have another size, and after `file_seconds`. The files
    are `out.mp4`, `out-2.mp4`, `out-3.mp4`, …; none is ever replaced, so after a restart they
    count on. When a file begins is in it.
    """

    def __init__(
        self,
        path: str | Path,
        fps: float | Callable[[], float | None] | None = None,
        *,
        real_time: bool = True,
        file_seconds: float = FILE_SECONDS,
        keep: int = KEPT_RECORDINGS,
    ) -> None:
        """Checks that files can be written; the first is created with the first frame.

        Args:
            path: of the first file, which ends in `.mp4`.
            fps: of the playback, or what gives it once there is a frame: a live source does not
                know it before. None is `DEFAULT_FPS`.
            real_time: if not, each frame is one picture, however long it took to come.
            file_seconds: the longest a file plays, over 0.
            keep: how many files remain, at least 1.

        Raises:
            UsageError: another suffix, or a number breaks its rule.
            OutputError: the folder cannot be written, or another program records to that name.
        """
        self.path = Path(path)
        if self.path.suffix.lower() != RECORDED_SUFFIX:
            raise UsageError(
                f"{path}: a live source is saved as {RECORDED_SUFFIX}, which a crash cannot spoil"
            )
        if keep < 1:
            raise UsageError(f"keep {keep}: must be at least 1")
        self._fps = fps
        self._real_time = real_time
        self._file_seconds = file_seconds
        self._row = RecordingRow(self.path, keep)
        self._frames = 0  # in the files that are finished
        self._files: deque[Path] = deque(maxlen=keep)  # of this run
        self._file: RecordingFile | None = None
        self._began = self._newest = 0.0  # when frames were captured: the file's first, the last
        self._epoch = 0
        self._lock = TargetLock(self.path)
        self._scratch = self.path.with_name(f".{self.path.stem}.pictures.mp4")
        with contextlib.suppress(OSError):  # what a killed run left; it is written over anyway
            self._scratch.unlink(missing_ok=True)

    @property
    def written(self) -> str | None:
        """How many frames lie where; None when there was none."""
        frames = self._frames + (0 if self._file is None else self._file.frames)
        if not frames:
            return None
        more = f" to {self._files[-1].name}" if self._files[-1] != self._files[0] else ""
        return f"{self._files[0]}{more} ({frames} frames)"

    def write(self, frame: Frame, detections: Detections) -> None:
        """Records the frame with its detections drawn on it, or leaves it out.

        Raises:
            OutputError: it cannot be encoded or written; up to half a second before it is lost.
        """
        if self._file is not None and self._must_begin_anew(frame, self._file):
            self._end_file()
        if self._file is None:
            self._file = self._begin(frame)
            self._began = frame.captured_monotonic
        self._newest, self._epoch = frame.captured_monotonic, frame.epoch
        missing = self._missing_pictures(frame, self._file)
        if missing < 0:
            return
        self._file.repeat(missing)
        try:
            self._file.write(draw_detections(frame.image, detections))
        except OutputError:
            with contextlib.suppress(OutputError):
                self._end_file()
            raise

    def close(self) -> None:
        """Finishes the file. A second call does nothing.

        Raises:
            OutputError: its last half second cannot be written.
        """
        try:
            self._end_file()
        finally:
            self._lock.release()

    def _end_file(self) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        try:
            file.close()
        finally:
            self._frames += file.frames
            if not file.frames and file.path in self._files:
                self._files.remove(file.path)

    def _missing_pictures(self, frame: Frame, file: RecordingFile) -> int:
        """Returns how often the last picture is repeated first; -1 where it was not shown yet."""
        if not self._real_time:
            return 0
        place = (frame.captured_monotonic - self._began) * file.fps
        # Up to one picture late or early: a rate that trembles is neither repeated nor left out.
        if file.pictures > 0 and place <= file.pictures - 1:
            return -1
        return max(int(place) - file.pictures, 0)

    def _must_begin_anew(self, frame: Frame, file: RecordingFile) -> bool:
        if frame.size_hw != file.size_hw or file.pictures / file.fps >= self._file_seconds:
            return True
        if not self._real_time:
            return False
        gap_seconds = frame.captured_monotonic - self._newest
        longest = LOST_SECONDS if frame.epoch != self._epoch else STILL_SECONDS
        return gap_seconds > max(longest, LEAST_STILL_PICTURES / file.fps)

    def _begin(self, frame: Frame) -> RecordingFile:
        fps = playback_fps(self._fps() if callable(self._fps) else self._fps)
        try:
            file = self._row.begin(
                lambda path: RecordingFile(
                    path, fps, frame.size_hw, frame.captured_at, self._scratch
                )
            )
        except OSError as error:  # the folder is gone
            raise OutputError(f"{self.path}: cannot be written ({error.strerror})") from error
        self._files.append(file.path)
        return file
