from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spotlet.boxes import FloatArray, box_area, box_iou, clip_boxes

Box = tuple[int, int, int, int]

edges = st.integers(-20, 20)
any_boxes = st.lists(st.tuples(edges, edges, edges, edges), max_size=6)


def as_array(boxes: list[Box]) -> FloatArray:
    return np.array(boxes, np.float32).reshape(-1, 4)


def slow_area(box: Box) -> int:
    return max(box[2] - box[0], 0) * max(box[3] - box[1], 0)


def slow_iou(a: Box, b: Box) -> Fraction:
    """Counts unit squares: right for boxes on whole coordinates."""

    def squares(box: Box) -> set[tuple[int, int]]:
        return {(x, y) for x in range(box[0], box[2]) for y in range(box[1], box[3])}

    union = len(squares(a) | squares(b))
    return Fraction(len(squares(a) & squares(b)), union) if union else Fraction(0)


@given(any_boxes)
def test_the_area_is_that_of_the_sides_and_never_negative(boxes: list[Box]) -> None:
    assert box_area(as_array(boxes)).tolist() == [slow_area(box) for box in boxes]


@settings(max_examples=50)
@given(any_boxes, any_boxes)
def test_iou_counts_the_unit_squares_of_intersection_and_union(
    boxes_a: list[Box], boxes_b: list[Box]
) -> None:
    expected = [[float(slow_iou(a, b)) for b in boxes_b] for a in boxes_a]
    iou = box_iou(as_array(boxes_a), as_array(boxes_b))
    assert iou.dtype == np.float32
    np.testing.assert_allclose(iou, np.reshape(expected, (len(boxes_a), len(boxes_b))), rtol=1e-6)


def test_iou_of_boxes_that_touch_is_zero() -> None:
    assert box_iou(as_array([(0, 0, 1, 1)]), as_array([(1, 0, 2, 1)])).tolist() == [[0]]


def test_iou_of_points_is_zero_without_a_warning() -> None:
    assert box_iou(as_array([(3, 3, 3, 3)]), as_array([(3, 3, 3, 3)])).tolist() == [[0]]


@given(any_boxes)
def test_clipping_keeps_what_lies_in_the_image_and_nothing_else(boxes: list[Box]) -> None:
    height, width = 7, 11
    whole = (0, 0, width, height)
    clipped = clip_boxes(as_array(boxes), (height, width))
    assert clipped.dtype == np.float32
    for box, cut in zip(boxes, clipped.tolist(), strict=True):
        overlap = slow_area(
            (max(box[0], 0), max(box[1], 0), min(box[2], whole[2]), min(box[3], whole[3]))
        )
        assert slow_area(cut) == overlap
        assert all(0 <= edge <= limit for edge, limit in zip(cut, whole[2:] * 2, strict=True))
