"""Which frames of one source need no inference."""

from spotlet.letterbox import ImageArray
from spotlet.stillness.change import Picture, reduced, strength_of_change
from spotlet.stillness.settings import StillSettings

MOTION_STRENGTH = 4.0
"""At sensitivity 1; see `strength_of_change`."""

BUSY_SECONDS, BUSY_FRAMES = 1.0, 5
"""Inference goes on for so long after motion, and for so many frames: what moves slowly shows only
now and then, and what has left must be missed in several frames."""

LOOK_SECONDS = 0.25
"""Meanwhile it is measured only so often, so that what always moves costs almost nothing."""


class Scene:
    """What one source showed, and when it was last inferred.

    A picture is compared with the one in which something last moved, or which was inferred last
    without motion. So slow motion adds up until it is noticed.

    Example:
        >>> import numpy as np
        >>> scene = Scene(StillSettings(still_seconds=3))
        >>> grey = np.full((180, 320, 3), 99, np.uint8)
        >>> "".join("i-"[scene.is_still(grey, second / 2)] for second in range(20))
        'iiiii-----i-----i---'
    """

    def __init__(self, settings: StillSettings, across: int = 160) -> None:
        """Starts without a picture.

        Args:
            settings: what counts as still.
            across: see `reduced`.
        """
        self._limit = MOTION_STRENGTH / settings.sensitivity
        self._still_seconds = settings.still_seconds
        self._across = across
        self._reference: Picture | None = None
        self._inferred_at = self._busy_until = self._look_at = 0.0
        self._busy_frames = 0

    def is_still(self, image_bgr: ImageArray, at_seconds: float) -> bool:
        """Returns whether the next frame need not be inferred.

        Args:
            image_bgr: (H, W, 3) uint8, always of the same size.
            at_seconds: when it was taken, on a clock that never goes back.
        """
        self._busy_frames -= 1
        busy = self._reference is not None and (
            at_seconds < self._busy_until or self._busy_frames > 0
        )
        if busy and at_seconds < self._look_at:
            self._inferred_at = at_seconds
            return False
        picture = reduced(image_bgr, self._across)
        moved = (
            self._reference is None or strength_of_change(self._reference, picture) > self._limit
        )
        if moved:
            self._busy_until, self._busy_frames = at_seconds + BUSY_SECONDS, BUSY_FRAMES
        due = at_seconds - self._inferred_at >= self._still_seconds
        if moved or (due and not busy):
            self._reference = picture
        self._look_at = at_seconds + LOOK_SECONDS
        if not (moved or busy or due):
            return True
        self._inferred_at = at_seconds
        return False
