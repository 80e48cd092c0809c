"""The input rule as a picture: a frame and the canvas made of it, with one box in both."""

import cv2
import numpy as np

from spotlet.annotate.lettering import Colour
from spotlet.boxes import FloatArray
from spotlet.letterbox import ImageArray, Letterbox
from spotlet.manifest import Manifest

LETTERBOX_FILE = "letterbox.png"
"""The picture's name in a package."""

ROOM_HW = (320, 380)
"""For the frame, and for the canvas, pixels of the picture."""

MARGIN = 40
"""Around both, pixels of the picture."""

LINE_HEIGHT = 24
"""Of the text below, pixels of the picture."""

EXAMPLE_BOX = np.array([[0.30, 0.25, 0.62, 0.75]])
"""A made-up object: left, top, right, bottom in parts of the frame."""

INK: Colour = (50, 50, 50)
ACCENT: Colour = (20, 90, 240)
WHITE: Colour = (255, 255, 255)


def draw_letterbox(manifest: Manifest, frame_bgr: ImageArray) -> ImageArray:
    """Returns a picture of how a frame is placed on a model's canvas.

    On the left the frame, on the right the canvas, with the same made-up object in both; below
    them their sizes, the box and the formula, in pixels of each.

    Args:
        manifest: of the model, for the rule.
        frame_bgr: (H, W, 3) uint8, any size.

    Returns:
        (496, 880, 3) uint8 BGR.
    """
    height, width = frame_bgr.shape[:2]
    rule = manifest.input.letterbox((height, width))
    (new_height, new_width), (left, top) = rule.resized_hw, rule.offset_xy
    box = np.round(EXAMPLE_BOX * (width, height, width, height)).astype(np.float32)
    moved = rule.to_canvas(box)
    borders = (MARGIN, MARGIN + 4 * LINE_HEIGHT, MARGIN, MARGIN // 2)
    panels = [
        cv2.copyMakeBorder(panel, *borders, cv2.BORDER_CONSTANT, value=WHITE)
        for panel in (_panel(frame_bgr, box), _panel(rule.apply(frame_bgr), moved))
    ]
    picture = np.hstack(panels).astype(np.uint8)
    rest = "" if rule.resized_hw == rule.canvas_hw else f"the rest is grey {rule.pad_value}"
    columns = (
        (
            f"frame: {width} x {height}",
            f"a made-up box: {_figures(box)}",
            f"resized to {new_width} x {new_height}, placed at ({left}, {top})",
            rest,
        ),
        (
            f"canvas, which the network sees: {rule.canvas_hw[1]} x {rule.canvas_hw[0]}",
            f"the same box: {_figures(moved)}",
            f"x on the canvas = x * {new_width} / {width} + {left}",
            f"y on the canvas = y * {new_height} / {height} + {top}",
        ),
    )
    for number, lines in enumerate(columns):
        x = MARGIN + number * (picture.shape[1] // 2)
        for line, text in enumerate(lines, start=1):
            at = (x, MARGIN + ROOM_HW[0] + line * LINE_HEIGHT)
            colour = ACCENT if line == 2 else INK
            cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)
    return picture


def _panel(image_bgr: ImageArray, box: FloatArray) -> ImageArray:
    """Returns an image with a box, (1, 4) xyxy in its pixels, scaled to fit the room's corner."""
    size_hw = (image_bgr.shape[0], image_bgr.shape[1])
    smaller = size_hw[0] > ROOM_HW[0] or size_hw[1] > ROOM_HW[1]
    room = Letterbox(size_hw, ROOM_HW, "area" if smaller else "nearest", 255, "letterbox_corner")
    panel = room.apply(image_bgr)
    x1, y1, x2, y2 = (round(float(side)) for side in room.to_canvas(box)[0])
    for colour, thickness in ((WHITE, 4), (ACCENT, 2)):
        cv2.rectangle(panel, (x1, y1), (x2, y2), colour, thickness)
    return panel


def _figures(box: FloatArray) -> str:
    return ", ".join(f"{round(side, 1):g}" for side in box[0].tolist())
