"""OpenCV's MPEG-4 encoder, asked for the bytes of its pictures."""

import os
import struct
from pathlib import Path

import cv2

from spotlet.errors import OutputError
from spotlet.image_files import quiet_opencv
from spotlet.letterbox import ImageArray
from spotlet.sinks.recording.codecs import CODECS, with_even_sides
from spotlet.sinks.recording.mp4 import Encoded, read_encoded


class PictureEncoder:
    """Encodes some pictures at a time.

    OpenCV's writer keeps up to 256 KiB to itself, finishes an MP4 at its end, and no option of it
    changes that (4.10 to 5.0). So each time it writes a small file of its own, from which the
    pictures are taken.
    """

    def __init__(self, scratch: Path, fps: float, size_hw: tuple[int, int]) -> None:
        """Opens nothing yet.

        Args:
            scratch: the small file, which ends in `.mp4`; it is gone after each `take`.
            fps: pictures a second; the encoder weighs its bytes by it.
            size_hw: height and width of all pictures, pixels.
        """
        self._scratch = scratch
        self._fps = fps
        self._size_hw = size_hw
        self._count = 0
        self._writer: cv2.VideoWriter | None = None

    @property
    def encoded_size_hw(self) -> tuple[int, int]:
        """Height and width as they are encoded, in pixels: even."""
        return self._size_hw[0] + self._size_hw[0] % 2, self._size_hw[1] + self._size_hw[1] % 2

    def write(self, image_bgr: ImageArray) -> None:
        """Encodes a picture, (H, W, 3) uint8 BGR.

        Raises:
            OutputError: OpenCV cannot encode such pictures.
        """
        if self._writer is None:
            self._writer = self._open_writer()
        self._writer.write(with_even_sides(image_bgr))
        self._count += 1

    def take(self) -> Encoded:
        """Returns the pictures since the last call, of which the first needs no other.

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

    def close(self) -> None:
        """Forgets what was not taken. A second call does nothing."""
        self._release()
        self._scratch.unlink(missing_ok=True)

    def _release(self) -> None:
        if self._writer is not None:
            self._writer.release()
        self._writer = None
        self._count = 0

    def _open_writer(self) -> cv2.VideoWriter:
        height, width = self.encoded_size_hw
        with quiet_opencv():
            writer = cv2.VideoWriter(
                os.fspath(self._scratch),
                cv2.CAP_FFMPEG,
                cv2.VideoWriter.fourcc(*CODECS[".mp4"]),
                self._fps,
                (width, height),
            )
        if not writer.isOpened():
            raise OutputError(
                f"{self._scratch}: this OpenCV cannot encode {CODECS['.mp4']} at {width} x "
                f"{height}, or the disk is full; see `spotlet doctor`"
            )
        return writer
