"""White paper for technical drawings: images, rulers beside them, boxes, small print."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from spotlet.annotate.lettering import Colour
from spotlet.letterbox import ImageArray

DETAIL = 3
"""All is drawn so many times as large and shrunk in the end: that makes lines and letters fine."""

TEXT_SCALE = 0.45
"""Of OpenCV's font: capitals of about 9 pixels."""

TEXT_WEIGHT = 1
"""OpenCV's thickness of a letter: from version 5 on, 2 is bold."""

TICK = 4
"""Half the length of the strokes that end a part of a ruler, pixels."""

INK: Colour = (50, 50, 50)
RULER: Colour = (150, 150, 150)
ACCENT: Colour = (20, 90, 240)

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_WHITE: Colour = (255, 255, 255)


class Panel(NamedTuple):
    """Where an image is drawn, and how large.

    Attributes:
        left: pixels of the sheet.
        top: pixels of the sheet.
        width: as drawn, at least 1.
        height: as drawn, at least 1.
        scale: pixels of the sheet for one of the image.
    """

    left: int
    top: int
    width: int
    height: int
    scale: float

    @classmethod
    def fitted(
        cls, left: int, top: int, image_hw: tuple[int, int], room_hw: tuple[int, int]
    ) -> "Panel":
        """Returns the panel of an image that is scaled so that it just fits a room."""
        scale = min(room_hw[0] / image_hw[0], room_hw[1] / image_hw[1])
        height, width = (max(1, round(side * scale)) for side in image_hw)
        return cls(left, top, width, height, scale)

    @property
    def right(self) -> int:
        """The first column right of the image."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """The first row below the image."""
        return self.top + self.height


class Sheet:
    """A drawing in the making. Coordinates are pixels of the finished sheet, which may be parts."""

    def __init__(self, size_hw: tuple[int, int]) -> None:
        """Begins with white.

        Args:
            size_hw: of the finished sheet.
        """
        self._size_hw = size_hw
        self._paper = np.full((size_hw[0] * DETAIL, size_hw[1] * DETAIL, 3), 255, np.uint8)

    def finished(self) -> ImageArray:
        """Returns the sheet, (H, W, 3) uint8 BGR."""
        height, width = self._size_hw
        return cv2.resize(self._paper, (width, height), interpolation=cv2.INTER_AREA).astype(
            np.uint8
        )

    def image(self, panel: Panel, image_bgr: ImageArray) -> None:
        """Draws an image, (H, W, 3) uint8 BGR, as large as its panel."""
        size = (panel.width * DETAIL, panel.height * DETAIL)
        smaller = size[0] < image_bgr.shape[1]
        drawn = cv2.resize(
            image_bgr, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_NEAREST
        )
        left, top = panel.left * DETAIL, panel.top * DETAIL
        self._paper[top : top + size[1], left : left + size[0]] = drawn

    def box(self, panel: Panel, xyxy: Sequence[float]) -> None:
        """Draws a box, in pixels of the panel's image, with a rim that shows on any image."""
        x1, y1, x2, y2 = (side * panel.scale for side in xyxy)
        first = self._point(panel.left + x1, panel.top + y1)
        last = self._point(panel.left + x2, panel.top + y2)
        cv2.rectangle(self._paper, first, last, _WHITE, 4 * DETAIL)
        cv2.rectangle(self._paper, first, last, ACCENT, 2 * DETAIL)

    def text(
        self, xy: tuple[float, float], text: str, *, centred: bool = False, colour: Colour = INK
    ) -> None:
        """Writes ASCII text; `xy` is the left end, or the middle, of the line it stands on."""
        scale, weight = TEXT_SCALE * DETAIL, TEXT_WEIGHT
        (width, _), _ = cv2.getTextSize(text, _FONT, scale, weight)
        x, y = self._point(*xy)
        at = (x - width // 2 if centred else x, y)
        cv2.putText(self._paper, text, at, _FONT, scale, colour, weight, cv2.LINE_AA)

    def ruler_across(self, panel: Panel, y: float, lengths: Sequence[int], text_y: float) -> None:
        """Draws the lengths that make up an image's width, and writes each over or under it.

        Args:
            panel: of the image.
            y: of the ruler.
            lengths: from left to right, pixels of the image.
            text_y: of the line that the numbers stand on.
        """
        for start, end, length in _parts(panel.left, panel.scale, lengths):
            self._line((start, y), (end, y))
            for x in (start, end):
                self._line((x, y - TICK), (x, y + TICK))
            self.text(((start + end) / 2, text_y), str(length), centred=True)

    def ruler_down(self, panel: Panel, x: float, lengths: Sequence[int], text_x: float) -> None:
        """Draws the lengths that make up an image's height, and writes each beside it.

        Args:
            panel: of the image.
            x: of the ruler.
            lengths: from the top down, pixels of the image.
            text_x: the middle of the numbers.
        """
        for start, end, length in _parts(panel.top, panel.scale, lengths):
            self._line((x, start), (x, end))
            for y in (start, end):
                self._line((x - TICK, y), (x + TICK, y))
            self.text((text_x, (start + end) / 2 + TICK), str(length), centred=True)

    def _line(self, first: tuple[float, float], last: tuple[float, float]) -> None:
        cv2.line(self._paper, self._point(*first), self._point(*last), RULER, DETAIL)

    def _point(self, x: float, y: float) -> tuple[int, int]:
        return round(x * DETAIL), round(y * DETAIL)


def _parts(start: float, scale: float, lengths: Sequence[int]) -> list[tuple[float, float, int]]:
    """Returns where each length begins and ends on the sheet, without those of 0."""
    ends = np.cumsum([0, *lengths]) * scale + start
    parts = zip(ends[:-1].tolist(), ends[1:].tolist(), lengths, strict=True)
    return [part for part in parts if part[2] > 0]
