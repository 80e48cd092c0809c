import numpy as np
import pytest

from spotlet.letterbox import ImageArray
from spotlet.manifest import InputRule, Manifest
from spotlet_export.card.letterbox import ACCENT, LINE_HEIGHT, MARGIN, ROOM_HW, draw_letterbox

GREY = 17
"""Darker than letters and lines, so that it is in the picture where there is padding only."""

GREEN = (10, 200, 30)

MIDDLE = MARGIN + ROOM_HW[1] + MARGIN // 2
"""The first column of the canvas's half."""


def make_manifest(size_hw: tuple[int, int], resize: str = "letterbox") -> Manifest:
    rule = InputRule(size_hw=size_hw, pad_value=GREY, resize=resize)
    return Manifest(name="m", classes=("a",), input=rule)


def draw(canvas_hw: tuple[int, int], frame_hw: tuple[int, int]) -> ImageArray:
    frame = np.full((*frame_hw, 3), GREEN, np.uint8)
    return draw_letterbox(make_manifest(canvas_hw), frame)


def runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """Where each stretch of True begins and ends."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


@pytest.mark.parametrize("canvas_hw", [(320, 320), (384, 384), (192, 320), (640, 64)])
@pytest.mark.parametrize("frame_hw", [(720, 1280), (640, 480), (640, 640), (1, 1), (7, 640)])
def test_the_picture_has_one_size_and_nothing_is_cut_off(
    canvas_hw: tuple[int, int], frame_hw: tuple[int, int]
) -> None:
    picture = draw(canvas_hw, frame_hw)
    assert picture.dtype == np.uint8
    assert picture.shape == (496, 880, 3)
    assert (picture[:, [0, -1]] == 255).all(), "something is written beyond the border"
    assert (picture[[0, -1]] == 255).all()
    text = picture[MARGIN + ROOM_HW[0] + 2 :].min(axis=2) < 255
    assert not text[:, MIDDLE : MIDDLE + MARGIN // 2].any(), "the two texts meet"
    lines = [text[4 + n * LINE_HEIGHT : 4 + (n + 1) * LINE_HEIGHT] for n in range(4)]
    filled = canvas_hw[0] * frame_hw[1] == canvas_hw[1] * frame_hw[0]
    assert [bool(line[:, :MIDDLE].any()) for line in lines] == [True, True, True, not filled]
    assert all(line[:, MIDDLE:].any() for line in lines)


def test_padding_above_and_below_is_drawn_where_the_letterbox_puts_it() -> None:
    # 640 x 320 on 320 x 320: 160 rows of the frame between 80 and 80. The canvas is drawn 1:1.
    picture = draw((320, 320), (320, 640))
    grey = (picture == GREY).all(axis=2)
    top = MARGIN
    assert runs(grey.any(axis=1)) == [(top, top + 80), (top + 240, top + 320)]
    assert runs(grey.any(axis=0)) == [(MIDDLE + MARGIN, MIDDLE + MARGIN + 320)]
    assert grey.sum() == 160 * 320
    assert (picture[top + 80, MIDDLE + MARGIN] == GREEN).all()


def test_padding_at_the_sides_is_drawn_twice_as_large_for_a_small_canvas() -> None:
    # 100 x 400 on 190 x 160: 40 columns of the frame between 75 and 75, each pixel drawn as 2.
    picture = draw((160, 190), (400, 100))
    grey = (picture == GREY).all(axis=2)
    left = MIDDLE + MARGIN
    assert runs(grey.any(axis=0)) == [(left, left + 150), (left + 230, left + 380)]
    assert runs(grey.any(axis=1)) == [(MARGIN, MARGIN + 320)]


def test_the_box_lies_on_the_canvas_where_it_moved_to() -> None:
    picture = draw((320, 320), (320, 640))
    top, left = MARGIN, MIDDLE + MARGIN
    accent = (picture == ACCENT).all(axis=2)[top : top + 320, left : left + 320]
    rows, columns = np.flatnonzero(accent.any(axis=1)), np.flatnonzero(accent.any(axis=0))
    # 192, 80, 397, 240 of the frame, halved and 80 lower; the line is 2 wide.
    found = (columns[0] + 1, rows[0] + 1, columns[-1], rows[-1])
    assert np.abs(np.array(found) - (96, 120, 198.5, 200)).max() <= 1.5


def test_the_frame_itself_is_shown_beside_it() -> None:
    frame = np.full((360, 640, 3), GREEN, np.uint8)
    frame[:, 320:] = (200, 10, 90)
    picture = draw_letterbox(make_manifest((320, 320)), frame)
    middle, last = MARGIN + ROOM_HW[1] // 2, MARGIN + ROOM_HW[1] - 1
    for column, colour in (
        (MARGIN, GREEN),
        (middle - 3, GREEN),
        (middle + 3, (200, 10, 90)),
        (last, (200, 10, 90)),
    ):
        assert (picture[MARGIN + 3, column] == colour).all()


def test_a_frame_that_fills_the_canvas_leaves_no_rest_to_write_of() -> None:
    frame = np.full((100, 400, 3), GREEN, np.uint8)
    pictures = [
        draw_letterbox(make_manifest((320, 320), resize), frame)
        for resize in ("stretch", "letterbox")
    ]
    line = slice(MARGIN + ROOM_HW[0] + 3 * LINE_HEIGHT + 4, None)
    assert [bool((each[line, :MIDDLE] < 255).any()) for each in pictures] == [False, True]
    assert not (pictures[0] == GREY).all(axis=2).any()
