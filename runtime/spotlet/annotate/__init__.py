"""Detections and counts drawn on a frame."""

from spotlet.annotate.detections import (
    PALETTE_RGB,
    class_colour_bgr,
    contact_sheet,
    draw_detections,
)

__all__ = ["PALETTE_RGB", "class_colour_bgr", "contact_sheet", "draw_detections"]
