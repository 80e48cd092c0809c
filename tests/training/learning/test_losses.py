import math

import pytest
import torch

from spotlet_training.learning.assignment import Objects
from spotlet_training.learning.losses import detection_losses, quality_focal_loss
from spotlet_training.network import RawPrediction
from spotlet_training.network.detector import cell_grid

SIZE_HW = (96, 96)
CENTRES, _ = cell_grid(SIZE_HW)
BOX = (24.0, 24.0, 72.0, 72.0)


def one_object(*, ignored: bool = False) -> Objects:
    return Objects(
        torch.zeros(1, dtype=torch.int64),
        torch.tensor([BOX]),
        torch.zeros(1, dtype=torch.int64),
        torch.tensor([ignored]),
    )


@pytest.mark.parametrize(("score", "target"), [(0.3, 0.8), (0.9, 0.0), (0.5, 1.0)])
def test_quality_focal_loss_is_equation_3(score: float, target: float) -> None:
    logit = torch.tensor(math.log(score / (1 - score)))
    entropy = -((1 - target) * math.log(1 - score) + target * math.log(score))
    expected = abs(target - score) ** 2 * entropy
    assert quality_focal_loss(logit, torch.tensor(target)).item() == pytest.approx(expected, 1e-5)


def test_a_perfect_prediction_costs_almost_nothing_and_a_shifted_box_costs() -> None:
    boxes = torch.tensor(BOX).expand(1, len(CENTRES), 4)
    inside = ((CENTRES > 24) & (CENTRES < 72)).all(1)
    logits = torch.where(inside, 12.0, -12.0)[None, :, None]
    perfect = detection_losses(RawPrediction(logits, boxes), one_object(), SIZE_HW, 1.0)
    shifted = detection_losses(RawPrediction(logits, boxes + 8), one_object(), SIZE_HW, 1.0)
    assert perfect.boxes.item() == pytest.approx(0.0, abs=1e-5)
    assert shifted.boxes.item() > 0.3


def test_cells_in_an_ignored_box_are_no_background() -> None:
    boxes = torch.zeros(1, len(CENTRES), 4)
    inside = ((CENTRES > 24) & (CENTRES < 72)).all(1)
    logits = torch.where(inside, 5.0, -12.0)[None, :, None]
    ignored = detection_losses(RawPrediction(logits, boxes), one_object(ignored=True), SIZE_HW, 1.0)
    assert ignored.total.item() == pytest.approx(0.0, abs=1e-3)


def test_the_cells_under_an_ignored_line_thinner_than_a_cell_are_no_background() -> None:
    line = Objects(
        torch.zeros(1, dtype=torch.int64),
        torch.tensor([(18.0, 33.5, 46.0, 33.9)]),
        torch.zeros(1, dtype=torch.int64),
        torch.tensor([True]),
    )
    logits = torch.zeros(1, len(CENTRES), 1, requires_grad=True)
    prediction = RawPrediction(logits, torch.zeros(1, len(CENTRES), 4))
    torch.autograd.backward(detection_losses(prediction, line, SIZE_HW, 1.0).total)
    assert logits.grad is not None
    hidden = CENTRES[logits.grad[0, :, 0] == 0].tolist()
    # Rows of cells: 32 to 40 at stride 8, 32 to 48 at 16, 32 to 64 at 32.
    assert [cell for cell in hidden if cell[1] == 36] == [[20, 36], [28, 36], [36, 36], [44, 36]]
    assert {y for _, y in hidden} == {36.0, 40.0, 48.0}


def test_an_object_in_front_of_an_ignored_one_is_learnt() -> None:
    both = Objects(
        torch.zeros(2, dtype=torch.int64),
        torch.tensor([BOX, (40.0, 40.0, 56.0, 56.0)]),
        torch.zeros(2, dtype=torch.int64),
        torch.tensor([True, False]),
    )
    boxes = torch.tensor((40.0, 40.0, 56.0, 56.0)).expand(1, len(CENTRES), 4)
    logits = torch.full((1, len(CENTRES), 1), -9.0, requires_grad=True)
    losses = detection_losses(RawPrediction(logits, boxes), both, SIZE_HW, 1.0)
    torch.autograd.backward(losses.total)
    assert logits.grad is not None
    # Raised where the object is, left alone in the rest of the ignored box.
    inside = ((CENTRES > 24) & (CENTRES < 72)).all(1)
    moved = logits.grad[0, :, 0].abs() > 1e-3
    assert 0 < int((moved & inside).sum()) < int(inside.sum())


def test_a_batch_without_objects_teaches_that_there_are_none() -> None:
    logits = torch.zeros(2, len(CENTRES), 3, requires_grad=True)
    nothing = Objects(
        torch.zeros(0, dtype=torch.int64),
        torch.zeros(0, 4),
        torch.zeros(0, dtype=torch.int64),
        torch.zeros(0, dtype=torch.bool),
    )
    losses = detection_losses(
        RawPrediction(logits, torch.zeros(2, len(CENTRES), 4)), nothing, SIZE_HW, 0.5
    )
    torch.autograd.backward(losses.total)
    assert logits.grad is not None
    assert bool((logits.grad > 0).all())
