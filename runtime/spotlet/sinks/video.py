"""Detections drawn into a video file."""

import os
from pathlib import Path

import cv2
import numpy as np

from spotlet.annotate import draw_detections
from spotlet.detections import Detections
from spotlet.errors import OutputError, UsageError
from spotlet.letterbox import ImageArray, Letterbox
from spotlet.opencv_log import quiet_opencv
from spotlet.streams import Frame

CODECS = {".mp4": "mp4v", ".avi": "MJPG"}
"""The containers that are written, and the codec that every OpenCV can encode for each."""

DEFAULT_FPS = 30.0
"""For a source that does not say its frame rate."""

LEAST_FPS, MOST_FPS = 0.1, 240.0
"""Rates that both containers hold; what lies outside is taken as not said."""


class VideoSink:
    """An annotated video, one frame for each frame of the run, at a constant rate.

    It is encoded under a temporary name in the same folder and takes its own name at `close`,
    finished and playable however the run ended. All frames of a video have one size: the
    first frame's, with a row or column repeated at the border to make it even, as the codecs
    want; a later frame of another size is letterboxed into it.
    """

    def __init__(self, path: str | Path, fps: float | None = None) -> None:
        """Reserves the file.

        Args:
            path: ends in `.mp4` or `.avi`; one that is there is replaced at `close`.
            fps: of the playback; None, or what no video has, is `DEFAULT_FPS`.

        Raises:
            UsageError: another suffix.
            OutputError: the folder cannot be written.
        """
        self.path = Path(path)
        self.fps = fps if fps is not None and LEAST_FPS <= fps <= MOST_FPS else DEFAULT_FPS
        self._frames = 0
        self._writer: cv2.VideoWriter | None = None
        self._size_hw: tuple[int, int] | None = None
        suffix = self.path.suffix.lower()
        if suffix not in CODECS:
            raise UsageError(f"{path}: a video is saved as {' or '.join(CODECS)}")
        self._codec = CODECS[suffix]
        self._partial = self.path.with_name(f".{self.path.stem}-{os.getpid()}{suffix}")
        try:
            if self.path.is_dir():
                raise IsADirectoryError(0, "is a folder")
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._partial.touch()
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({error.strerror})") from error

    @property
    def written(self) -> str | None:
        """How many frames lie where; None when there was none, and so no file."""
        return f"{self.path} ({self._frames} frames)" if self._frames else None

    def write(self, frame: Frame, detections: Detections) -> None:
        """Encodes the frame with its detections drawn on it.

        Raises:
            OutputError: OpenCV cannot encode such a video.
        """
        self.write_image(draw_detections(frame.image, detections))

    def write_image(self, image_bgr: ImageArray) -> None:
        """Encodes a picture as it is, (H, W, 3) uint8 BGR.

        Raises:
            OutputError: OpenCV cannot encode such a video.
        """
        size_hw = image_bgr.shape[0], image_bgr.shape[1]
        if self._size_hw is None or self._writer is None:
            self._size_hw = size_hw
            self._writer = self._open_writer(size_hw)
        if size_hw != self._size_hw:
            letterbox = Letterbox(size_hw, self._size_hw, "area", pad_value=0)
            image_bgr = letterbox.apply(np.ascontiguousarray(image_bgr))
        self._writer.write(_with_even_sides(image_bgr))
        self._frames += 1

    def close(self) -> None:
        """Finishes the video and gives it its name.

        Raises:
            OutputError: that name cannot be taken, or the disk was full.
        """
        if self._writer is not None:
            self._writer.release()
            self._writer = None
            try:
                if self._frames_in_file() < self._frames:
                    raise OSError(0, "the video is not whole; is the disk full?")
                self._partial.replace(self.path)
            except OSError as error:
                self._partial.unlink(missing_ok=True)
                self._frames = 0
                raise OutputError(f"{self.path}: cannot be written ({error.strerror})") from error
        self._partial.unlink(missing_ok=True)

    def _frames_in_file(self) -> int:
        """Returns how many frames the finished file says it has: OpenCV hides a full disk."""
        with quiet_opencv():
            capture = cv2.VideoCapture(os.fspath(self._partial), cv2.CAP_FFMPEG)
            count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
            capture.release()
        return count

    def _open_writer(self, size_hw: tuple[int, int]) -> cv2.VideoWriter:
        height, width = (side + side % 2 for side in size_hw)
        writer = cv2.VideoWriter(
            os.fspath(self._partial),
            cv2.VideoWriter.fourcc(*self._codec),
            self.fps,
            (width, height),
        )
        if not writer.isOpened():
            raise OutputError(
                f"{self.path}: this OpenCV cannot encode {self._codec} at {width} x {height}; "
                "see `spotlet doctor`"
            )
        return writer


def _with_even_sides(image: ImageArray) -> ImageArray:
    """Returns the image, its last row and column repeated where a side is odd."""
    height, width = image.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return image
    even = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return np.asarray(even, np.uint8)
