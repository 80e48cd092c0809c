"""Detections drawn into a video file."""

import contextlib
import os
import time
from pathlib import Path

import cv2
import numpy as np

from spotlet.annotate.detections import draw_detections
from spotlet.detections import Detections
from spotlet.errors import OutputError, UsageError
from spotlet.image_files import quiet_opencv
from spotlet.letterbox import ImageArray, Letterbox
from spotlet.lifetime import Closing
from spotlet.sinks.recording.codecs import CODECS, playback_fps, with_even_sides
from spotlet.sinks.recording.file import RecordingFile
from spotlet.sinks.recording.lock import TargetLock
from spotlet.streams import Frame


class VideoSink(Closing):
    """An annotated video, one frame for each frame of the run, at a constant rate.

    It is encoded into `.out.partial.mp4` beside `out.mp4` and takes its own name at `close`,
    finished and playable when the run ends, also by an error of something else or Ctrl-C. What a
    killed program wrote remains under the partial name and can be read, an `.mp4` but for its
    last half second, an `.avi` but for its last 256 KiB; the next video of that name replaces it.
    All frames of a video have one size: the first frame's, with a row or column repeated at the
    border to make it even, as the codecs want; a later frame of another size is letterboxed into
    it.
    """

    def __init__(self, path: str | Path, fps: float | None = None) -> None:
        """Reserves the file.

        Args:
            path: ends in `.mp4` or `.avi`; one that is there is replaced at `close`.
            fps: of the playback; None, or what no video has, is `DEFAULT_FPS`.

        Raises:
            UsageError: another suffix.
            OutputError: the folder cannot be written, or another program writes to that name.
        """
        self.path = Path(path)
        self.fps = playback_fps(fps)
        self._frames = 0
        self._file: RecordingFile | _AviFile | None = None
        self._size_hw: tuple[int, int] | None = None
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
            self._partial.unlink(missing_ok=True)
            if suffix == ".mp4":
                self._scratch.unlink(missing_ok=True)
        except OSError as error:
            self._lock.release()
            raise OutputError(f"{path}: cannot be written ({error.strerror})") from error

    @property
    def written(self) -> str | None:
        """How many frames lie where; None when there was none, and so no file."""
        return f"{self.path} ({self._frames} frames)" if self._frames else None

    def write(self, frame: Frame, detections: Detections) -> None:
        """Encodes the frame with its detections drawn on it.

        Raises:
            OutputError: OpenCV cannot encode such a video, or the disk is full.
        """
        self.write_image(draw_detections(frame.image, detections))

    def write_image(self, image_bgr: ImageArray) -> None:
        """Encodes a picture as it is, (H, W, 3) uint8 BGR.

        Raises:
            OutputError: OpenCV cannot encode such a video, or the disk is full.
        """
        size_hw = image_bgr.shape[0], image_bgr.shape[1]
        try:
            if self._file is None or self._size_hw is None:
                self._size_hw = size_hw
                self._file = self._open(size_hw)
            if size_hw != self._size_hw:
                letterbox = Letterbox(size_hw, self._size_hw, "area", pad_value=0)
                image_bgr = letterbox.apply(np.ascontiguousarray(image_bgr))
            self._file.write(image_bgr)
        except OutputError:
            self._failed = True
            raise
        self._frames += 1

    def close(self) -> None:
        """Finishes the video and gives it its name. A second call does nothing.

        A video of which `write` lost something keeps its partial name.

        Raises:
            OutputError: that name cannot be taken, or the disk was full.
        """
        file, self._file = self._file, None
        try:
            if file is not None:
                self._finish(file)
        except (OSError, OutputError) as error:
            self._frames = 0
            if isinstance(error, OutputError):
                raise
            raise OutputError(f"{self.path}: cannot be written ({error.strerror})") from error
        finally:
            self._lock.release()

    def _finish(self, file: "RecordingFile | _AviFile") -> None:
        if self._failed:
            with contextlib.suppress(OutputError):  # of which `write` has told
                file.close()
            self._frames = 0
            return
        file.close()
        self._frames = file.frames
        if self._frames:
            self._partial.replace(self.path)
        else:
            self._partial.unlink(missing_ok=True)

    def _open(self, size_hw: tuple[int, int]) -> "RecordingFile | _AviFile":
        if self._partial.suffix == ".avi":
            return _AviFile(self._partial, self.fps, size_hw)
        try:
            return RecordingFile(self._partial, self.fps, size_hw, time.time(), self._scratch)
        except FileExistsError as error:
            raise OutputError(f"{self._partial}: was made by another program") from error


class _AviFile:
    """OpenCV's own AVI, which players read without an end too.

    Attributes:
        frames: how many it has.
    """

    def __init__(self, path: Path, fps: float, size_hw: tuple[int, int]) -> None:
        self.frames = 0
        self._path = path
        height, width = (side + side % 2 for side in size_hw)
        codec = CODECS[".avi"]
        self._writer = cv2.VideoWriter(
            os.fspath(path), cv2.VideoWriter.fourcc(*codec), fps, (width, height)
        )
        if not self._writer.isOpened():
            raise OutputError(
                f"{path}: this OpenCV cannot encode {codec} at {width} x {height}; "
                "see `spotlet doctor`"
            )

    def write(self, image_bgr: ImageArray) -> None:
        """Adds a picture."""
        self._writer.write(with_even_sides(image_bgr))
        self.frames += 1

    def close(self) -> None:
        """Finishes the file, and reads back how many frames it has: OpenCV hides a full disk."""
        self._writer.release()
        with quiet_opencv():
            capture = cv2.VideoCapture(os.fspath(self._path), cv2.CAP_FFMPEG)
            count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
            capture.release()
        if count < self.frames:
            raise OutputError(f"{self._path}: the video is not whole; is the disk full?")
