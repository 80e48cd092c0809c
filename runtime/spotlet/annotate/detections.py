"""Detections drawn on their frame, and pictures side by side."""

from collections.abc import Sequence

import cv2
import numpy as np

from spotlet.annotate.counts import draw_numbers, draw_shapes
from spotlet.annotate.lettering import Colour, Plate, contrast, line_pixels
from spotlet.detections import Detection, Detections
from spotlet.errors import UsageError
from spotlet.letterbox import FrameArray, ImageArray, Letterbox, require_frame

PALETTE_RGB: tuple[Colour, ...] = (
    *((255, 60, 60), (0, 255, 0), (15, 90, 255), (45, 240, 255), (255, 210, 0)),
    *((255, 180, 240), (60, 135, 45), (255, 0, 225), (0, 120, 195), (255, 180, 135)),
    *((210, 30, 120), (0, 240, 165), (150, 210, 0), (150, 75, 180), (255, 135, 0)),
    *((135, 105, 0), (210, 225, 135), (165, 0, 255), (180, 75, 75), (0, 165, 135)),
)
"""Each is the colour farthest from those before it in CIELAB, among the saturated ones of
middle lightness; any two are at least 34 apart. Class 20 starts again at the first."""

LEAST_RIMMED_PIXELS = 160
"""Shorter side from which a line gets a black or white rim; below, it would hide too much."""

MOST_LABEL_SHARE = 1 / 6
"""A label taller than this share of the frame would hide its object: it is omitted."""


def class_colour_bgr(class_id: int) -> Colour:
    """Returns the colour of a class id, always the same.

    Example:
        >>> class_colour_bgr(0)
        (60, 60, 255)
    """
    red, green, blue = PALETTE_RGB[class_id % len(PALETTE_RGB)]
    return blue, green, red


def draw_detections(
    frame_bgr: FrameArray | None, detections: Detections, *, labels: bool = True
) -> ImageArray:
    """Returns a copy of the frame with boxes, names, track ids, scores and counts.

    Lines and text scale with the frame. A label is above its box, else below, else inside, and
    always within the frame; one that would be too small to read, or would cover its object, is
    omitted, and only the colour shows the class.

    Args:
        frame_bgr: (H, W, 3) uint8.
        detections: in pixels of that frame. Those held from an earlier frame get a thin box, and no
            score.
        labels: whether to write names and scores; if not, only the colours show the classes.

    Returns:
        (H, W, 3) uint8; the best detection is on top.

    Raises:
        UsageError: the array is not such a frame.
    """
    image = np.array(require_frame(frame_bgr), order="C")
    is_held = detections.held is not None
    weakest_first = list(detections.present)[::-1]
    if detections.counts is not None:
        draw_shapes(image, detections.counts)
    for found in weakest_first:
        _draw_box(image, found, is_held=is_held)
    for found in weakest_first if labels else ():
        _draw_label(image, found, is_held=is_held)
    if detections.counts is not None:
        draw_numbers(image, detections.counts)
    return image


def contact_sheet(
    images: Sequence[ImageArray], columns: int, cell_hw: tuple[int, int]
) -> ImageArray:
    """Returns the images side by side, row by row, each fitted into a cell.

    Args:
        images: (H, W, 3) uint8 BGR each, of any sizes; at least one.
        columns: of the sheet, at least 1.
        cell_hw: height and width of a cell, pixels.

    Returns:
        (rows * cell height, columns * cell width, 3) uint8 BGR; unused cells are white.

    Raises:
        UsageError: no image, or no column.
    """
    if not images or columns < 1:
        raise UsageError(
            f"a contact sheet of {len(images)} images in {columns} columns: needs at least "
            "one of each"
        )
    height, width = cell_hw
    rows = -(-len(images) // columns)
    sheet = np.full((rows * height, columns * width, 3), 255, np.uint8)
    for number, image in enumerate(images):
        top, left = number // columns * height, number % columns * width
        cell = Letterbox((image.shape[0], image.shape[1]), cell_hw, "area", pad_value=255)
        sheet[top : top + height, left : left + width] = cell.apply(image)
    return sheet


def _draw_box(image: ImageArray, found: Detection, *, is_held: bool) -> None:
    """Draws a box in its class's colour, with a black or white rim if there is room."""
    height, width = image.shape[:2]
    line = 1 if is_held else line_pixels((height, width))
    # The line lies inside the box, so that it is fully visible at the frame's border.
    inset = line // 2
    left, top, right, bottom = (round(side) for side in found.box_xyxy)
    first = (min(left + inset, width - 1), min(top + inset, height - 1))
    last = (max(right - 1 - inset, first[0]), max(bottom - 1 - inset, first[1]))
    colour = class_colour_bgr(found.class_id)
    if line > 1:
        cv2.rectangle(image, first, last, contrast(colour), line + max(2, line // 2 * 2))
    elif min(height, width) >= LEAST_RIMMED_PIXELS:
        around = (first[0] - 1, first[1] - 1), (last[0] + 1, last[1] + 1)
        cv2.rectangle(image, *around, contrast(colour), line)
    cv2.rectangle(image, first, last, colour, line)


def _draw_label(image: ImageArray, found: Detection, *, is_held: bool) -> None:
    """Draws the name and the score on a filled label, if there is room for one."""
    height, width = image.shape[:2]
    number = "" if found.track_id is None else f"#{found.track_id} "
    score = "held" if is_held else f"{found.score:.2f}"
    plate = Plate(f"{number}{found.name} {score}", (height, width))
    label_width, label_height = plate.width, plate.height
    if label_width > width or label_height > height * MOST_LABEL_SHARE:
        return
    left, top, right, bottom = (round(side) for side in found.box_xyxy)
    left = min(max(left, 0), width - label_width)
    if top - label_height >= 0:
        top -= label_height
    elif bottom + label_height <= height:
        top = bottom
    elif 3 * label_height > bottom - top or label_width > right - left:
        return
    plate.draw(image, (left, top), class_colour_bgr(found.class_id))
