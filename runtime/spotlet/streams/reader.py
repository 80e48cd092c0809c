"""What every reader of a source has in common."""

from typing import Protocol

from spotlet.streams.frame import Frame


class Reader(Protocol):
    """What gives the frames of one source, in order.

    Attributes:
        fps: frames a second, where the source says it.
        size_hw: height and width of all frames, pixels, where it is known.
        frame_count: how many frames the source says it has.
        ended_early: why the source ended before it should have; None before that.
    """

    fps: float | None
    size_hw: tuple[int, int] | None
    frame_count: int | None
    ended_early: str | None

    def read(self) -> Frame | None:
        """Returns the next frame; None at the end."""

    def close(self) -> None:
        """Releases the file or the device."""
