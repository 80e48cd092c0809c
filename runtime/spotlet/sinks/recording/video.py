"""Annotated videos of finite sources."""

import contextlib
import time
from pathlib import Path

import cv2
import numpy as np

from spotlet.annotate.detections import draw_detections
from spotlet.detections import Detections
from spotlet.errors import OutputError, UsageError
from spotlet.image_files.files import quiet_opencv
from spotlet.letterbox import ImageArray, Letterbox
from spotlet.library_paths import path_for_library
from spotlet.lifetime import Closing
from spotlet.sinks.recording.encoder import CODECS, open_writer, playback_fps, with_even_sides
from spotlet.sinks.recording.file import RecordingFile
from spotlet.sinks.recording.lock import TargetLock
from spotlet.sinks.sink import writing
from spotlet.streams import Frame

MOST_GAP_SECONDS = 600.0
"""A longer gap between two frames is a jump of the source's clock, and is not filled."""

_ROUNDING = 0.02  # of a picture: times in whole milliseconds add up to a little less


class VideoSink(Closing):
    """An annotated video at a constant rate, with one picture per frame of the run.

    In real time, each frame that has a time is shown at it, to within a picture: the last one is
    repeated until then, and a frame that comes before its predecessor was shown is skipped.

    It is encoded into `.out.partial.mp4` beside `out.mp4` and renamed by `close`, also after an
    unrelated error or Ctrl-C. After a kill the partial file remains and can be read, an `.mp4` up
    to its last half second, an `.avi` up to its last 256 KiB; the next video of that name
    replaces it.

    All pictures have the size of the first frame, rounded up to even sides by repeating the last
    row or column; frames of another size are letterboxed into it.
    """

    def __init__(
        self, path: str | Path, fps: float | None = None, *, real_time: bool = False
    ) -> None:
        """Reserves the file name.

        Args:
            path: ends in `.mp4` or `.avi`; `close` replaces an existing file.
            fps: playback rate; `DEFAULT_FPS` if None or impossible in a video.
            real_time: show each frame at its `pts_seconds`; else one after the other.

        Raises:
            UsageError: another suffix.
            OutputError: the folder cannot be written, or another program writes to that name.
        """
        self.path = Path(path)
        self.fps = playback_fps(fps)
        self._frames = 0
        self._skipped = 0  # frames too close to the one before
        self._real_time = real_time
        self._pictures = 0
        self._place = 0.0
        self._last_pts: float | None = None
        self._file: RecordingFile | _AviFile | None = None
        self._failed = False
        suffix = self.path.suffix.lower()
        if suffix not in CODECS:
            raise UsageError(f"{path}: a video is saved as {' or '.join(CODECS)}")
        if self.path.is_dir():
            raise OutputError(f"{path}: cannot be written (is a folder)")
        self._partial = self.path.with_name(f".{self.path.stem}.partial{suffix}")
        self._lock = TargetLock(self.path)
        self._scratch = self.path.with_name(f".{self.path.stem}.pictures.mp4")
        try:
            with writing(path):
                self._partial.unlink(missing_ok=True)
                if suffix == ".mp4":
                    self._scratch.unlink(missing_ok=True)
        except OutputError:
            self._lock.release()
            raise

    @property
    def written(self) -> str | None:
        """The file and its number of frames; None without a frame, and so without a file."""
        if not self._frames:
            return None
        skipped = f", {self._skipped} too close to be shown" if self._skipped else ""
        return f"{self.path} ({self._frames} frames{skipped})"

    def write(self, frame: Frame, detections: Detections) -> None:
        """Encodes the frame with its detections drawn on it, or skips it.

        Raises:
            OutputError: OpenCV cannot encode such a video, or the disk is full.
        """
        repeats = self._missing_pictures(frame.pts_seconds)
        if repeats < 0:
            self._skipped += 1
        else:
            self.write_image(draw_detections(frame.image, detections), repeats=repeats)

    def write_image(self, image_bgr: ImageArray, *, repeats: int = 0) -> None:
        """Encodes an image as it is, (H, W, 3) uint8 BGR.

        Args:
            image_bgr: the image.
            repeats: how often the previous picture is repeated first; 0 for the first.

        Raises:
            OutputError: OpenCV cannot encode such a video, or the disk is full.
        """
        size_hw = image_bgr.shape[0], image_bgr.shape[1]
        try:
            if self._file is None:
                self._file = self._open(size_hw)
            if size_hw != self._file.size_hw:
                letterbox = Letterbox(size_hw, self._file.size_hw, "area", pad_value=0)
                image_bgr = letterbox.apply(np.ascontiguousarray(image_bgr))
            self._file.write(image_bgr, repeats=repeats)
        except OutputError:
            self._failed = True
            raise
        self._frames += 1
        self._pictures += repeats + 1

    def _missing_pictures(self, pts_seconds: float | None) -> int:
        """Returns how often to repeat the last picture first; -1 if it was not shown yet."""
        if not self._real_time:
            return 0
        last, self._last_pts = self._last_pts, pts_seconds
        passed = None if None in (last, pts_seconds) else (pts_seconds or 0.0) - (last or 0.0)
        if passed is None or not 0 <= passed <= MOST_GAP_SECONDS:  # no times, or another clock
            self._place = float(self._pictures)
            return 0
        self._place += passed * self.fps
        # Up to one picture late or early: jitter neither repeats nor skips anything.
        if self._place <= self._pictures - 1 + _ROUNDING:
            return -1
        return max(int(self._place + _ROUNDING) - self._pictures, 0)

    def close(self) -> None:
        """Finishes the video and renames it. A second call does nothing.

        If `write` failed, the video is incomplete and keeps its partial name.

        Raises:
            OutputError: the video cannot be finished or renamed.
        """
        file, self._file = self._file, None
        try:
            if file is not None:
                self._frames = 0
                with writing(self.path):
                    self._frames = self._finish(file)
        finally:
            self._lock.release()

    def _finish(self, file: "RecordingFile | _AviFile") -> int:
        """Returns how many frames the finished video has; 0 if there is none."""
        if self._failed:
            with contextlib.suppress(OutputError):  # `write` has reported it
                file.close()
            return 0
        file.close()
        if file.frames:
            self._partial.replace(self.path)
        else:
            self._partial.unlink(missing_ok=True)
        return file.frames

    def _open(self, size_hw: tuple[int, int]) -> "RecordingFile | _AviFile":
        if self._partial.suffix == ".avi":
            return _AviFile(self._partial, self.fps, size_hw)
        try:
            return RecordingFile(self._partial, self.fps, size_hw, time.time(), self._scratch)
        except FileExistsError as error:
            raise OutputError(f"{self._partial}: was created by another program") from error


class _AviFile:
    """OpenCV's own AVI, which can be read without its end.

    Attributes:
        size_hw: height and width of the pictures given to `write`, pixels.
        frames: how many were written.
    """

    def __init__(self, path: Path, fps: float, size_hw: tuple[int, int]) -> None:
        self.size_hw = size_hw
        self.frames = 0
        self._pictures = 0
        self._last: ImageArray | None = None
        self._path = path
        self._writer = open_writer(path, fps, size_hw)

    def write(self, image_bgr: ImageArray, *, repeats: int = 0) -> None:
        """Adds a picture, (H, W, 3) uint8 BGR, after the previous one `repeats` times more."""
        if self._last is not None:
            for _ in range(repeats):
                self._writer.write(self._last)
        self._last = with_even_sides(image_bgr)
        self._writer.write(self._last)
        self._pictures += repeats + 1
        self.frames += 1

    def close(self) -> None:
        """Finishes the file, and counts its frames: OpenCV does not report a full disk."""
        self._writer.release()
        with quiet_opencv(), path_for_library(self._path) as name:
            capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG)
            count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
            capture.release()
        if count < self._pictures:
            raise OutputError(f"{self._path}: the video is incomplete; is the disk full?")
