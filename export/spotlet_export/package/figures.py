"""Drawn figures: simple pictures of things that detectors are often trained for.

A network of photographs finds nothing in discs and bars, but may find a ball, a face or a letter.
"""

from collections.abc import Callable
from itertools import pairwise

import cv2
import numpy as np

from spotlet.letterbox import ImageArray

SIZES_HW = ((240, 320), (320, 240), (256, 256))
"""In turn: wide, tall, square."""

SKINS = ((150, 180, 225), (100, 140, 200), (60, 90, 140))
"""Blue, green, red."""

Random = np.random.Generator
Colour = tuple[int, ...]


class Pen:
    """Draws shapes into a square of a frame; places and sizes are in parts of its side."""

    def __init__(self, frame: ImageArray, rng: Random) -> None:
        self.frame = frame
        height, width = frame.shape[:2]
        self.side = min(height, width) * float(rng.uniform(0.55, 0.9))
        self.left = float(rng.uniform(0, width - self.side))
        self.top = float(rng.uniform(0, height - self.side))

    def at(self, x: float, y: float) -> tuple[int, int]:
        """Returns a point's pixel."""
        return round(self.left + x * self.side), round(self.top + y * self.side)

    def disc(self, x: float, y: float, wide: float, high: float, colour: Colour) -> None:
        """Fills an ellipse with these half axes."""
        axes = (max(1, round(wide * self.side)), max(1, round(high * self.side)))
        cv2.ellipse(self.frame, self.at(x, y), axes, 0, 0, 360, colour, -1, cv2.LINE_AA)

    def area(self, colour: Colour, *points: tuple[float, float]) -> None:
        """Fills a polygon."""
        corners = np.array([self.at(x, y) for x, y in points], np.int32)
        cv2.fillPoly(self.frame, [corners], colour, cv2.LINE_AA)

    def box(self, x1: float, y1: float, x2: float, y2: float, colour: Colour) -> None:
        """Fills a rectangle."""
        self.area(colour, (x1, y1), (x2, y1), (x2, y2), (x1, y2))

    def line(self, colour: Colour, thickness: float, *points: tuple[float, float]) -> None:
        """Draws a line through points."""
        for start, end in pairwise(points):
            width = max(1, round(thickness * self.side))
            cv2.line(self.frame, self.at(*start), self.at(*end), colour, width, cv2.LINE_AA)


