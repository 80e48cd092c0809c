"""Video files, cameras and URLs as frames, through OpenCV."""

import math
import time
from pathlib import Path

import cv2
import numpy as np

from spotlet.errors import SourceError
from spotlet.image_files.files import quiet_opencv
from spotlet.letterbox import ImageArray
from spotlet.streams.container import read_index
from spotlet.streams.decoding import CPU, Decoder, decoder_of
from spotlet.streams.ending import (
    COUNTING_SUFFIXES,
    MOST_DAMAGED_PACKETS,
    End,
    explain_end,
)
from spotlet.streams.frame import Frame, take_frame
from spotlet.streams.jpeg import decode_jpeg
from spotlet.streams.opencv import (
    NOT_OPENED,
    open_capture,
    packet_capture,
    part_settings,
    read_as_jpegs,
    read_pixel_aspect,
    take_over_orientation,
)
from spotlet.streams.packets import PacketWatch, states_interlaced, watch_stream
from spotlet.streams.pictures import Pictures
from spotlet.streams.source import Source
from spotlet.streams.upright import make_upright

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
        decoder: Decoder = "cpu",
    ) -> None:
        """Opens the source and decodes its first frame.

        Args:
            source: a file, a camera or a URL.
            open_seconds: how long a URL may take to open.
            read_seconds: how long a frame of a URL may take.
            live: the caller has its own time-outs, and frames must not be delayed.
            spare_cores: see `open_capture`.
            decoder: `auto` tries hardware for large pictures whose packets are read.

        Raises:
            SourceError: it cannot be opened, or its first frame cannot be decoded.
            HardwareError: that frame could not be decoded in hardware.
        """
        slack = LIVE_SLACK_SECONDS if live else 0.0
        self.ended_early: str | None = None
        self.decoder: str | None = None
        self._source = source
        self._index = 0
        self._last_pts = 0.0
        self._read_seconds = read_seconds + slack
        capture = open_capture(
            source,
            open_seconds + slack,
            self._read_seconds,
            live=live,
            spare_cores=spare_cores,
            hardware=decoder == "hw",
        )
        self._pictures = Pictures(capture, part_settings(capture, decoder))
        self._lost = 0  # packets that could not be decoded, with a frame after them
        self._damaged_places = 0
        # A live stream counts the frames that were there when it was opened.
        count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self._may_be_file = source.kind != "camera" and 0 < count < 2**53
        self.frame_count: int | None = int(count) if self._may_be_file and not live else None
        self._jpegs = self.frame_count is None and read_as_jpegs(source, capture)
        # FFmpeg makes up the rate and the times of JPEGs over HTTP.
        self._timed = not (self._jpegs and str(source.location).lower().startswith("http"))
        self._learn_how_it_is_shown(capture)
        fps = capture.get(cv2.CAP_PROP_FPS)
        self.fps: float | None = fps if self._timed and 0 < fps <= MAX_PLAUSIBLE_FPS else None
        self._is_watched_live = live and source.kind == "url" and not self._jpegs
        is_pipe = source.kind == "video" and self._pictures.watch is None
        is_unending = source.kind == "url" and not self._jpegs and (live or not self._may_be_file)
        if is_unending or ((source.kind == "url" or is_pipe) and states_interlaced(capture)):
            self._watch_packets(capture, open_seconds + slack, live=live)
        image = self._next_image()
        if image is None:
            raise self._pictures.give_up(source)
        self.size_hw: tuple[int, int] | None = image.shape[0], image.shape[1]
        self._first: Frame | None = self._stamp(image)

    def read(self) -> Frame | None:
        """Returns the next frame; None at the end, which `ended_early` explains."""
        if self._first is not None:
            frame, self._first = self._first, None
            return frame
        if not self._pictures.capture.isOpened():
            return None
        image = self._next_image()
        if image is None:
            self.ended_early = self._explain_end()
            self._pictures.capture.release()
            return None
        return self._stamp(image)

    def close(self) -> None:
        """Releases the file or the device."""
        self._first = None
        self._pictures.close()

    def _watch_packets(self, capture: cv2.VideoCapture, open_seconds: float, *, live: bool) -> None:
        """Decodes the packets of the one connection apart from it, if they say their size."""
        watch = watch_stream(capture)
        if watch is None:
            return
        part = watch.open_first(on_one_core=live, settings=self._pictures.settings)
        if part is not None:
            self._pictures.watch, self._pictures.capture = watch, part
            return
        watch.close()
        if watch.refusal is not None or self._source.kind == "video":  # a pipe is opened once
            raise SourceError(f"{self._source.name}: {watch.refusal or NOT_OPENED['video']}")
        hardware = bool(self._pictures.settings)
        reopened = open_capture(
            self._source, open_seconds, self._read_seconds, live=live, hardware=hardware
        )
        take_over_orientation(reopened)
        self._pictures.capture = reopened

    def _learn_how_it_is_shown(self, capture: cv2.VideoCapture) -> None:
        """Notes how pictures become upright and square, and of a file how many are visible."""
        self._pictures.pixel_aspect = 1.0 if self._jpegs else read_pixel_aspect(capture)
        self._orientation = take_over_orientation(capture)
        self._is_counted = Path(self._source.name).suffix.lower() in COUNTING_SUFFIXES
        path = Path(str(self._source.location))
        if self._source.kind != "video" or not path.is_file():  # a pipe is read once
            return
        self._pictures.watch = PacketWatch(packet_capture(path), path)
        index = read_index(path)
        if index is not None:
            self._orientation = index.orientation
            self._pictures.hidden_seconds = index.hidden_seconds
            self._is_counted = self._is_counted or index.is_counted
            if index.is_fragmented and index.visible_count:
                self.frame_count = index.visible_count
            elif index.visible_count and self.frame_count is not None:
                self.frame_count = min(self.frame_count, index.visible_count)

    def _next_image(self) -> ImageArray | None:
        """Returns the next complete picture; None at the end, or if none arrived for too long."""
        until = time.monotonic() + self._read_seconds
        failures = 0
        with quiet_opencv():
            while failures <= MOST_DAMAGED_PACKETS:
                if self._pictures.is_size_changed(self._index + self._lost, failures):
                    if self._is_watched_live or not self._pictures.follow_change():
                        return None
                    failures = 0
                decoded, content = self._pictures.capture.read()
                if decoded and self._pictures.is_past_change():
                    failures = 0
                    if not self._pictures.follow_change():
                        return None
                elif decoded and not self._pictures.is_hidden(self._index):
                    image = np.asarray(content, np.uint8)
                    picture = decode_jpeg(image) if self._jpegs else image
                    if picture is not None:
                        self._lost += failures
                        self._damaged_places += failures > 0
                        return make_upright(picture, self._orientation, self._pictures.pixel_aspect)
                elif not decoded:
                    failures += 1
                    if self._source.kind == "camera" or self._is_at_end():
                        return None
                if self._source.kind != "video" and time.monotonic() > until:
                    return None
        return None

    def _is_at_end(self) -> bool:
        """Whether a file has no more frames, so that one more read need not be tried."""
        count = self.frame_count if self._is_counted else None
        if self._source.kind != "video" or count is None or self._pictures.is_part:
            return False
        return self._index >= count > 0

    def _stamp(self, image: ImageArray) -> Frame:
        self._last_pts = self._pts_seconds()
        if self._source.kind == "video":
            self.size_hw = image.shape[0], image.shape[1]
        says_pts = self._source.kind == "video" or (
            self._source.kind == "url" and self._timed and (self._index == 0 or self._last_pts > 0)
        )
        self.decoder = CPU if self._jpegs else decoder_of(self._pictures.capture)
        pts_seconds = self._last_pts if says_pts else None
        frame = take_frame(image, self._source.name, self._index, pts_seconds, self.decoder)
        self._index += 1
        return frame

    def _pts_seconds(self) -> float:
        """Returns the time of the frame just read, which is OpenCV's position after `read`."""
        seconds = self._pictures.seconds()
        if math.isfinite(seconds) and (seconds > self._last_pts or self._index == 0):
            return max(seconds, 0.0)
        if self.fps is not None and self._source.kind == "video":
            return max(self._index / self.fps, self._last_pts)
        return self._last_pts

    def _explain_end(self) -> str | None:
        """Returns why an end here is too early; None at the end of a complete file."""
        if self._pictures.refusal is not None:
            return f"ended after {self._index} frames; {self._pictures.refusal}"
        if self._is_watched_live and self._pictures.is_at_change:
            return "the size of its frames changed"
        if self._pictures.is_size_changed(self._index + self._lost):
            return (
                f"the size of its frames changes after {self._index}, which OpenCV "
                f"{cv2.__version__} cannot follow; install opencv-python-headless 4.11 or newer"
            )
        return explain_end(
            End(
                source=self._source,
                frames=self._index,
                lost=self._lost,
                damaged_places=self._damaged_places,
                seconds=self._last_pts,
                stated_frames=self.frame_count,
                stated_fps=self.fps,
                is_counted=self._is_counted,
                may_be_file=self._may_be_file,
            )
        )
