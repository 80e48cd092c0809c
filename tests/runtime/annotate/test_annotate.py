import itertools

import cv2
import numpy as np
import pytest

from spotlet.annotate import PALETTE_RGB, class_colour_bgr, contact_sheet, draw_detections
from spotlet.annotate.counts import LINE_COLOUR, ZONE_COLOUR
from spotlet.counts import Counts, LineCount, ZoneCount
from spotlet.detections import Detections
from spotlet.errors import UsageError

NAMES = ("ankle boot", "bag")


def _one(box: tuple[float, float, float, float], class_id: int = 0) -> Detections:
    return Detections(
        np.array([box], np.float32), np.ones(1, np.float32), np.array([class_id]), NAMES
    )


def _grey(height: int, width: int, value: int = 60) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def _is_colour(image: np.ndarray, class_id: int = 0) -> np.ndarray:
    return np.asarray(np.all(image == class_colour_bgr(class_id), axis=2))


def test_drawing_leaves_the_frame_as_it_was() -> None:
    frame = _grey(240, 320)
    drawn = draw_detections(frame, _one((50, 50, 150, 150)))
    assert (frame == 60).all()
    assert drawn.shape == frame.shape
    assert not (drawn == 60).all()


def test_without_labels_nothing_is_drawn_outside_the_box() -> None:
    frame = _grey(480, 640)
    with_labels, without = (
        draw_detections(frame, _one((100, 200, 300, 400)), labels=labels)
        for labels in (True, False)
    )
    outside = np.ones((480, 640), bool)
    outside[195:405, 95:305] = False
    assert (without[outside] == frame[outside]).all()
    assert (with_labels[outside] != frame[outside]).any()
    assert (without[:, 95:305] != frame[:, 95:305]).any()


def test_a_frame_without_detections_is_drawn_as_it_is() -> None:
    frame = _grey(24, 32)
    assert (draw_detections(frame, Detections.none(NAMES)) == frame).all()


