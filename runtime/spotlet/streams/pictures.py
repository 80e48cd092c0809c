"""The decoded pictures of a source, across changes of their size."""

from collections.abc import Sequence

import cv2

from spotlet.errors import SourceError
from spotlet.streams.decoding import CPU, HardwareError, decoder_of
from spotlet.streams.ending import END_PACKETS
from spotlet.streams.opencv import NOT_OPENED, read_pixel_aspect
from spotlet.streams.packets import PacketWatch
from spotlet.streams.part import PartCapture
from spotlet.streams.source import Source

_SAME_SECONDS = 0.002  # the ticks of an edit


class Pictures:
    """The decoder of a source, and the watch over its packets.

    Attributes:
        capture: the open decoder: that of the source, or behind a change that of a part.
        watch: reads the packets; None if nothing watches them.
        pixel_aspect: a stored pixel's width by its height.
        settings: OpenCV's, for the decoder of a part.
        hidden_seconds: how much of the track lies before the first edit.
    """

    def __init__(
        self, capture: cv2.VideoCapture | PartCapture, settings: Sequence[int] = ()
    ) -> None:
        """Takes over an open decoder.

        Args:
            capture: the decoder.
            settings: OpenCV's for that of a part.
        """
        self.capture: cv2.VideoCapture | PartCapture = capture
        self.watch: PacketWatch | None = None
        self.pixel_aspect = 1.0
        self.settings = settings
        self.hidden_seconds = 0.0
        self._base_seconds = 0.0

    @property
    def is_part(self) -> bool:
        """Whether a part of the source is decoded apart."""
        return isinstance(self.capture, PartCapture)

    @property
    def refusal(self) -> str | None:
        """Why pictures behind a change cannot be read; None if they can, or nothing watches."""
        return None if self.watch is None else self.watch.refusal

    @property
    def is_at_change(self) -> bool:
        """Whether the packets of the next picture are those of a change."""
        return self.watch is not None and self.watch.changed_at is not None

    def seconds(self) -> float:
        """Returns the time of the picture just read."""
        return self._base_seconds + self.capture.get(cv2.CAP_PROP_POS_MSEC) / 1000

    def is_size_changed(self, index: int, failures: int = 0) -> bool:
        """Whether the decoder has no more pictures of the size before a change.

        Args:
            index: the number of the next picture, with those that were lost.
            failures: how many could not be decoded since the last.
        """
        if self.watch is None:
            return False
        if self.is_part:  # it reads on to the change itself
            return self.watch.changed_at is not None and failures > END_PACKETS
        place = index + failures + self.watch.held_back
        self.watch.advance(place)
        return self.watch.changed_at is not None and place >= self.watch.changed_at

    def is_past_change(self) -> bool:
        """Whether the picture just read was squashed: it is shown after a change."""
        if self.watch is None or self.is_part:
            return False
        return self.watch.is_passed(self.capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)

    def is_hidden(self, index: int) -> bool:
        """Whether the picture just read is there for others only; OpenCV skips such itself."""
        if index > 0 or self.hidden_seconds == 0 or not self.is_part:
            return False
        return self.seconds() < -_SAME_SECONDS

    def follow_change(self) -> bool:
        """Opens a decoder for pictures of another size; returns whether OpenCV could."""
        assert self.watch is not None
        part = self.watch.open_changed(self.settings)
        if part is None:
            return False
        self.capture.release()
        self.capture = part
        self._base_seconds = self.watch.changed_seconds - self.hidden_seconds
        if self.watch.is_resized:
            self.pixel_aspect = read_pixel_aspect(part)
        return True

    def give_up(self, source: Source) -> SourceError:
        """Releases it all, as there is no first picture; returns the reason."""
        used = decoder_of(self.capture)
        self.close()
        if self.refusal is None and self.settings and used not in (CPU, None):
            return HardwareError(f"{source.name}: {used} decodes no picture of it")
        return SourceError(f"{source.name}: {self.refusal or NOT_OPENED[source.kind]}")

    def close(self) -> None:
        """Releases the file or the device."""
        self.capture.release()
        if self.watch is not None:
            self.watch.close()
