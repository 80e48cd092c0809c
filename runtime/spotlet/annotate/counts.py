"""Lines, zones and their counts drawn on a picture."""

import math
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from spotlet.annotate.lettering import Colour, Plate, contrast, line_pixels
from spotlet.counts import Counts, LineCount, PointXy, by_class
from spotlet.letterbox import ImageArray

LINE_COLOUR: Colour = (0, 255, 255)
ZONE_COLOUR: Colour = (255, 255, 0)
"""Blue, green, red: yellow and cyan, which no class has."""

MOST_CLASSES = 2
"""With more classes, only the sum is written."""

ARROW_SHARE = 1 / 18
"""Length of the arrow towards `in`, over the frame's shorter side."""


def draw_shapes(image: ImageArray, counts: Counts) -> None:
    """Draws zones, and lines with an arrow towards `in`, into an image (H, W, 3)."""
    for zone in counts.zones:
        _stroke(image, [*zone.corners_xy, zone.corners_xy[0]], ZONE_COLOUR)
    for line in counts.lines:
        _stroke(image, [line.start_xy, line.end_xy], LINE_COLOUR)
        _stroke(image, _arrow(line, min(image.shape[:2]) * ARROW_SHARE), LINE_COLOUR)


def draw_numbers(image: ImageArray, counts: Counts) -> None:
    """Writes the counts of lines and zones into an image (H, W, 3), at their upper ends.

    Each stays within the picture and clear of the others if there is room; one that is larger than
    the picture is omitted.
    """
    size_hw = image.shape[0], image.shape[1]
    texts: list[tuple[str, Sequence[PointXy], Colour]] = []
    for line in counts.lines:
        text = f"{line.name}: in {_numbers(line.entered)}, out {_numbers(line.left)}"
        texts.append((text, (line.start_xy, line.end_xy), LINE_COLOUR))
    for zone in counts.zones:
        text = f"{zone.name}: inside {_numbers(zone.inside)}, entered {_numbers(zone.entered)}"
        texts.append((text, zone.corners_xy, ZONE_COLOUR))
    taken: list[tuple[int, int, int, int]] = []
    for text, points, colour in texts:
        plate = Plate(text, size_hw)
        if plate.width > size_hw[1] or plate.height > size_hw[0]:
            continue
        left, top = _free_place(plate, points, size_hw, taken)
        taken.append((left, top, left + plate.width, top + plate.height))
        plate.draw(image, (left, top), colour)


def _numbers(by_name: Mapping[str, int]) -> str:
    return by_class(by_name) if len(by_name) <= MOST_CLASSES else str(sum(by_name.values()))


def _free_place(
    plate: Plate,
    points: Sequence[PointXy],
    size_hw: tuple[int, int],
    taken: Sequence[tuple[int, int, int, int]],
) -> tuple[int, int]:
    """Returns left and top of a plate at the uppermost point, or the nearest free place."""
    height, width = size_hw
    x, y = min(points, key=lambda point: (point[1], point[0]))
    left = min(max(round(x), 0), width - plate.width)
    first = min(max(round(y) - plate.height, 0), height - plate.height)
    steps = range(0, height, plate.height)
    for top in [first + step for step in steps] + [first - step for step in steps]:
        inside = 0 <= top <= height - plate.height
        if inside and not any(
            left < right
            and other_left < left + plate.width
            and top < bottom
            and other_top < top + plate.height
            for other_left, other_top, right, bottom in taken
        ):
            return left, top
    return left, first


def _arrow(line: LineCount, length: float) -> list[PointXy]:
    """Returns the corners of an arrow from the middle of a line towards its `in` side."""
    (start_x, start_y), (end_x, end_y) = line.start_xy, line.end_xy
    whole = math.hypot(end_x - start_x, end_y - start_y)
    along_x, along_y = (end_x - start_x) / whole, (end_y - start_y) / whole
    foot = (start_x + end_x) / 2, (start_y + end_y) / 2
    tip = foot[0] - along_y * length, foot[1] + along_x * length
    barb = length / 3
    back = tip[0] + along_y * barb, tip[1] - along_x * barb
    return [
        foot,
        tip,
        (back[0] + along_x * barb, back[1] + along_y * barb),
        tip,
        (back[0] - along_x * barb, back[1] - along_y * barb),
    ]


def _stroke(image: ImageArray, points: Sequence[PointXy], colour: Colour) -> None:
    """Draws a path with a rim, so that it is visible on any background."""
    line = line_pixels((image.shape[0], image.shape[1]))
    corners = np.round(np.array(points)).astype(np.int32)
    cv2.polylines(image, [corners], False, contrast(colour), line + 2, cv2.LINE_AA)
    cv2.polylines(image, [corners], False, colour, line, cv2.LINE_AA)
