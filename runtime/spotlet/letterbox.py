"""Maps a frame of any size to the network's canvas and boxes back: the only implementation.

Training's validation, the export gate and the device all call this module, so a box that is
right in one of them is right in all.

The frame is scaled by one factor so that it just fits, rounded to whole pixels (a half goes
up, as in C++ and JavaScript), and centred on a canvas of one grey value. OpenCV's resize
aligns pixel *edges* (a continuous coordinate x goes to x * new_width / width), so boxes are
mapped by one scale per axis, computed after the rounding, and an offset.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray, clip_boxes
from spotlet.errors import UsageError

ImageArray = npt.NDArray[np.uint8]

FrameArray = npt.NDArray[np.integer[Any] | np.floating[Any]]
"""The declared type of OpenCV's results; `require_frame` narrows it to `ImageArray`."""

PAD_VALUE = 114
"""Grey of the border, near the mean of photographs, so that the border hardly shows as an edge."""

INTERPOLATIONS = {
    "linear_exact": cv2.INTER_LINEAR_EXACT,
    "linear": cv2.INTER_LINEAR,
    "area": cv2.INTER_AREA,
    "nearest": cv2.INTER_NEAREST,
}
"""The names that a manifest may use, with OpenCV's. `linear_exact` and `nearest` produce the same
bytes on every processor; `linear` and `area` differ by one grey level between some."""

RESIZES = ("letterbox", "letterbox_corner", "stretch")
"""How the frame is placed: centred, for Spotlet's own networks; for others, in the top left corner,
or stretched over the canvas with one scale per axis."""


