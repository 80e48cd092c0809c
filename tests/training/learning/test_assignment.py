from collections.abc import Sequence

import numpy as np
import pytest
import torch

from spotlet_training.learning.assignment import PHASE_IN, Objects, assign, candidate_cells
from spotlet_training.network.detector import cell_grid
from spotlet_training.network.settings import STRIDES

SIZE_HW = (96, 128)
CENTRES, CELL_STRIDES = cell_grid(SIZE_HW)


def objects_of(boxes: Sequence[tuple[float, ...]], class_ids: list[int]) -> Objects:
    count = len(boxes)
    return Objects(
        torch.zeros(count, dtype=torch.int64),
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        torch.tensor(class_ids, dtype=torch.int64),
        torch.zeros(count, dtype=torch.bool),
    )


def perfect_boxes(target: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(target).expand(1, len(CENTRES), 4).clone()


def test_candidate_cells_are_those_that_a_search_over_all_cells_finds() -> None:
    boxes = torch.tensor([[10.0, 20, 60, 70], [0, 0, 9, 9], [100, 60, 128, 96], [33, 33, 37, 36]])
    cells, distance, allowed = candidate_cells(boxes, SIZE_HW)
    for number, box in enumerate(boxes):
        centre = (box[:2] + box[2:]) / 2
        expected = set()
        for cell, (xy, stride) in enumerate(zip(CENTRES, CELL_STRIDES, strict=True)):
            own = (xy // stride - centre // stride).abs()
            inside = bool(((xy > box[:2]) & (xy < box[2:])).all())
            if float(own.max()) <= 2 and (inside or float(own.max()) == 0):
                expected.add(cell)
        assert set(cells[number][allowed[number]].tolist()) == expected
        for cell, steps in zip(cells[number].tolist(), distance[number].tolist(), strict=True):
            if cell in expected and (cells[number] == cell).sum() == 1:
                true = torch.linalg.norm(CENTRES[cell] - centre) / CELL_STRIDES[cell]
                np.testing.assert_allclose(steps, true, atol=1e-4)


def test_an_object_smaller_than_a_cell_is_still_learnt() -> None:
    tiny = (41.0, 41, 43, 43)
    logits = torch.zeros(1, len(CENTRES), 1)
    for progress in (0.0, 1.0):
        pairs = assign(logits, perfect_boxes(tiny), objects_of([tiny], [0]), SIZE_HW, progress)
        assert len(pairs.cells) >= 1


def test_at_first_an_object_goes_to_the_level_of_its_size() -> None:
    logits = torch.zeros(1, len(CENTRES), 1)
    for stride in STRIDES[:2]:
        side = 5 * stride / 2
        box = (64 - side, 48 - side, 64 + side, 48 + side)
        nothing = torch.zeros(1, len(CENTRES), 4)
        pairs = assign(logits, nothing, objects_of([box], [0]), SIZE_HW, 0.0)
        assert set(CELL_STRIDES[pairs.cells].tolist()) == {float(stride)}


@pytest.mark.parametrize(
    ("phase", "cells"), [(0.0, 4), (1 / 3, 3), (2 / 3, 2), (1.0, 1), (10.0, 1)]
)
def test_an_object_that_no_prediction_meets_has_four_cells_at_first_and_one_later(
    phase: float, cells: int
) -> None:
    logits, nothing = torch.zeros(1, len(CENTRES), 1), torch.zeros(1, len(CENTRES), 4)
    objects = objects_of([(44.0, 28, 84, 68)], [0])
    pairs = assign(logits, nothing, objects, SIZE_HW, phase * PHASE_IN)
    assert len(pairs.cells) == cells


def test_later_an_object_goes_to_the_cells_that_predict_it_best() -> None:
    box = (32.0, 16, 96, 80)
    logits = torch.zeros(1, len(CENTRES), 1)
    predicted = torch.zeros(1, len(CENTRES), 4)
    near = ((CENTRES - torch.tensor([64.0, 48])).abs().max(1).values < 16).nonzero().flatten()
    good = near[:3]
    predicted[0, good] = torch.tensor(box)
    pairs = assign(logits, predicted, objects_of([box], [0]), SIZE_HW, 1.0)
    assert set(pairs.cells.tolist()) <= set(good.tolist())
    # Three overlaps of 1 ask for three cells.
    assert len(pairs.cells) == 3
    np.testing.assert_allclose(pairs.iou.numpy(), 1.0, atol=1e-6)


def test_no_cell_learns_two_objects() -> None:
    boxes = [(20.0, 20, 80, 80), (24.0, 24, 84, 84), (22.0, 18, 78, 82)]
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, len(CENTRES), 3, generator=generator)
    predicted = torch.cat([CENTRES - 25, CENTRES + 25], 1)[None]
    for progress in (0.0, 0.05, 1.0):
        pairs = assign(logits, predicted, objects_of(boxes, [0, 1, 2]), SIZE_HW, progress)
        assert len(set(pairs.cells.tolist())) == len(pairs.cells)


def test_of_two_equal_objects_each_cell_has_one() -> None:
    same = (20.0, 20.0, 80.0, 80.0)
    logits = torch.zeros(1, len(CENTRES), 2)
    pairs = assign(logits, perfect_boxes(same), objects_of([same, same], [0, 1]), SIZE_HW, 1.0)
    assert len(set(pairs.cells.tolist())) == len(pairs.cells) > 0


def test_of_equally_good_cells_the_central_ones_are_taken() -> None:
    box = (16.0, 16.0, 80.0, 80.0)
    predicted = torch.zeros(1, len(CENTRES), 4)
    # Of the finest level alone, all equally good; overlaps of 0.4 ask for four cells.
    fine = CELL_STRIDES == 8
    predicted[0, fine] = torch.tensor((16.0, 16.0, 80.0, 41.6))
    logits = torch.zeros(1, len(CENTRES), 1)
    pairs = assign(logits, predicted, objects_of([box], [0]), SIZE_HW, 1.0)
    centre = torch.tensor([48.0, 48.0])
    distance = torch.linalg.norm(CENTRES - centre, dim=1)
    assert len(pairs.cells) == 4
    assert float(distance[pairs.cells].max()) <= float(distance[fine].sort().values[3]) + 1e-4


def test_an_ignored_object_takes_no_cell_and_none_at_all_is_no_error() -> None:
    logits = torch.zeros(1, len(CENTRES), 1)
    objects = objects_of([(20.0, 20, 80, 80)], [0])
    ignored = Objects(
        objects.image_ids, objects.boxes_xyxy, objects.class_ids, torch.ones(1, dtype=torch.bool)
    )
    for nothing in (ignored, objects_of([], [])):
        pairs = assign(logits, torch.zeros(1, len(CENTRES), 4), nothing, SIZE_HW, 1.0)
        assert len(pairs.cells) == 0
