"""What decoded boxes tell: exchanged axes, and rows that nothing suppressed."""

import numpy as np
import numpy.typing as npt
import pytest

from spotlet_export.adoption.original.decoder import decoded
from spotlet_export.adoption.recognition.boxes import (
    mirror_agreement,
    neighbours_exchanged,
    not_suppressed,
)
from spotlet_export.adoption.signature import OutputSignature

Wide = npt.NDArray[np.float64]
OBJECTS = np.array([[0.10, 0.20, 0.40, 0.35], [0.55, 0.50, 0.85, 0.95]])
"""xyxy, in fractions of the canvas."""

SIZE_HW = (240, 320)


def grid() -> Wide:
    """Returns anchors (K, 4) cxcywh, two shapes at each place, row by row."""
    y, x = (np.mgrid[:12, :16].reshape(2, -1) + 0.5) / [[12], [16]]
    places = np.repeat(np.stack([x, y], 1), 2, axis=0)
    return np.hstack([places, np.tile([[0.2, 0.1], [0.1, 0.3]], (len(x), 1))])


def found(anchors: Wide, turned: Wide) -> tuple[Wide, Wide]:
    """Returns boxes and scores of a network that was trained with `anchors`, read with `turned`.

    Each anchor whose centre is in an object has its offsets and a high score; else none.
    """
    offsets, scores = np.zeros((len(anchors), 4)), np.full((len(anchors), 1), 0.01)
    for left, top, right, bottom in OBJECTS:
        x, y, w, h = anchors.T
        inside = (left < x) & (x < right) & (top < y) & (y < bottom)
        centre = np.stack([(left + right) / 2 - x, (top + bottom) / 2 - y], 1) / anchors[:, 2:]
        extent = np.log(np.stack([(right - left) / w, (bottom - top) / h], 1))
        offsets[inside] = np.hstack([centre / 0.1, extent / 0.2])[inside]
        scores[inside] = 0.9
    rule = OutputSignature(
        layout="ssd",
        boxes="boxes",
        scores="scores",
        classes=1,
        box_format="cxcywh",
        box_unit="unit",
        anchors=turned.astype(np.float32),
    )
    return decoded([offsets, scores], rule, SIZE_HW)


def test_boxes_of_neighbouring_anchors_overlap_only_with_the_right_axes() -> None:
    anchors = grid()
    turned = anchors[:, [1, 0, 3, 2]]
    right, exchanged = found(anchors, anchors), found(anchors, turned)
    np.testing.assert_allclose(right[0][right[1][:, 0] > 0.5][0], OBJECTS[0], atol=1e-6)
    assert neighbours_exchanged([right], [exchanged], anchors, 0.4) is False
    assert neighbours_exchanged([exchanged], [right], turned, 0.4) is True


@pytest.mark.parametrize("threshold", [0.4, 0.95])
def test_neighbours_say_nothing_where_they_cannot(threshold: float) -> None:
    anchors = grid()
    right = found(anchors, anchors)
    few = (right[0], np.where(np.arange(len(anchors))[:, np.newaxis] == 130, 0.9, 0.0))
    assert neighbours_exchanged([few], [few], anchors, threshold) is None
    assert neighbours_exchanged([right], [right], anchors, threshold) is None


def test_mirrored_pictures_have_mirrored_boxes() -> None:
    scores = np.full((2, 1), 0.9)
    mirrored = np.hstack([1 - OBJECTS[:, [2]], OBJECTS[:, [1]], 1 - OBJECTS[:, [0]]])
    mirrored = np.hstack([mirrored, OBJECTS[:, [3]]])
    assert mirror_agreement([((OBJECTS, scores), (mirrored, scores))], 0.4, 0.6) == pytest.approx(
        1, abs=1e-4
    )
    exchanged = [(each[:, [1, 0, 3, 2]], scores) for each in (OBJECTS, mirrored)]
    agreement = mirror_agreement([(exchanged[0], exchanged[1])], 0.4, 0.6)
    assert agreement is not None
    assert agreement < 0.3
    assert mirror_agreement([((OBJECTS, scores), (mirrored, scores))], 0.95, 0.6) is None


def test_a_mirrored_box_must_be_of_the_same_class() -> None:
    both = np.array([[0.4, 0.4, 0.6, 0.6]])
    scores = np.array([[0.9, 0.0]])
    assert mirror_agreement([((both, scores), (both, scores[:, ::-1]))], 0.4, 0.6) == 0


def test_duplicates_show_that_nothing_was_suppressed() -> None:
    one, other = np.array([0.2, 0.2, 0.6, 0.6]), np.array([0.61, 0.61, 0.9, 0.9])
    shifts = np.linspace(0, 0.02, 5)[:, np.newaxis]
    boxes = np.vstack([one + shifts, other + shifts])
    scores = np.full((10, 2), 0.0)
    scores[:, 0] = 0.8
    assert not_suppressed([(boxes, scores)], 0.4) == (8, 10)
    assert not_suppressed([(boxes, scores)], 0.9) is None
    apart = np.vstack([one, other])
    assert not_suppressed([(apart, scores[:2])], 0.4) is None
    # Another class may be in the same place.
    scores[:, 0], scores[0, 0], scores[1, 1] = 0, 0.8, 0.8
    assert not_suppressed([(boxes, scores)], 0.4) is None


def test_a_single_duplicate_is_what_networks_without_suppression_leave() -> None:
    one = np.array([0.2, 0.2, 0.6, 0.6])
    boxes, scores = np.vstack([one, one + 0.01]), np.full((2, 1), 0.8)
    assert not_suppressed([(boxes, scores)], 0.4) is None