@pytest.mark.parametrize(("height", "width"), [(2160, 3840), (1080, 1920), (240, 320), (64, 64)])
def test_the_boxs_line_lies_on_the_boxs_border_at_every_size(height: int, width: int) -> None:
    left, top, right, bottom = width // 4, height // 3, width // 2, 2 * height // 3
    drawn = draw_detections(_grey(height, width), _one((left, top, right, bottom)))
    coloured = _is_colour(drawn)
    middle = (top + bottom) // 2
    columns = np.flatnonzero(coloured[middle])
    assert abs(int(columns.min()) - left) <= 1
    assert abs(int(columns.max()) - (right - 1)) <= 1
    assert not coloured[middle, (left + right) // 2]


def test_lines_are_wider_on_larger_frames() -> None:
    def line(height: int, width: int) -> int:
        box = (width / 4, height / 4, width / 2, height * 3 / 4)
        row = _is_colour(draw_detections(_grey(height, width), _one(box)))[height // 2]
        return int(row[: 3 * width // 8].sum())

    assert line(2160, 3840) > line(720, 1280) > line(240, 320) == 1


@pytest.mark.parametrize("value", [0, 255])
def test_a_label_is_readable_on_dark_and_on_light_frames(value: int) -> None:
    drawn = draw_detections(_grey(480, 640, value), _one((100, 100, 400, 400)))
    label = drawn[70:98, 100:200]
    lightness = cv2.cvtColor(label, cv2.COLOR_BGR2LAB)[..., 0]
    assert _is_colour(label).mean() > 0.3
    assert int(lightness.max()) - int(lightness.min()) > 100


@pytest.mark.parametrize(
    "box", [(0, 0, 90, 60), (560, 0, 640, 100), (560, 400, 640, 480), (0, 0, 640, 480)]
)
def test_a_label_at_the_border_stays_inside_the_frame(
    box: tuple[float, float, float, float],
) -> None:
    coloured = _is_colour(draw_detections(_grey(480, 640), _one(box)))
    # A label is the only place where a row of many pixels is filled over several rows.
    filled = cv2.erode(coloured.astype(np.uint8), np.ones((4, 8), np.uint8))
    assert filled.any()


def test_a_thumbnail_has_boxes_but_no_label_over_them() -> None:
    drawn = draw_detections(_grey(48, 64), _one((10, 10, 50, 40)))
    assert (drawn[12:38, 12:48] == 60).all()
    assert _is_colour(drawn).any()


def test_a_label_that_would_cover_a_flat_frame_is_left_out() -> None:
    drawn = draw_detections(_grey(48, 800), _one((100, 20, 400, 40)))
    assert (drawn[:19] == 60).all()
    assert (drawn[41:] == 60).all()


def test_a_class_has_one_colour_and_twenty_classes_have_different_ones() -> None:
    assert class_colour_bgr(3) == class_colour_bgr(3)
    colours = (np.array(PALETTE_RGB, np.float32) / 255)[None, :, ::-1]
    lab = cv2.cvtColor(np.ascontiguousarray(colours), cv2.COLOR_BGR2LAB)[0]
    closest = min(np.linalg.norm(a - b) for a, b in itertools.combinations(lab, 2))
    assert len(PALETTE_RGB) == 20
    assert closest >= 34


def test_the_best_detection_lies_on_top() -> None:
    boxes = np.array([[20, 20, 80, 80], [20, 20, 80, 80]], np.float32)
    both = Detections(boxes, np.array([0.9, 0.5], np.float32), np.array([1, 0]), NAMES)
    drawn = draw_detections(_grey(100, 100), both)
    assert _is_colour(drawn, 1)[50, 20]
    assert not _is_colour(drawn, 0)[50].any()


def test_a_contact_sheet_shows_images_of_any_size_row_by_row() -> None:
    red, green = _grey(10, 40), _grey(90, 30)
    red[:], green[:] = (0, 0, 255), (0, 255, 0)
    sheet = contact_sheet([red, green, red], columns=2, cell_hw=(50, 100))
    assert sheet.shape == (100, 200, 3)
    assert tuple(sheet[25, 50]) == (0, 0, 255)
    assert tuple(sheet[25, 150]) == (0, 255, 0)
    assert tuple(sheet[75, 50]) == (0, 0, 255)
    assert (sheet[50:, 100:] == 255).all()


def test_a_contact_sheet_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="needs at least one of each"):
        contact_sheet([], columns=2, cell_hw=(50, 100))


@pytest.mark.parametrize(("height", "width"), [(240, 320), (1080, 1920)])
def test_lines_and_zones_at_the_border_are_drawn_with_numbers_that_can_be_read(
    height: int, width: int
) -> None:
    counts = Counts(
        lines=(
            LineCount(
                name="a", start_xy=(width, 0), end_xy=(width, height), entered={"b": 3}, left={}
            ),
        ),
        zones=(
            ZoneCount(
                name="c",
                corners_xy=((0, 0), (width, 0), (width, height), (0, height)),
                inside={},
                entered={"b": 12},
            ),
        ),
    )
    none = Detections.none(NAMES)
    with_counts = Detections(
        none.boxes_xyxy, none.scores, none.class_ids, NAMES, none.class_ids, counts
    )
    drawn = draw_detections(_grey(height, width), with_counts)
    for colour in (LINE_COLOUR, ZONE_COLOUR):
        ground = np.all(drawn == colour, axis=2).astype(np.uint8)
        # Whole plates: higher than a line is wide, neither over the other.
        assert cv2.erode(ground, np.ones((4, 10), np.uint8)).sum() > 0
    assert not (drawn[:, width // 2 - 2 : width // 2] == 60).all()


def test_a_known_objects_number_is_on_its_label() -> None:
    plain = _one((100, 200, 300, 400))
    known = Detections(
        plain.boxes_xyxy, plain.scores, plain.class_ids, NAMES, np.array([7], np.int64)
    )
    frame = _grey(480, 640)
    label, wider = (int(_is_colour(draw_detections(frame, each)).sum()) for each in (plain, known))
    assert wider > label
