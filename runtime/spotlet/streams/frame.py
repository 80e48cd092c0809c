"""One picture of a stream, and when it was taken."""

import time
from dataclasses import dataclass

from spotlet.letterbox import ImageArray


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Frame:
    """One picture of a stream.

    Attributes:
        image: (H, W, 3) uint8 BGR, upright (rotation marks of the file are applied).
        source: where it is from: the image's path, the video's path, `camera 0`, or the URL
            without its credentials.
        index: its number in the source, from 0. Between two frames it grows by `dropped` + 1.
        pts_seconds: presentation time in the source, from the first frame of the epoch, never
            decreasing; None for images, cameras and URLs that do not say.
        captured_at: when it was read, seconds since 1970 (UTC); of a file in `live` mode, when
            it was due.
        captured_monotonic: the same moment on `time.monotonic`, for ages.
        dropped: frames that were read and left out just before this one.
        epoch: grows by one with each reconnection of the source, from 0.
    """

    image: ImageArray
    source: str
    index: int
    pts_seconds: float | None
    captured_at: float
    captured_monotonic: float
    dropped: int = 0
    epoch: int = 0

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width, pixels."""
        return self.image.shape[0], self.image.shape[1]


def take_frame(image: ImageArray, source: str, index: int, pts_seconds: float | None) -> Frame:
    """Returns the frame of a picture that was read just now."""
    return Frame(
        image=image,
        source=source,
        index=index,
        pts_seconds=pts_seconds,
        captured_at=time.time(),
        captured_monotonic=time.monotonic(),
    )
