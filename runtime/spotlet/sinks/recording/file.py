"""A video file that is readable up to its last half second whatever becomes of the program."""

import contextlib
from io import FileIO
from pathlib import Path

from spotlet.errors import OutputError
from spotlet.letterbox import ImageArray
from spotlet.sinks.line_file import write_whole
from spotlet.sinks.recording.encoder import PictureEncoder
from spotlet.sinks.recording.mp4 import PICTURE_TICKS, file_fragment, file_header, skipped_box
from spotlet.sinks.recording.mpeg4 import repeated_picture

FRAGMENT_SECONDS = 0.5
"""What is encoded before it is put into the file, and so may be lost. Against one encoding
without a break, fragments of ten pictures took 4 % more bytes and 10 to 17 % more time."""


class RecordingFile:
    """MPEG-4 pictures in a fragmented MP4 file, at a constant rate.

    Attributes:
        path: of the file.
        fps: pictures a second.
        size_hw: height and width of the pictures as they are given, pixels.
        pictures: how many it has, with those that are repeated.
        frames: how many new ones are in the file by now; after `close`, all that ever will be.
    """

    def __init__(
        self, path: Path, fps: float, size_hw: tuple[int, int], created_at: float, scratch: Path
    ) -> None:
        """Creates the file.

        Args:
            path: must not be there.
            fps: pictures a second, held to a thousandth.
            size_hw: of all pictures.
            created_at: seconds since 1970 (UTC).
            scratch: a small file for the encoder, which ends in `.mp4`.

        Raises:
            FileExistsError: the file is there.
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
        self._pending: list[bool] = []  # of each picture of the fragment: is it a new one?
        self._repeated = b""
        self._fragments = 0
        self._end = 0
        self._sound = True
        try:
            self._file = FileIO(path, "x")
        except FileExistsError:
            raise
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({error.strerror})") from error

    def write(self, image_bgr: ImageArray) -> None:
        """Adds a picture, (H, W, 3) uint8 BGR, of the file's size.

        After an error or Ctrl-C within it the file can only be closed.

        Raises:
            OutputError: it cannot be encoded or written.
        """
        self._sound = False
        self._encoder.write(image_bgr)
        self._pending.append(True)
        self.pictures += 1
        # The first at once, so that whoever looks finds a video and not an empty file.
        if self._fragments == 0 or len(self._pending) >= FRAGMENT_SECONDS * self.fps:
            self._write_fragment()
        self._sound = True

    def repeat(self, count: int) -> None:
        """Adds the last picture some times more, at next to no cost.

        Args:
            count: at least 0; with the file's first picture none.
        """
        self._pending += [False] * count
        self.pictures += count

    def close(self) -> None:
        """Writes what is pending; an empty file goes. A second call does nothing.

        Where `write` failed, what was pending is lost, and the file ends before it.

        Raises:
            OutputError: it cannot be written.
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
            with contextlib.suppress(OSError):  # what could not be written was told
                self._encoder.close()
                self._file.close()
                if self._end == 0:
                    self.path.unlink(missing_ok=True)

    def _write_fragment(self) -> None:
        """Puts the pending pictures into the file; they are gone from here also after an error."""
        pending, self._pending = self._pending, []
        if not pending:
            return
        fresh: tuple[bytes, ...] = ()
        fresh_keys: frozenset[int] = frozenset()
        if any(pending):
            encoded = self._encoder.take()
            fresh, fresh_keys = encoded.pictures, encoded.keys
            if self._fragments == 0:
                self._begin(encoded.description)
        places = [place for place, new in enumerate(pending) if new]
        pictures = [self._repeated] * len(pending)
        for place, picture in zip(places, fresh, strict=True):
            pictures[place] = picture
        keys = frozenset(places[index] for index in fresh_keys)
        self._fragments += 1
        start = self.pictures - len(pending)
        self._append(file_fragment(self._fragments, start, pictures, keys))
        self.frames += len(places)

    def _begin(self, description: bytes) -> None:
        size_hw = self._encoder.encoded_size_hw
        try:
            self._repeated = repeated_picture(description, size_hw)
        except ValueError as error:
            raise OutputError(f"{self.path}: this OpenCV encodes otherwise ({error})") from error
        self._append(file_header(description, size_hw, self._ticks_per_second, self._created_at))

    def _append(self, boxes: bytes) -> None:
        """Adds whole boxes, of which half is never seen.

        Readers refuse a file whose last fragment has half a table. So all is first written as
        something to pass over, and the first 8 bytes are put right when the rest is there.
        """
        try:
            write_whole(self._file, skipped_box(len(boxes)) + boxes[8:])
            self._file.seek(self._end)
            write_whole(self._file, boxes[:8])
            self._file.seek(self._end + len(boxes))
        except OSError as error:
            with contextlib.suppress(OSError):
                self._file.truncate(self._end)
                self._file.seek(self._end)
            raise OutputError(f"{self.path}: cannot be written ({error.strerror})") from error
        self._end += len(boxes)
