"""How frames are cut: the whole of every frame, in parts that overlap."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spotlet.errors import UsageError
from spotlet.tiles import AUTO_TILES, MOST_TILES, STEP, TileSettings, tile_count

LAYOUTS = st.sampled_from(["auto", "1x1", "2x2", "3x1", "1x9", "64", "200", "640"])
SIDES = st.one_of(st.integers(1, 12), st.integers(1, 1500))


@given(LAYOUTS, st.floats(0, 0.5), SIDES, SIDES)
def test_tiles_cover_a_frame_and_overlap_as_asked(
    layout: str, overlap: float, height: int, width: int
) -> None:
    settings = TileSettings(layout=layout, overlap=overlap)
    assume(layout != "64" or height * width < 300_000)
    whole, *tiles = settings.parts((height, width), (96, 128))
    assert whole == (0, 0, width, height)
    if not tiles:
        return
    assert len(set(tiles)) == len(tiles)
    assert whole not in tiles
    for first, last, side in ((0, 2, width), (1, 3, height)):
        spans = sorted({(tile[first], tile[last]) for tile in tiles})
        assert (spans[0][0], spans[-1][1]) == (0, side)
        for (start, end), (next_start, next_end) in pairwise(spans):
            length = end - start
            assert length == next_end - next_start > 0
            assert end - next_start >= overlap * length - 1  # starts are whole pixels


def test_a_grid_has_as_many_tiles_as_it_says() -> None:
    parts = TileSettings(layout="3x2").parts((1080, 1920), (320, 320))
    assert len(parts) == 7
    assert parts[1] == (0, 0, 768, 618)
    assert parts[-1] == (1152, 462, 1920, 1080)


def test_a_frame_that_fits_into_a_tile_is_not_cut() -> None:
    assert TileSettings(layout="640").parts((480, 640), (320, 320)) == [(0, 0, 640, 480)]
    assert TileSettings(layout="auto").parts((480, 640), (320, 320)) == [(0, 0, 640, 480)]
    assert TileSettings(layout="2x2").parts((1, 1), (320, 320)) == [(0, 0, 1, 1)]


def test_a_frame_that_is_longer_than_a_tile_in_one_direction_is_cut_in_that_direction() -> None:
    parts = TileSettings(layout="400").parts((200, 700), (320, 320))
    assert parts == [(0, 0, 700, 200), (0, 0, 400, 200), (300, 0, 700, 200)]


@pytest.mark.parametrize(
    ("size_hw", "tiles"), [((480, 640), 0), ((720, 1280), 6), ((1080, 1920), 8), ((2160, 3840), 15)]
)
def test_auto_shrinks_little_and_has_few_tiles(size_hw: tuple[int, int], tiles: int) -> None:
    parts = TileSettings(layout="auto").parts(size_hw, (320, 320))
    assert len(parts) - 1 == tiles <= AUTO_TILES
    if 0 < tiles < AUTO_TILES // 2:
        assert max(np.subtract(parts[1][2:], parts[1][:2])) <= 640


@given(
    st.sampled_from([(2160, 3840), (4320, 7680), (600, 900), (1, 65_535)]),
    st.integers(1, 300),
    st.sampled_from([0.0, 0.25, 0.5]),
)
def test_tiles_that_would_be_too_many_are_larger(
    size_hw: tuple[int, int], side: int, overlap: float
) -> None:
    settings = TileSettings(layout=str(side), overlap=overlap)
    parts = settings.parts(size_hw, (320, 320))
    assert len(parts) - 1 <= MOST_TILES
    larger = settings.side(size_hw)
    assert larger >= side
    if larger > side:  # a step smaller would be too many
        down, across = (tile_count(each, int(larger / STEP) - 1, overlap) for each in size_hw)
        assert down * across > MOST_TILES


@pytest.mark.parametrize(
    "layout", ["", "0", "2x", "x2", "0x2", "10x2", "2X2", "on", "-64", "64.0", "²", None, 2, True]
)
def test_an_invalid_layout_is_refused(layout: object) -> None:
    with pytest.raises(UsageError, match="must be off, auto, tiles across by tiles down"):
        TileSettings(layout=layout)  # type: ignore[arg-type]


@pytest.mark.parametrize("overlap", [-0.1, 0.6, float("nan"), True, "0.2", None])
def test_an_overlap_out_of_range_is_refused(overlap: object) -> None:
    with pytest.raises(UsageError, match="overlap"):
        TileSettings(layout="2x2", overlap=overlap)  # type: ignore[arg-type]