def draw_figure(number: int) -> tuple[str, ImageArray]:
    """Returns the name of a figure's kind and a frame with it, (H, W, 3) uint8 BGR.

    Args:
        number: from 0; the kind changes first, then colours, place and size.
    """
    rng = np.random.default_rng(number)
    kind = tuple(KINDS)[number % len(KINDS)]
    height, width = SIZES_HW[number // len(KINDS) % len(SIZES_HW)]
    corners = rng.integers(90, 240, (2, 2, 3)).astype(np.float32)
    ramp = cv2.resize(corners, (width, height), interpolation=cv2.INTER_LINEAR)
    frame = np.clip(ramp + rng.normal(0, 3, ramp.shape), 0, 255).astype(np.uint8)
    KINDS[kind](Pen(frame, rng), rng)
    return kind, cv2.GaussianBlur(frame, (3, 3), 0).astype(np.uint8)


def _colour(rng: Random) -> Colour:
    return tuple(int(level) for level in rng.integers(0, 256, 3))


def _face(pen: Pen, rng: Random) -> None:
    skin, hair = (
        SKINS[int(rng.integers(len(SKINS)))],
        tuple(int(v) for v in rng.integers(10, 70, 3)),
    )
    shade = tuple(round(level * 0.75) for level in skin)
    pen.disc(0.5, 0.46, 0.36, 0.44, hair)
    pen.box(0.4, 0.8, 0.6, 1.0, shade)
    pen.disc(0.5, 0.54, 0.3, 0.4, skin)
    for x in (0.38, 0.62):
        pen.line(hair, 0.03, (x - 0.08, 0.4), (x, 0.38), (x + 0.08, 0.4))
        pen.disc(x, 0.47, 0.065, 0.035, (240, 240, 240))
        pen.disc(x, 0.47, 0.03, 0.033, (40, 40, 40))
    pen.line(shade, 0.03, (0.5, 0.48), (0.47, 0.64), (0.53, 0.64))
    pen.disc(0.5, 0.77, 0.11, 0.03, (80, 70, 170))
    pen.line((50, 40, 110), 0.012, (0.39, 0.77), (0.61, 0.77))


def _person(pen: Pen, rng: Random) -> None:
    skin, coat, legs = SKINS[int(rng.integers(len(SKINS)))], _colour(rng), _colour(rng)
    pen.disc(0.5, 0.1, 0.075, 0.09, skin)
    pen.disc(0.5, 0.05, 0.08, 0.055, (30, 30, 40))
    pen.area(coat, (0.36, 0.2), (0.64, 0.2), (0.62, 0.56), (0.38, 0.56))
    for side in (-1, 1):
        pen.line(coat, 0.07, (0.5 + side * 0.14, 0.24), (0.5 + side * 0.2, 0.5))
        pen.disc(0.5 + side * 0.2, 0.54, 0.03, 0.04, skin)
        pen.line(legs, 0.1, (0.5 + side * 0.06, 0.55), (0.5 + side * 0.08, 0.93))
        pen.disc(0.5 + side * 0.1, 0.97, 0.07, 0.03, (30, 30, 30))


def _car(pen: Pen, rng: Random) -> None:
    paint = _colour(rng)
    pen.disc(0.5, 0.76, 0.48, 0.04, (70, 70, 70))
    pen.area(paint, (0.22, 0.48), (0.33, 0.3), (0.68, 0.3), (0.8, 0.48))
    glass = (190, 170, 150)
    pen.area(glass, (0.27, 0.47), (0.35, 0.33), (0.5, 0.33), (0.5, 0.47))
    pen.area(glass, (0.53, 0.47), (0.53, 0.33), (0.66, 0.33), (0.74, 0.47))
    pen.area(paint, (0.03, 0.52), (0.22, 0.47), (0.8, 0.47), (0.97, 0.54), (0.97, 0.7), (0.03, 0.7))
    pen.box(0.03, 0.55, 0.08, 0.59, (40, 40, 220))
    pen.box(0.92, 0.56, 0.97, 0.6, (200, 250, 250))
    for x in (0.24, 0.76):
        pen.disc(x, 0.69, 0.1, 0.1, (30, 30, 30))
        pen.disc(x, 0.69, 0.05, 0.05, (180, 180, 180))


def _ball(pen: Pen, rng: Random) -> None:
    base = np.array(_colour(rng))
    for step in range(12):  # lit from the upper left
        level = 0.45 + 0.55 * step / 11
        colour = tuple(int(value) for value in np.clip(base * level + 70 * level**4, 0, 255))
        pen.disc(0.5 - 0.012 * step, 0.5 - 0.012 * step, *(0.45 * (1 - step / 14),) * 2, colour)


def _sign(pen: Pen, rng: Random) -> None:
    turns = np.linspace(0, 2 * np.pi, 9)[:8] + np.pi / 8
    for radius, colour in ((0.48, (240, 240, 240)), (0.44, (30, 30, 190))):
        pen.area(colour, *((0.5 + radius * np.cos(t), 0.5 + radius * np.sin(t)) for t in turns))
    _write(pen, "STOP", 0.12, 0.6, 0.76, (245, 245, 245))


def _clock(pen: Pen, rng: Random) -> None:
    pen.disc(0.5, 0.5, 0.46, 0.46, _colour(rng))
    pen.disc(0.5, 0.5, 0.41, 0.41, (245, 245, 245))
    for turn in np.arange(12) * np.pi / 6:
        ray = np.array([np.cos(turn), np.sin(turn)])
        start, end = 0.5 + 0.33 * ray, 0.5 + 0.38 * ray
        pen.line((20, 20, 20), 0.02, (start[0], start[1]), (end[0], end[1]))
    for length, turn, thickness in zip(
        (0.2, 0.31), rng.uniform(0, 6.3, 2), (0.03, 0.02), strict=True
    ):
        end = 0.5 + length * np.array([np.cos(turn), np.sin(turn)])
        pen.line((20, 20, 20), thickness, (0.5, 0.5), (end[0], end[1]))


def _screen(pen: Pen, rng: Random) -> None:
    pen.box(0.02, 0.15, 0.98, 0.75, (25, 25, 25))
    pen.box(0.05, 0.18, 0.95, 0.71, _colour(rng))
    pen.box(0.45, 0.75, 0.55, 0.85, (40, 40, 40))
    pen.box(0.3, 0.85, 0.7, 0.89, (40, 40, 40))


def _bottle(pen: Pen, rng: Random) -> None:
    glass = _colour(rng)
    pen.area(
        glass, (0.44, 0.06), (0.56, 0.06), (0.57, 0.3), (0.66, 0.42), (0.66, 0.97), (0.34, 0.97),
        (0.34, 0.42), (0.43, 0.3),
    )  # fmt: skip
    pen.box(0.43, 0.02, 0.57, 0.08, _colour(rng))
    pen.box(0.34, 0.54, 0.66, 0.8, (235, 235, 235))
    pen.line((250, 250, 250), 0.015, (0.38, 0.46), (0.38, 0.95))


def _letters(pen: Pen, rng: Random) -> None:
    signs = "ABCDEFGHKLMNPRSTUVWXYZ2345678"
    text = "".join(signs[int(n)] for n in rng.integers(0, len(signs), 4))
    colour = tuple(int(level) for level in rng.integers(0, 90, 3))
    _write(pen, text, 0.05, 0.6, 0.9, colour)


def _write(pen: Pen, text: str, x: float, y: float, wide: float, colour: Colour) -> None:
    """Writes text from a point on its base line, with this width."""
    font, unit = cv2.FONT_HERSHEY_SIMPLEX, 100.0
    (length, _), _ = cv2.getTextSize(text, font, unit / 30, 3)
    scale = wide * pen.side / length * unit / 30
    thickness = max(1, round(scale * 3))
    cv2.putText(pen.frame, text, pen.at(x, y), font, scale, colour, thickness, cv2.LINE_AA)


KINDS: dict[str, Callable[[Pen, Random], None]] = {
    "face": _face,
    "person": _person,
    "car": _car,
    "ball": _ball,
    "sign": _sign,
    "clock": _clock,
    "screen": _screen,
    "bottle": _bottle,
    "letters": _letters,
}
