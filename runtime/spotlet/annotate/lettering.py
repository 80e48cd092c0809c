"""Text and lines that scale with the picture."""

import cv2

from spotlet.letterbox import ImageArray

Colour = tuple[int, int, int]
"""Blue, green, red, 0 to 255."""

LINE_SHARE = 1 / 360
"""Width of a box's line over the frame's shorter side."""

TEXT_SHARE = 1 / 45
"""Height of a capital letter over the frame's shorter side."""

LEAST_TEXT_PIXELS = 8
"""Height of the smallest legible capital letter."""

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_CAPITAL_PIXELS = 21  # at scale 1, by measurement
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)


class Plate:
    """A line of text on a filled background.

    Attributes:
        width: of the background, pixels.
        height: of the background, pixels.
    """

    def __init__(self, text: str, size_hw: tuple[int, int]) -> None:
        """Measures the text.

        Args:
            text: ASCII, which is all that OpenCV's font has.
            size_hw: height and width of the picture.
        """
        self._text = text
        text_pixels = max(LEAST_TEXT_PIXELS, min(size_hw) * TEXT_SHARE)
        self._scale = text_pixels / _FONT_CAPITAL_PIXELS
        self._weight = max(1, round(text_pixels / 9))
        self._margin = max(2, round(text_pixels / 3))
        (text_width, self._text_height), below = cv2.getTextSize(
            text, _FONT, self._scale, self._weight
        )
        self.width = text_width + 2 * self._margin
        self.height = self._text_height + below + self._margin

    def draw(self, image: ImageArray, left_top: tuple[int, int], colour: Colour) -> None:
        """Draws it on a background of this colour; it must lie within the image."""
        left, top = left_top
        image[top : top + self.height, left : left + self.width] = colour
        base_line = (left + self._margin, top + self._margin // 2 + self._text_height)
        cv2.putText(
            image,
            self._text,
            base_line,
            _FONT,
            self._scale,
            contrast(colour),
            self._weight,
            cv2.LINE_AA,
        )


def line_pixels(size_hw: tuple[int, int]) -> int:
    """Returns the width of a box's line in a picture."""
    return max(1, round(min(size_hw) * LINE_SHARE))


def contrast(colour_bgr: Colour) -> Colour:
    """Returns black or white, whichever contrasts more with the colour."""
    blue, green, red = colour_bgr
    # Luma of ITU-R BT.601, section 2.5.1.
    return _BLACK if 0.114 * blue + 0.587 * green + 0.299 * red > 128 else _WHITE
