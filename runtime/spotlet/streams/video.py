"""Video files, cameras and URLs as frames, through OpenCV."""

import math
import time
from pathlib import Path

import cv2
import numpy as np

from spotlet.errors import SourceError
from spotlet.image_files import quiet_opencv
from spotlet.letterbox import ImageArray
from spotlet.streams.frame import Frame, take_frame
from spotlet.streams.opencv import NOT_OPENED, decode_jpeg, open_capture, read_as_jpegs
from spotlet.streams.source import Source

COUNTING_SUFFIXES = frozenset({".avi", ".m4v", ".mov", ".mp4"})
"""Containers that store their number of frames. For others OpenCV estimates it from the duration
of the longest track, which may be the audio."""

ESTIMATE_SLACK_SECONDS = 1.0
ESTIMATE_SLACK_SHARE = 0.05
"""A complete file may end this much before its estimated duration: the smaller of the two."""

MAX_PLAUSIBLE_FPS = 1000.0
"""A stated frame rate above this is the tick of the source's clock."""

LIVE_SLACK_SECONDS = 1.0
"""How much longer the library's own time-outs are in live mode than Spotlet's: which comes first
must not be chance, and after its time-out FFmpeg returns an old frame before it fails."""


class VideoReader:
    """A video file, a camera or a URL, through OpenCV."""

    def __init__(
        self,
        source: Source,
        open_seconds: float,
        read_seconds: float,
        *,
        live: bool = False,
        spare_cores: bool = True,
    ) -> None:
        """Opens the source and decodes its first frame.

        Args:
            source: a file, a camera or a URL.
            open_seconds: how long a URL may take to open.
            read_seconds: how long a frame of a URL may take.
            live: the caller has its own time-outs, and frames must not be delayed.
            spare_cores: see `open_capture`.

        Raises:
            SourceError: it cannot be opened, or its first frame cannot be decoded.
        """
        slack = LIVE_SLACK_SECONDS if live else 0.0
        self.ended_early: str | None = None
        self._source = source
        self._index = 0
        self._last_pts = 0.0
        self._read_seconds = read_seconds + slack
        self._capture = open_capture(
            source, open_seconds + slack, self._read_seconds, live=live, spare_cores=spare_cores
        )
        # A live stream counts the frames that were there when it was opened.
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self._may_be_file = source.kind != "camera" and 0 < count < 2**53
        self.frame_count: int | None = int(count) if self._may_be_file and not live else None
        self._jpegs = self.frame_count is None and read_as_jpegs(source, self._capture)
        # FFmpeg makes up the rate and the times of JPEGs over HTTP.
        self._timed = not (self._jpegs and str(source.location).lower().startswith("http"))
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps: float | None = fps if self._timed and 0 < fps <= MAX_PLAUSIBLE_FPS else None
        image = self._next_image()
        if image is None:
            self._capture.release()
            raise SourceError(f"{source.name}: {NOT_OPENED[source.kind]}")
        self.size_hw: tuple[int, int] | None = image.shape[0], image.shape[1]
        self._first: Frame | None = self._stamp(image)

    def read(self) -> Frame | None:
        """Returns the next frame; None at the end, which `ended_early` explains."""
        if self._first is not None:
            frame, self._first = self._first, None
            return frame
        if not self._capture.isOpened():
            return None
        image = self._next_image()
        if image is None:
            self.ended_early = self._explain_end()
            self._capture.release()
            return None
        return self._stamp(image)

    def close(self) -> None:
        """Releases the file or the device."""
        self._first = None
        self._capture.release()

    def _next_image(self) -> ImageArray | None:
        """Returns the next complete picture; None at the end, or if none arrived for too long."""
        until = time.monotonic() + self._read_seconds
        with quiet_opencv():
            while True:
                decoded, content = self._capture.read()
                if not decoded:
                    return None
                image = np.asarray(content, np.uint8)
                if not self._jpegs:
                    return image
                picture = decode_jpeg(image)
                if picture is not None:
                    return picture
                if time.monotonic() > until:
                    return None

    def _stamp(self, image: ImageArray) -> Frame:
        self._last_pts = self._pts_seconds()
        says_pts = self._source.kind == "video" or (
            self._source.kind == "url" and self._timed and (self._index == 0 or self._last_pts > 0)
        )
        frame = take_frame(
            image, self._source.name, self._index, self._last_pts if says_pts else None
        )
        self._index += 1
        return frame

    def _pts_seconds(self) -> float:
        """Returns the time of the frame just read, which is OpenCV's position after `read`."""
        seconds = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if math.isfinite(seconds) and (seconds > self._last_pts or self._index == 0):
            return max(seconds, 0.0)
        if self.fps is not None and self._source.kind == "video":
            return max(self._index / self.fps, self._last_pts)
        return self._last_pts

    def _explain_end(self) -> str | None:
        """Returns why an end here is too early; None at the end of a complete file."""
        if self._source.kind == "camera":
            return f"the camera delivered no more frames after {self._index}"
        if self.frame_count is None:
            is_file = self._source.kind == "video"
            hint = " (if it is a file, read it in video mode)" if self._may_be_file else ""
            return None if is_file else f"the stream ended after {self._index} frames{hint}"
        if self._index >= self.frame_count:
            return None
        if self.fps is not None:
            frame_seconds, said_seconds = 1 / self.fps, self.frame_count / self.fps
            slack_seconds = min(ESTIMATE_SLACK_SECONDS, ESTIMATE_SLACK_SHARE * said_seconds)
            if Path(self._source.name).suffix.lower() in COUNTING_SUFFIXES:
                slack_seconds = frame_seconds / 2
            if said_seconds - (self._last_pts + frame_seconds) <= slack_seconds:
                return None
        is_url = self._source.kind == "url"
        cause = "the connection was lost" if is_url else "the file is truncated or damaged"
        return f"ended after {self._index} of {self.frame_count} frames; {cause}"
