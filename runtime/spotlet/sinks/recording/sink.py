"""Annotated videos of live sources, in real time, which survive a crash."""

import contextlib
import re
from collections import deque
from collections.abc import Callable
from pathlib import Path

from spotlet.annotate.detections import draw_detections
from spotlet.detections import Detections
from spotlet.errors import OutputError, UsageError
from spotlet.lifetime import Closing
from spotlet.sinks.recording.encoder import playback_fps
from spotlet.sinks.recording.file import RecordingFile
from spotlet.sinks.recording.lock import TargetLock
from spotlet.sinks.sink import require_kept, writing
from spotlet.streams import Frame

RECORDED_SUFFIX = ".mp4"
"""The container that can be read without its end."""

LOST_SECONDS = 5.0
"""A new file begins when a source was lost for longer than this."""

STILL_SECONDS = 60.0
"""The longest time for which one picture is shown, whatever the reason."""

FILE_SECONDS = 3600.0
"""The longest file: it opens at once, and old ones can be deleted."""

KEPT_RECORDINGS = 168
"""How many files of a recording are kept: a week, at one an hour."""

LEAST_STILL_PICTURES = 3
"""A limit at very low rates, at which even a few pictures last longer than those times."""


class RecordingSink(Closing):
    """Annotated videos that lose at most their last half second, whenever the process is killed.

    They have a constant rate, and each frame is shown at the time of its capture, to within a
    picture: the last one is repeated until the next frame arrives, and a frame that arrives before
        its predecessor was shown is skipped. Only pictures are repeated, never detections.

    A new file begins when the source was lost for over `LOST_SECONDS`, when no frame arrived for
    over `STILL_SECONDS`, when the frame size changes, and after `file_seconds`. The files are
    `out.mp4`, `out-2.mp4`, `out-3.mp4`, …; none is ever replaced, and a restart continues the
    numbers. Each file holds the time at which it begins.
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
        """Checks that files can be written; the first frame creates the first one.

        Args:
            path: of the first file, which ends in `.mp4`.
            fps: playback rate, or a function that returns it, called when a file begins: a live
                source reports its rate with its first frame. None is `DEFAULT_FPS`.
            real_time: if false, each frame is one picture, however late it arrived.
            file_seconds: the longest a file plays, over 0.
            keep: how many files are kept, at least 1.

        Raises:
            UsageError: another suffix, or a number breaks its rule.
            OutputError: the folder cannot be written, or another program records to that name.
        """
        self.path = Path(path)
        if self.path.suffix.lower() != RECORDED_SUFFIX:
            raise UsageError(
                f"{path}: a live source is saved as {RECORDED_SUFFIX}, which survives a crash"
            )
        require_kept(keep)
        self._fps = fps
        self._real_time = real_time
        self._file_seconds = file_seconds
        self._keep = keep
        self._frames = 0  # in the finished files
        self._files: deque[Path] = deque(maxlen=keep)  # of this run
        self._file: RecordingFile | None = None
        self._began = self._newest = 0.0  # capture times of the file's first frame and the last
        self._epoch = 0
        self._lock = TargetLock(self.path)
        self._scratch = self.path.with_name(f".{self.path.stem}.pictures.mp4")
        with contextlib.suppress(OSError):  # left by a killed run; it is overwritten anyway
            self._scratch.unlink(missing_ok=True)

    @property
    def written(self) -> str | None:
        """The files and their number of frames; None without a frame."""
        frames = self._frames + (0 if self._file is None else self._file.frames)
        if not frames:
            return None
        more = f" to {self._files[-1].name}" if self._files[-1] != self._files[0] else ""
        return f"{self._files[0]}{more} ({frames} frames)"

    def write(self, frame: Frame, detections: Detections) -> None:
        """Records the frame with its detections drawn on it, or skips it.

        Raises:
            OutputError: it cannot be encoded or written; up to half a second before it is lost.
        """
        if self._file is not None and self._needs_new_file(frame, self._file):
            self._end_file()
        if self._file is None:
            self._file = self._begin_file(frame)
            self._began = frame.captured_monotonic
        self._newest, self._epoch = frame.captured_monotonic, frame.epoch
        repeats = self._missing_pictures(frame, self._file)
        if repeats < 0:
            return
        try:
            self._file.write(draw_detections(frame.image, detections), repeats=repeats)
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

    def _needs_new_file(self, frame: Frame, file: RecordingFile) -> bool:
        if frame.size_hw != file.size_hw or file.pictures / file.fps >= self._file_seconds:
            return True
        if not self._real_time:
            return False
        gap_seconds = frame.captured_monotonic - self._newest
        longest = LOST_SECONDS if frame.epoch != self._epoch else STILL_SECONDS
        return gap_seconds > max(longest, LEAST_STILL_PICTURES / file.fps)

    def _missing_pictures(self, frame: Frame, file: RecordingFile) -> int:
        """Returns how often to repeat the last picture first; -1 if it was not shown yet."""
        if not self._real_time:
            return 0
        place = (frame.captured_monotonic - self._began) * file.fps
        # Up to one picture late or early: jitter neither repeats nor skips anything.
        if file.pictures > 0 and place <= file.pictures - 1:
            return -1
        return max(int(place) - file.pictures, 0)

    def _begin_file(self, frame: Frame) -> RecordingFile:
        """Creates the next file, and deletes the oldest ones."""
        fps = playback_fps(self._fps() if callable(self._fps) else self._fps)
        with writing(self.path):  # the folder may be gone
            numbers = self._numbers()
        number = numbers[-1] if numbers else 0
        file = None
        while file is None:
            number += 1
            with contextlib.suppress(FileExistsError):
                path = self._numbered(number)
                file = RecordingFile(path, fps, frame.size_hw, frame.captured_at, self._scratch)
        for old in numbers[: max(len(numbers) + 1 - self._keep, 0)]:
            with contextlib.suppress(OSError):  # the next file tries again
                self._numbered(old).unlink()
        self._files.append(file.path)
        return file

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

    def _numbered(self, number: int) -> Path:
        suffix = "" if number == 1 else f"-{number}"
        return self.path.with_name(f"{self.path.stem}{suffix}{self.path.suffix}")

    def _numbers(self) -> list[int]:
        """Returns the numbers of the existing files, in order; no other file is ever touched."""
        name = re.compile(
            rf"{re.escape(self.path.stem)}-([1-9]\d{{0,8}}){re.escape(self.path.suffix)}"
        )
        numbers = [1] if self.path.exists() else []
        for each in self.path.parent.iterdir():
            match = name.fullmatch(each.name)
            if match and int(match[1]) > 1 and each.is_file():
                numbers.append(int(match[1]))
        return sorted(numbers)
