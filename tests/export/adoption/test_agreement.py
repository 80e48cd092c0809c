"""Detections of a transformed copy, mapped back, must match."""

import numpy as np
import pytest
from region_networks import BOXES, COLOURS, make_frame

from spotlet.boxes import FloatArray
from spotlet.detections import Detections
from spotlet.letterbox import Letterbox
from spotlet_export.adoption.trials.agreement import Agreement, Copy, agreement, copies_of, without

FRAME_HW = (160, 240)
COPIES = copies_of(Letterbox(FRAME_HW, (128, 128)))
BOXES_XYXY = np.array(list(BOXES.values()), np.float32)


def detections(boxes_xyxy: FloatArray, scores: tuple[float, ...] = (0.9, 0.8)) -> Detections:
    ids = np.arange(len(boxes_xyxy)) % 2
    return Detections(boxes_xyxy, np.array(scores, np.float32), ids, ("red", "yellow"))


@pytest.mark.parametrize("copy", COPIES)
def test_boxes_of_a_copy_are_where_its_pixels_are(copy: Copy) -> None:
    pixels = copy.image(make_frame(BOXES))
    for name, box in zip(BOXES, copy.boxes(BOXES_XYXY), strict=True):
        colour = np.array(COLOURS[name][::-1]) * 250
        rows, columns = np.nonzero(np.abs(pixels.astype(int) - colour).max(axis=2) < 60)
        around = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        np.testing.assert_allclose(box, around, atol=1)


def test_a_shift_is_by_whole_cells_of_the_canvas() -> None:
    # 240 pixels on 128, 160 on 85 of them: 8 of the canvas are 15 of the frame.
    assert COPIES[0] == Copy((1, 1), (30, 15))


@pytest.mark.parametrize("copy", COPIES)
def test_detections_that_move_with_the_image_agree(copy: Copy) -> None:
    found = detections(BOXES_XYXY)
    result = agreement(found, detections(copy.boxes(BOXES_XYXY)), copy, FRAME_HW)
    assert result.share == pytest.approx(1, abs=1e-3)
    assert result.matched == pytest.approx(0.9**2 + 0.8**2, rel=1e-3)


@pytest.mark.parametrize("copy", COPIES)
def test_detections_that_stay_on_the_canvas_do_not(copy: Copy) -> None:
    corner = np.array([[2, 2, 22, 12], [200, 100, 220, 112]], np.float32)
    assert agreement(detections(corner), detections(corner), copy, FRAME_HW).share == 0


def test_another_class_is_another_object() -> None:
    copy = COPIES[2]
    turned = detections(copy.boxes(BOXES_XYXY[::-1]))
    assert agreement(detections(BOXES_XYXY), turned, copy, FRAME_HW).matched == 0


def test_an_object_that_the_copy_cuts_off_counts_on_neither_side() -> None:
    copy = COPIES[0]
    boxes = np.array([[30, 20, 90, 60], [190, 20, 239, 60]], np.float32)
    moved = np.clip(copy.boxes(boxes), 0, 240)
    for kept in (1, 2):
        copied = detections(moved).select(np.arange(kept))
        result = agreement(detections(boxes), copied, copy, FRAME_HW)
        assert result.share == pytest.approx(1, abs=1e-3)


def test_what_a_grey_image_shows_too_is_dropped() -> None:
    found = detections(BOXES_XYXY)
    assert without(found, found.select(np.array([1]))).class_ids.tolist() == [0]
    assert len(without(found, Detections.none(found.class_names))) == 2


def test_nothing_found_has_no_quality_and_more_that_is_sure_has_more() -> None:
    assert Agreement().quality == 0
    sure, unsure = Agreement(3, 5.0, 5.5), Agreement(3, 1.0, 1.1)
    everywhere = Agreement(3, 90.0, 300.0)
    assert sure.quality > unsure.quality > 0
    assert sure.quality > everywhere.quality
