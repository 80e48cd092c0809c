"""OpenCV's MPEG-4 encoder, a few pictures at a time."""

import struct
from pathlib import Path

import cv2
import numpy as np

from spotlet.errors import OutputError
from spotlet.image_files.files import quiet_opencv
from spotlet.letterbox import ImageArray
from spotlet.library_paths import path_for_library
from spotlet.sinks.recording.mp4 import Encoded, read_encoded

CODECS = {".mp4": "mp4v", ".avi": "MJPG"}
"""The containers that can be written, each with a codec that every OpenCV can encode."""

DEFAULT_FPS = 30.0
"""The rate for a source that states none."""

LEAST_FPS, MOST_FPS = 0.1, 240.0
"""The rates that both containers can hold; any other counts as unknown."""

_BLOCK_PIXELS = 16
_UNCHANGED_HEADER_BYTES = 16  # an MPEG-4 picture's header takes fewer at each of these rates


def playback_fps(fps: float | None) -> float:
    """Returns the frame rate to write for a source that reports `fps`."""
    return fps if fps is not None and LEAST_FPS <= fps <= MOST_FPS else DEFAULT_FPS


def even_size_hw(size_hw: tuple[int, int]) -> tuple[int, int]:
    """Returns height and width, pixels, each rounded up to an even number."""
    return size_hw[0] + size_hw[0] % 2, size_hw[1] + size_hw[1] % 2


def with_even_sides(image: ImageArray) -> ImageArray:
    """Returns the image, with its last row or column repeated if a side is odd."""
    height, width = image.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return image
    even = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return np.asarray(even, np.uint8)


def open_writer(path: Path, fps: float, size_hw: tuple[int, int]) -> cv2.VideoWriter:
    """Returns OpenCV's writer for images that `with_even_sides` has made even.

    Args:
        path: its suffix is one of `CODECS`.
        fps: pictures per second.
        size_hw: their height and width before that, pixels.

    Raises:
        OutputError: OpenCV cannot encode such a video.
    """
    codec = CODECS[path.suffix]
    height, width = even_size_hw(size_hw)
    with quiet_opencv(), path_for_library(path) as name:
        fourcc = cv2.VideoWriter.fourcc(*codec)
        writer = cv2.VideoWriter(name, cv2.CAP_FFMPEG, fourcc, fps, (width, height))
    if not writer.isOpened():
        raise OutputError(
            f"{path}: this OpenCV cannot encode {codec} at {width} x {height}, or the disk is "
            "full; see `spotlet doctor`"
        )
    return writer


class PictureEncoder:
    """Encodes pictures in batches, through a scratch file.

    OpenCV's writer buffers up to 256 KiB and completes an MP4 only when it is released; no option
    changes that (4.10 to 5.0). So each batch becomes a small file, whose pictures are read back.
    """

    def __init__(self, scratch: Path, fps: float, size_hw: tuple[int, int]) -> None:
        """Opens nothing yet.

        Args:
            scratch: the small file, which ends in `.mp4`; each `take` deletes it.
            fps: pictures per second, on which the encoder bases its bit rate.
            size_hw: height and width of all pictures, pixels.
        """
        self._scratch = scratch
        self._fps = fps
        self._size_hw = size_hw
        self._count = 0
        self._writer: cv2.VideoWriter | None = None

    def write(self, image_bgr: ImageArray) -> None:
        """Encodes a picture, (H, W, 3) uint8 BGR.

        Raises:
            OutputError: OpenCV cannot encode such pictures.
        """
        if self._writer is None:
            self._writer = open_writer(self._scratch, self._fps, self._size_hw)
        self._writer.write(with_even_sides(image_bgr))
        self._count += 1

    def take(self) -> Encoded:
        """Returns the pictures since the last call; the first of them is a key frame.

        Raises:
            OutputError: they could not be encoded.
        """
        count = self._count
        self._release()
        try:
            encoded = read_encoded(self._scratch.read_bytes())
            if len(encoded.pictures) != count:
                raise ValueError(f"{len(encoded.pictures)} of {count} pictures")
            return encoded
        except (OSError, ValueError, struct.error) as error:
            raise OutputError(
                f"{self._scratch}: half a second of video was not encoded ({error}); is the disk "
                "full?"
            ) from error
        finally:
            self._scratch.unlink(missing_ok=True)

    def encode_unchanged(self) -> bytes:
        """Returns a predicted picture that leaves every pixel as it was; call it after `take`.

        In MPEG-4, a block of a predicted picture may be marked as not coded, and then keeps its
        pixels. The second of two identical grey pictures has no other blocks, so it can follow
        any picture of this encoder.

        Raises:
            OutputError: this OpenCV encodes something else.

        Source: ISO/IEC 14496-2, 6.2.6 (macroblock).
        """
        for _ in range(2):
            self.write(np.full((*self._size_hw, 3), 128, np.uint8))
        encoded = self.take()
        height, width = self._size_hw
        blocks = -(-height // _BLOCK_PIXELS) * -(-width // _BLOCK_PIXELS)  # a bit each
        size = len(encoded.pictures[1])
        if 1 in encoded.keys or size > blocks / 8 + _UNCHANGED_HEADER_BYTES:
            raise OutputError(
                f"{self._scratch}: this OpenCV encodes an unchanged picture in {size} bytes, so "
                "gaps cannot be filled; see `spotlet doctor`"
            )
        return encoded.pictures[1]

    def close(self) -> None:
        """Discards the pictures that were not taken. A second call does nothing."""
        self._release()
        self._scratch.unlink(missing_ok=True)

    def _release(self) -> None:
        if self._writer is not None:
            self._writer.release()
        self._writer = None
        self._count = 0
