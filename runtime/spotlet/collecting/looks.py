"""Which frames show the same: by a hash of the picture, and of what is interesting in it.

A camera that does not move shows almost the same picture all day, so the hash of the picture alone
would drop a person far away together with the empty yard. Measured on 60 photographs, 1280 x 720,
as two frames of one scene (noise of 4 grey levels, JPEG at quality 85): the hashes of the pictures
differ by at most 2 of 255 bits, and by 8 if the light changes by 15 %. An object that appears
changes the picture's hash by this many bits, at a height of

    3 %: 0 to 4    5 %: 0 to 6    10 %: 0 to 14    20 %: 2 to 32    30 %: 6 to 42

but the hash of its surroundings, twice its size, by 28 to 134 bits at all of these heights; there,
noise alone changes up to 28 bits at 3 % (22 pixels), 18 at 5 %, 8 at 10 %.

So two frames show the same

- by the picture, within `ALIKE_BITS`, if the object of interest is large;
- by the picture and by its surroundings, both within `ALIKE_BITS`, if it is small. They are a tile
  of a fixed grid, since a box trembles. A kept frame has the hashes of the tiles of its own objects
  and of those of frames before it;
- by the picture, within `SAME_PICTURE_BITS`, if there is no such object: drawn at random.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spotlet.collecting.choice import Box
from spotlet.image_files.likeness import ALIKE_BITS, PictureHash, bits_apart, hash_of
from spotlet.letterbox import ImageArray

SAME_PICTURE_BITS = 8
"""The most that a change of light makes; above."""

LEAST_TILE_PIXELS = 64
"""Smaller tiles would be enlarged for the hash."""

MOST_TILES = 32
"""Tiles of a frame that are hashed: bounds time and file size."""

Tile = tuple[int, int, int]
"""Top, left and side of a square of the frame, pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What a frame shows.

    Attributes:
        picture: hash of the picture; None if it is of one colour.
        tiles: hashes of the surroundings of small objects.
        focus: the tile of the object of interest; None if it is not small.
        limit_bits: the most in which the picture of a frame that shows the same differs.
    """

    picture: PictureHash | None
    tiles: Mapping[Tile, PictureHash] = field(default_factory=dict)
    focus: Tile | None = None
    limit_bits: int = ALIKE_BITS

    @classmethod
    def of(
        cls,
        image_bgr: ImageArray,
        focus_xyxy: Box | None,
        boxes: Iterable[Box] = (),
        tiles: Iterable[Tile] = (),
    ) -> "Look":
        """Returns the look of a frame.

        Args:
            image_bgr: (H, W, 3) uint8.
            focus_xyxy: the object of interest, pixels.
            boxes: of all objects, pixels, the most important first.
            tiles: more to hash, of other frames.
        """
        size_hw = image_bgr.shape[0], image_bgr.shape[1]
        focus = None if focus_xyxy is None else tile_around(focus_xyxy, size_hw)
        places = [focus, *(tile_around(box, size_hw) for box in boxes), *tiles]
        hashes: dict[Tile, PictureHash] = {}
        for place in dict.fromkeys(places):
            if place is None or len(hashes) == MOST_TILES:
                continue
            top, left, side = place
            part = image_bgr[top : top + side, left : left + side]
            bits = hash_of(part) if part.shape[:2] == (side, side) else None
            if bits is not None:
                hashes[place] = bits
        limit = SAME_PICTURE_BITS if focus_xyxy is None else ALIKE_BITS
        return cls(hash_of(image_bgr), hashes, focus if focus in hashes else None, limit)

    @classmethod
    def from_json(cls, about: Mapping[str, Any]) -> "Look | None":
        """Returns the look that `to_json` noted; None if there is none that can be read."""
        picture, noted = _from_hex(about.get("hash")), about.get("tiles")
        if picture is None or not isinstance(noted, dict):
            return None
        tiles = {}
        for place, text in noted.items():
            bits = _from_hex(text)
            sides = [int(each) for each in place.split(",") if each.isdecimal()]
            if bits is not None and len(sides) == 3:
                tiles[sides[0], sides[1], sides[2]] = bits
        return cls(picture, tiles)

    def to_json(self) -> dict[str, Any]:
        """Returns the hashes, each as 64 hexadecimal digits of which the last bit is 0."""
        tiles = {",".join(map(str, tile)): _to_hex(bits) for tile, bits in self.tiles.items()}
        return {"hash": None if self.picture is None else _to_hex(self.picture), "tiles": tiles}


class Looks:
    """The looks of all frames that are kept."""

    def __init__(self) -> None:
        self._pictures: list[PictureHash] = []
        self._tiles: dict[Tile, list[tuple[PictureHash, PictureHash]]] = {}

    @property
    def tiles(self) -> Iterable[Tile]:
        """The tiles that any of them has, the first first."""
        return self._tiles

    def add(self, look: Look) -> None:
        """Adds a frame's."""
        if look.picture is None:
            return
        self._pictures.append(look.picture)
        for tile, bits in look.tiles.items():
            self._tiles.setdefault(tile, []).append((look.picture, bits))

    def has_alike(self, look: Look) -> bool:
        """Whether a frame that is kept shows the same; a picture of one colour always does.

        One colour is a covered lens or a lost signal: nothing to label.
        """
        if look.picture is None:
            return True
        if look.focus is None:
            apart = bits_apart(self._pictures, look.picture)
            return bool((apart <= look.limit_bits).any())
        there = self._tiles.get(look.focus, [])
        pictures = bits_apart([picture for picture, _ in there], look.picture)
        tiles = bits_apart([bits for _, bits in there], look.tiles[look.focus])
        return bool(((pictures <= ALIKE_BITS) & (tiles <= ALIKE_BITS)).any())


def tile_around(box: Box, size_hw: tuple[int, int]) -> Tile | None:
    """Returns the tile of the grid around a box; None around a large one.

    Its side is the frame's shorter one, halved as long as it is twice the box and enough pixels;
    its corner is on a grid of half its side.
    """
    left, top, right, bottom = box
    side = min(size_hw)
    wanted = max(2 * (right - left), 2 * (bottom - top), LEAST_TILE_PIXELS)
    while side // 2 >= wanted:
        side //= 2
    if side == min(size_hw):
        return None
    row = _start((top + bottom) / 2, side, size_hw[0])
    return row, _start((left + right) / 2, side, size_hw[1]), side


def _start(centre: float, side: int, limit: int) -> int:
    step = max(side // 2, 1)
    return min(max(round((centre - side / 2) / step) * step, 0), limit - side)


def _to_hex(bits: PictureHash) -> str:
    return np.packbits(bits).tobytes().hex()


def _from_hex(text: object) -> PictureHash | None:
    try:
        packed = np.frombuffer(bytes.fromhex(str(text)), np.uint8)
    except ValueError:
        return None
    return np.unpackbits(packed)[:255].astype(np.bool_) if len(packed) == 32 else None
