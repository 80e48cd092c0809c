import numpy as np
import pytest
import torch

from spotlet.boxes import box_iou
from spotlet_training.learning.overlap import paired_giou, paired_iou


def test_paired_iou_agrees_with_the_runtimes_iou_of_all_pairs() -> None:
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 50, (40, 2, 2))
    boxes = np.concatenate([corners.min(1), corners.max(1) + 1], axis=1).astype(np.float32)
    every_pair = box_iou(boxes, boxes[::-1].copy())
    paired = paired_iou(torch.from_numpy(boxes), torch.from_numpy(boxes[::-1].copy()))
    np.testing.assert_allclose(paired.numpy(), np.diagonal(every_pair), atol=1e-6)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ((0, 0, 2, 2), 1.0),
        # Side by side with a gap of 2: union 8, hull 12, so -(12 - 8) / 12.
        ((4, 0, 6, 2), -1 / 3),
        # A quarter of the first covered: intersection 1, union 7, hull 9.
        ((1, 1, 3, 3), 1 / 7 - 2 / 9),
    ],
)
def test_giou_is_what_the_formula_gives_by_hand(other: tuple[float, ...], expected: float) -> None:
    giou = paired_giou(torch.tensor([[0.0, 0, 2, 2]]), torch.tensor([other], dtype=torch.float32))
    assert giou.item() == pytest.approx(expected, abs=1e-6)


def test_giou_pulls_a_distant_box_closer() -> None:
    box = torch.tensor([[10.0, 10, 12, 12]], requires_grad=True)
    torch.autograd.backward(paired_giou(box, torch.tensor([[0.0, 0, 2, 2]])).sum())
    assert box.grad is not None
    # Growing the near corner towards the target raises the overlap with its hull.
    assert box.grad[0, 0] < 0
    assert box.grad[0, 1] < 0