def require_frame(frame_bgr: FrameArray | None) -> ImageArray:
    """Returns the array if it is a frame: (H, W, 3) uint8, with at least one pixel.

    Raises:
        UsageError: the array is not a frame.
    """
    if frame_bgr is None:
        raise UsageError("None in place of a frame: cv2.imread returns it for an unreadable file")
    if not isinstance(frame_bgr, np.ndarray) or frame_bgr.dtype != np.uint8:
        raise UsageError(
            f"a frame of type {getattr(frame_bgr, 'dtype', type(frame_bgr).__name__)}: "
            "must be a numpy array of uint8"
        )
    if frame_bgr.ndim != 3 or frame_bgr.shape[2] != 3 or frame_bgr.size == 0:
        raise UsageError(f"a frame of shape {frame_bgr.shape}: must be (H, W, 3), BGR")
    return np.asarray(frame_bgr, np.uint8)


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How a frame of one size lies on a canvas of another.

    Attributes:
        frame_hw: height and width of the frame, pixels.
        canvas_hw: height and width of the canvas, pixels.
        interpolation: a key of `INTERPOLATIONS`.
        pad_value: grey of the border, 0 to 255.
        resize: one of `RESIZES`.

    Raises:
        UsageError: a side is below 1, the interpolation or the resize is unknown, or the pad
            value is not a byte.

    Example:
        >>> box = Letterbox((720, 1280), (320, 320))
        >>> box.resized_hw, box.offset_xy
        ((180, 320), (0, 70))
    """

    frame_hw: tuple[int, int]
    canvas_hw: tuple[int, int]
    interpolation: str = "linear_exact"
    pad_value: int = PAD_VALUE
    resize: str = "letterbox"

    def __post_init__(self) -> None:
        if min(*self.frame_hw, *self.canvas_hw) < 1:
            raise UsageError(
                f"letterbox from {self.frame_hw} to {self.canvas_hw}: each side must be at "
                "least 1 pixel"
            )
        if self.interpolation not in INTERPOLATIONS:
            raise UsageError(
                f"interpolation {self.interpolation!r}: must be one of {', '.join(INTERPOLATIONS)}"
            )
        if self.resize not in RESIZES:
            raise UsageError(f"resize {self.resize!r}: must be one of {', '.join(RESIZES)}")
        if not 0 <= self.pad_value <= 255:
            raise UsageError(f"pad value {self.pad_value}: must be from 0 to 255")

    @property
    def resized_hw(self) -> tuple[int, int]:
        """Height and width of the frame on the canvas, whole pixels, at least 1."""
        if self.resize == "stretch":
            return self.canvas_hw
        (height, width), (canvas_height, canvas_width) = self.frame_hw, self.canvas_hw
        # Whole numbers: a float product near a half could round either way.
        if canvas_height * width <= canvas_width * height:
            return canvas_height, max((2 * width * canvas_height + height) // (2 * height), 1)
        return max((2 * height * canvas_width + width) // (2 * width), 1), canvas_width

    @property
    def offset_xy(self) -> tuple[int, int]:
        """Left and top border, pixels of the canvas; an odd pixel goes right or below."""
        if self.resize != "letterbox":
            return 0, 0
        height, width = self.resized_hw
        return (self.canvas_hw[1] - width) // 2, (self.canvas_hw[0] - height) // 2

    def apply(self, frame: ImageArray, out: ImageArray | None = None) -> ImageArray:
        """Returns the letterboxed frame.

        Args:
            frame: (H, W, 3) uint8 of the size `frame_hw`, any colour order.
            out: (canvas H, canvas W, 3) uint8, C-contiguous, to write into instead of a new
                array.

        Returns:
            (canvas H, canvas W, 3) uint8; `out` if given.

        Raises:
            UsageError: the frame or `out` has the wrong shape or type.
        """
        if frame.shape != (*self.frame_hw, 3) or frame.dtype != np.uint8:
            raise UsageError(
                f"frame of shape {frame.shape} and type {frame.dtype}: this letterbox takes "
                f"{(*self.frame_hw, 3)} uint8"
            )
        canvas = np.empty((*self.canvas_hw, 3), np.uint8) if out is None else out
        if canvas.shape != (*self.canvas_hw, 3) or canvas.dtype != np.uint8:
            raise UsageError(
                f"out of shape {canvas.shape} and type {canvas.dtype}: this letterbox writes "
                f"{(*self.canvas_hw, 3)} uint8"
            )
        height, width = self.resized_hw
        left, top = self.offset_xy
        canvas[:top] = self.pad_value
        canvas[top + height :] = self.pad_value
        canvas[top : top + height, :left] = self.pad_value
        canvas[top : top + height, left + width :] = self.pad_value
        place = canvas[top : top + height, left : left + width]
        resized = cv2.resize(frame, (width, height), dst=place, interpolation=self._method)
        if resized is not place:  # an OpenCV that cannot write into the middle of an array
            place[:] = resized
        return canvas

    @property
    def _method(self) -> int:
        """OpenCV's interpolation: `linear` for `linear_exact` if both return the same.

        If both sides shrink by an odd whole factor, every pixel of the canvas lies on the centre
        of one of the frame: nothing is blended or rounded, and `linear` is faster.
        """
        if self.interpolation == "linear_exact":
            sides = zip(self.frame_hw, self.resized_hw, strict=True)
            if all(old % new == 0 and old // new % 2 for old, new in sides):
                return cv2.INTER_LINEAR
        return INTERPOLATIONS[self.interpolation]

    def to_canvas(self, boxes_xyxy: FloatArray) -> FloatArray:
        """Maps boxes (N, 4) from frame pixels to canvas pixels."""
        scale, offset = self._scale_and_offset()
        moved: FloatArray = (boxes_xyxy * scale + offset).astype(np.float32)
        return moved

    def to_frame(self, boxes_xyxy: FloatArray) -> FloatArray:
        """Maps boxes (N, 4) from canvas pixels to frame pixels, clipped to the frame."""
        scale, offset = self._scale_and_offset()
        moved: FloatArray = ((boxes_xyxy - offset) / scale).astype(np.float32)
        return clip_boxes(moved, self.frame_hw)

    def _scale_and_offset(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        scale_y = self.resized_hw[0] / self.frame_hw[0]
        scale_x = self.resized_hw[1] / self.frame_hw[1]
        left, top = self.offset_xy
        return (
            np.array([scale_x, scale_y, scale_x, scale_y]),
            np.array([left, top, left, top], np.float64),
        )
