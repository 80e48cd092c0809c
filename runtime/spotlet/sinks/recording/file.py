"""A video file that can be read up to its last half second, even after a kill."""

import contextlib
from io import FileIO
from pathlib import Path

from spotlet.errors import OutputError
from spotlet.letterbox import ImageArray
from spotlet.sinks.line_file import write_whole
from spotlet.sinks.recording.encoder import PictureEncoder, even_size_hw
from spotlet.sinks.recording.mp4 import PICTURE_TICKS, file_fragment, file_header, skipped_box
from spotlet.sinks.sink import writing

FRAGMENT_SECONDS = 0.5
"""How much is encoded before it is written, and so can be lost. Fragments of ten pictures took 4 %
more bytes and 10 to 17 % more time than one continuous encoding."""


class RecordingFile:
    """MPEG-4 pictures in a fragmented MP4 file, at a constant rate.

    Attributes:
        path: of the file.
        fps: pictures per second.
        size_hw: height and width of the pictures given to `write`, pixels.
        pictures: how many there are, repeated and pending ones included.
        frames: how many of the pictures given to `write` are in the file by now.
    """

    def __init__(
        self, path: Path, fps: float, size_hw: tuple[int, int], created_at: float, scratch: Path
    ) -> None:
        """Creates the file.

        Args:
            path: must not exist.
            fps: pictures per second, rounded to a thousandth.
            size_hw: height and width of all pictures, pixels.
            created_at: seconds since 1970 (UTC).
            scratch: a small file for the encoder, which ends in `.mp4`.

        Raises:
            FileExistsError: the file exists.
            OutputError: it cannot be written.
        """
        self.path = path
        self.size_hw = size_hw
        self.pictures = 0
        self.frames = 0
        self._ticks_per_second = max(round(fps * PICTURE_TICKS), 1)
        self.fps = self._ticks_per_second / PICTURE_TICKS
        self._created_at = created_at
        self._encoder = PictureEncoder(scratch, self.fps, size_hw)
        self._pending: list[int] = []  # for each pending picture, the repeats before it
        self._written_pictures = 0
        self._unchanged = b""
        self._fragments = 0
        self._end = 0
        self._sound = True
        try:
            self._file = FileIO(path, "x")
        except FileExistsError:
            raise
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({error.strerror})") from error

    def write(self, image_bgr: ImageArray, *, repeats: int = 0) -> None:
        """Adds a picture; after an error or Ctrl-C in this call the file can only be closed.

        Args:
            image_bgr: (H, W, 3) uint8 BGR, of the file's size.
            repeats: how often the previous picture is repeated first, at next to no cost; 0 for the
                file's first.

        Raises:
            OutputError: it cannot be encoded or written.
        """
        self._sound = False
        self._encoder.write(image_bgr)
        self._pending.append(repeats)
        self.pictures += repeats + 1
        # The first one at once, so that a reader finds a video, not an empty file.
        new_pictures = self.pictures - self._written_pictures
        if self._fragments == 0 or new_pictures >= FRAGMENT_SECONDS * self.fps:
            self._write_fragment()
        self._sound = True

    def close(self) -> None:
        """Writes the pending pictures; deletes an empty file. A second call does nothing.

        After a failed `write`, the pending pictures are lost, and the file ends before them.

        Raises:
            OutputError: they cannot be written.
        """
        if self._file.closed:
            return
        try:
            if self._sound:
                self._write_fragment()
            else:
                with contextlib.suppress(OSError):
                    self._file.truncate(self._end)
        finally:
            with contextlib.suppress(OSError):  # what could not be written is already reported
                self._encoder.close()
                self._file.close()
                if self._end == 0:
                    self.path.unlink(missing_ok=True)

    def _write_fragment(self) -> None:
        """Moves the pending pictures to the file; after an error they are lost."""
        pending, self._pending = self._pending, []
        if not pending:
            return
        encoded = self._encoder.take()
        if any(pending) and not self._unchanged:
            self._unchanged = self._encoder.encode_unchanged()
        if self._fragments == 0:
            size_hw = even_size_hw(self.size_hw)
            self._append(
                file_header(encoded.description, size_hw, self._ticks_per_second, self._created_at)
            )
        pictures: list[bytes] = []
        keys: set[int] = set()
        for index, (repeats, picture) in enumerate(zip(pending, encoded.pictures, strict=True)):
            pictures += [self._unchanged] * repeats
            if index in encoded.keys:
                keys.add(len(pictures))
            pictures.append(picture)
        self._fragments += 1
        self._append(file_fragment(self._fragments, self._written_pictures, pictures, keys))
        self._written_pictures += len(pictures)
        self.frames += len(pending)

    def _append(self, boxes: bytes) -> None:
        """Adds whole boxes; a reader never sees a part of them.

        Readers refuse a file whose last fragment has half a table. So the boxes are first written
        as one that readers skip, and their first 8 bytes are corrected once the rest is written.
        """
        try:
            with writing(self.path):
                write_whole(self._file, skipped_box(len(boxes)) + boxes[8:])
                self._file.seek(self._end)
                write_whole(self._file, boxes[:8])
                self._file.seek(self._end + len(boxes))
        except OutputError:
            with contextlib.suppress(OSError):
                self._file.truncate(self._end)
                self._file.seek(self._end)
            raise
        self._end += len(boxes)
