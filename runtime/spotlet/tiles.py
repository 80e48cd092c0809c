"""How a frame is cut into overlapping tiles, so that small objects survive the shrinking.

Source: Akyon et al. 2022, "Slicing Aided Hyper Inference", arXiv:2202.06934, section 3.
"""

import math
import numbers
import re
from dataclasses import dataclass

import numpy as np

from spotlet.errors import SettingError, UsageError

OVERLAP = 0.25
"""Least share of a tile that its neighbour shows too: an object up to that size is whole in one."""

MOST_OVERLAP = 0.5
"""With more, three tiles would show the same."""

MOST_TILES = 256
"""Limit of a frame: a mistyped size, or larger frames of a camera, must not cost minutes each."""

AUTO_SHRINK, AUTO_TILES = 2.0, 16
"""`auto` shrinks tiles to no less than half, unless that would take more tiles than this."""

STEP = 1.1
"""The factor by which tiles are enlarged until they are few enough."""

Part = tuple[int, int, int, int]
"""Left, top, right, bottom edges of a part of a frame, whole pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TileSettings:
    """How a frame is cut.

    Attributes:
        layout: `2x2`, tiles across by tiles down; `640`, the side of square tiles in pixels, larger
            where a frame would need more than `MOST_TILES`; `auto`, from the sizes of frame and
            canvas; `off`, no tiles.
        overlap: the least share of a tile that its neighbour shows too, in [0, 0.5].

    Raises:
        UsageError: a value breaks its rule.

    Example:
        >>> TileSettings(layout="2x1", overlap=0).parts((100, 300), (64, 64))
        [(0, 0, 300, 100), (0, 0, 150, 100), (150, 0, 300, 100)]
    """

    layout: str = "auto"
    overlap: float = OVERLAP

    def __post_init__(self) -> None:
        layout = self.layout if isinstance(self.layout, str) else ""
        if layout not in ("off", "auto") and not re.fullmatch(r"[1-9]\d{0,5}|[1-9]x[1-9]", layout):
            raise SettingError(
                f"`tiles` {self.layout!r}: must be off, auto, tiles across by tiles down such as "
                "2x2, up to 9x9, or the side of a tile in pixels such as 640"
            )
        number = isinstance(self.overlap, numbers.Real) and not isinstance(self.overlap, bool)
        if not number or not 0 <= self.overlap <= MOST_OVERLAP:
            raise UsageError(f"overlap {self.overlap!r} of tiles: must be from 0 to {MOST_OVERLAP}")

    def __bool__(self) -> bool:
        """Whether frames are cut at all."""
        return self.layout != "off"

    def parts(self, frame_hw: tuple[int, int], canvas_hw: tuple[int, int]) -> list[Part]:
        """Returns the parts of a frame to search: first the whole of it, for what is large.

        Tiles that would show the whole frame are left out.

        Args:
            frame_hw: height and width of the frame, pixels.
            canvas_hw: of the network's canvas, pixels.
        """
        height, width = frame_hw
        whole = (0, 0, width, height)
        if not self:
            return [whole]
        if self.layout.isdigit():
            side = self.side(frame_hw)
            tile_hw = min(side, height), min(side, width)
            down, across = self._counts(frame_hw, tile_hw)
        else:
            across, down = self._grid(frame_hw, canvas_hw)
            tile_hw = _side(height, down, self.overlap), _side(width, across, self.overlap)
        tiles = [
            (left, top, left + tile_hw[1], top + tile_hw[0])
            for top in tile_starts(height, tile_hw[0], down)
            for left in tile_starts(width, tile_hw[1], across)
        ]
        return [whole, *(tile for tile in dict.fromkeys(tiles) if tile != whole)]

    def _grid(self, frame_hw: tuple[int, int], canvas_hw: tuple[int, int]) -> tuple[int, int]:
        """Returns how many tiles lie across and down."""
        if self.layout != "auto":
            asked = self.layout.split("x")
            return min(int(asked[0]), frame_hw[1]), min(int(asked[1]), frame_hw[0])
        tile_hw = canvas_hw[0] * AUTO_SHRINK, canvas_hw[1] * AUTO_SHRINK
        while math.prod(self._counts(frame_hw, tile_hw)) > AUTO_TILES:
            tile_hw = tile_hw[0] * STEP, tile_hw[1] * STEP
        down, across = self._counts(frame_hw, tile_hw)
        return across, down

    def side(self, frame_hw: tuple[int, int]) -> int:
        """Returns the side of the square tiles of a frame, pixels, if `layout` is one."""
        side = int(self.layout)
        while math.prod(self._counts(frame_hw, (side, side))) > MOST_TILES:
            side = math.ceil(side * STEP)
        return side

    def _counts(self, frame_hw: tuple[int, int], tile_hw: tuple[float, float]) -> tuple[int, int]:
        """Returns how many tiles lie down and across."""
        down, across = (
            tile_count(*each, self.overlap) for each in zip(frame_hw, tile_hw, strict=True)
        )
        return down, across


def tile_count(side: int, tile: float, overlap: float = OVERLAP) -> int:
    """Returns how many tiles of a length cover a side, with at least the overlap."""
    return 1 + max(math.ceil((side - tile) / (tile * (1 - overlap))), 0)


def tile_starts(side: int, tile: int, count: int) -> list[int]:
    """Returns where so many tiles of a length begin that cover a side evenly."""
    return [round(start) for start in np.linspace(0, side - tile, count).tolist()]


def _side(side: int, count: int, overlap: float) -> int:
    """Returns the length of each of so many tiles that cover a side."""
    return min(math.ceil(side / (count - (count - 1) * overlap)), side)
