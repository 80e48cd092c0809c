"""The input rule as a picture: a frame, its place on the canvas, and a box in both."""

from typing import NamedTuple

import numpy as np

from spotlet.boxes import FloatArray
from spotlet.letterbox import ImageArray, Letterbox
from spotlet.manifest import Manifest
from spotlet_export.card.sheet import ACCENT, Panel, Sheet

LETTERBOX_FILE = "letterbox.png"
"""The picture's name in a package."""

ROOM_HW = (320, 380)
"""For the frame, and for the canvas, pixels of the picture."""

LEAST_WIDTH = 250
"""Of what stands in a column, so that its title has room."""

LEFT, TOP, RIGHT = 60, 68, 54
"""Around a panel, for what is written on its sides, pixels of the picture."""

RULER_GAP = 12
"""From a panel to the ruler beside it."""

NUMBER_GAP = 22
"""From a ruler to the middle of the numbers beside it."""

LINE_HEIGHT = 22
"""From one line of text to the next."""

BOTTOM = 30 + 4 * LINE_HEIGHT
"""Below panels and rulers: what the box is in figures, and the rule."""

EXAMPLE_BOX = (0.30, 0.25, 0.62, 0.75)
"""The object that is drawn: left, top, right, bottom in parts of the frame. Made up."""


class Plan(NamedTuple):
    """What is drawn where.

    Attributes:
        letterbox: the rule for this frame.
        frame: where the frame is drawn.
        canvas: where the canvas is drawn.
        size_hw: of the picture.
    """

    letterbox: Letterbox
    frame: Panel
    canvas: Panel
    size_hw: tuple[int, int]


def draw_letterbox(manifest: Manifest, frame_bgr: ImageArray) -> ImageArray:
    """Returns a picture of how a frame is letterboxed for a model.

    On the left the frame, on the right the canvas, each with its sizes in its own pixels, and
    the same made-up object in both.

    Args:
        manifest: of the model, for the rule.
        frame_bgr: (H, W, 3) uint8, any size.

    Returns:
        (H, W, 3) uint8 BGR, at most 540 high and 988 wide.
    """
    plan = plan_drawing(manifest, (frame_bgr.shape[0], frame_bgr.shape[1]))
    letterbox = plan.letterbox
    size_xyxy = letterbox.frame_hw[::-1] * 2
    boxes = np.round(np.array([EXAMPLE_BOX]) * size_xyxy).astype(np.float32)
    moved = letterbox.to_canvas(boxes)
    sheet = Sheet(plan.size_hw)
    for panel, title, image, box in (
        (plan.frame, "frame", frame_bgr, boxes[0]),
        (plan.canvas, "canvas: what the network sees", letterbox.apply(frame_bgr), moved[0]),
    ):
        rows, columns = image.shape[:2]
        ruler_y, ruler_x = panel.top - RULER_GAP, panel.left - RULER_GAP
        sheet.text((panel.left, LINE_HEIGHT), title)
        sheet.image(panel, image)
        sheet.ruler_across(panel, ruler_y, [columns], ruler_y - 8)
        sheet.ruler_down(panel, ruler_x, [rows], ruler_x - NUMBER_GAP)
        sheet.box(panel, box.tolist())
    _draw_padding(sheet, plan)
    _write_figures(sheet, plan, boxes[0], moved[0])
    return sheet.finished()


def plan_drawing(manifest: Manifest, frame_hw: tuple[int, int]) -> Plan:
    """Returns where the drawing for a frame of a size has its parts."""
    rule = manifest.input
    frame = Panel.fitted(LEFT, TOP, frame_hw, ROOM_HW)
    second = LEFT + max(frame.width, LEAST_WIDTH) + RIGHT + LEFT
    canvas = Panel.fitted(second, TOP, rule.size_hw, ROOM_HW)
    letterbox = rule.letterbox(frame_hw)
    ruler = RULER_GAP + LINE_HEIGHT if letterbox.resized_hw[1] < rule.size_hw[1] else 0
    return Plan(
        letterbox=letterbox,
        frame=frame,
        canvas=canvas,
        size_hw=(
            max(frame.bottom, canvas.bottom + ruler) + BOTTOM,
            second + max(canvas.width, LEAST_WIDTH) + RIGHT,
        ),
    )


def _draw_padding(sheet: Sheet, plan: Plan) -> None:
    """Draws rulers along the padding: to the right where it is above and below, else beneath."""
    panel = plan.canvas
    (height, width), (rows, columns) = plan.letterbox.resized_hw, plan.letterbox.canvas_hw
    left, top = plan.letterbox.offset_xy
    if height < rows:
        x = panel.right + RULER_GAP
        sheet.ruler_down(panel, x, [top, height, rows - top - height], x + NUMBER_GAP)
    if width < columns:
        y = panel.bottom + RULER_GAP
        sheet.ruler_across(panel, y, [left, width, columns - left - width], y + LINE_HEIGHT)


def _write_figures(sheet: Sheet, plan: Plan, box: FloatArray, moved: FloatArray) -> None:
    """Writes what the box is in both images, and how one follows from the other."""
    letterbox = plan.letterbox
    (height, width), (new_height, new_width) = letterbox.frame_hw, letterbox.resized_hw
    left, top = letterbox.offset_xy
    y = plan.size_hw[0] - BOTTOM + 30
    for panel, what, xyxy in (
        (plan.frame, "a made-up box", box),
        (plan.canvas, "the same box", moved),
    ):
        figures = ", ".join(f"{round(side, 1):g}" for side in xyxy.tolist())
        sheet.text((panel.left, y), f"{what}: {figures}", colour=ACCENT)
    for line, text in enumerate(
        (
            f"The frame is resized to {new_width} x {new_height} and laid at ({left}, {top}); "
            f"the rest is grey {letterbox.pad_value}.",
            f"x on the canvas = x * {new_width} / {width} + {left}",
            f"y on the canvas = y * {new_height} / {height} + {top}",
        ),
        start=1,
    ):
        sheet.text((plan.frame.left, y + line * LINE_HEIGHT), text)
