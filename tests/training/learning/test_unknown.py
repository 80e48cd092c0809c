"""What is unknown teaches nothing: unknown classes on canvases, in batches and in the loss."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from shapes import Shapes
from torch import Tensor

from spotlet_training.datasets import Sample
from spotlet_training.learning.assignment import Objects, UnknownRegions
from spotlet_training.learning.augmentation import AugmentationSettings, augmented_canvas
from spotlet_training.learning.batches import CachedDataset, training_batches
from spotlet_training.learning.losses import Losses, detection_losses
from spotlet_training.learning.settings import TrainingSettings
from spotlet_training.network import RawPrediction
from spotlet_training.network.detector import cell_grid

SIZE_HW = (96, 96)
CENTRES, _ = cell_grid(SIZE_HW)
SQUARE, DISC = 0, 1
STILL = AugmentationSettings(brightness=0, saturation=0, hue=0)


@dataclass(frozen=True)
class SomeUnknown(Shapes):
    """Shapes, of which every second picture may show more discs than are marked."""

    def load(self, index: int) -> Sample:
        sample = super().load(index)
        return replace(sample, unknown_ids=(DISC,) if index % 2 else ())


def regions(*rows: tuple[int, tuple[float, ...], tuple[bool, bool]]) -> UnknownRegions:
    images, boxes, classes = zip(*rows, strict=True)
    return UnknownRegions(torch.tensor(images), torch.tensor(boxes), torch.tensor(classes))


def scene(unknown: UnknownRegions | None, class_id: int = SQUARE) -> tuple[Losses, Tensor]:
    """The losses of two images, an object in the first, and the gradient of their logits."""
    generator = torch.Generator().manual_seed(3)
    box = torch.tensor([[24.0, 24.0, 56.0, 56.0]])
    objects = Objects(
        torch.zeros(1, dtype=torch.int64),
        box,
        torch.tensor([class_id]),
        torch.zeros(1, dtype=torch.bool),
        unknown,
    )
    boxes = box + torch.rand(2, len(CENTRES), 4, generator=generator)
    logits = torch.randn(2, len(CENTRES), 2, generator=generator, requires_grad=True)
    losses = detection_losses(RawPrediction(logits, boxes), objects, SIZE_HW, 1.0)
    torch.autograd.backward(losses.total)
    assert logits.grad is not None
    return losses, logits.grad


def test_regions_without_an_unknown_class_change_no_bit() -> None:
    whole = (0.0, 0.0, 96.0, 96.0)
    losses, gradient = scene(regions((0, whole, (False, False)), (1, whole, (False, False))))
    plain_losses, plain_gradient = scene(None)
    assert [part.item() for part in losses] == [part.item() for part in plain_losses]
    assert torch.equal(gradient, plain_gradient)


def test_an_unknown_class_is_left_out_in_its_region_and_image_alone() -> None:
    left = (0.0, 0.0, 48.0, 96.0)
    _, gradient = scene(regions((1, left, (False, True))))
    silent = gradient == 0
    expected = torch.zeros_like(silent)
    expected[1, :, DISC] = CENTRES[:, 0] < 48
    assert torch.equal(silent, expected)


def test_regions_of_one_image_have_their_own_unknown_classes() -> None:
    left, right = (0.0, 0.0, 48.0, 96.0), (48.0, 0.0, 96.0, 96.0)
    _, gradient = scene(regions((1, left, (False, True)), (1, right, (True, True))))
    expected = torch.zeros(2, len(CENTRES), 2, dtype=torch.bool)
    expected[1, :, DISC] = True
    expected[1, :, SQUARE] = CENTRES[:, 0] >= 48  # a centre on the border belongs to the right
    assert bool((CENTRES[:, 0] == 48).any())
    assert torch.equal(gradient == 0, expected)


@pytest.mark.parametrize("unknown", [(False, True), (True, True)])
def test_the_cells_of_an_object_learn_its_class_and_those_that_are_known(
    unknown: tuple[bool, bool],
) -> None:
    _, plain = scene(None)
    _, gradient = scene(regions((0, (0.0, 0.0, 96.0, 96.0), unknown)))
    assert bool((gradient[0, :, DISC] == 0).all())
    taught = gradient[0, :, SQUARE] != 0
    assert torch.equal(gradient[0, taught, SQUARE], plain[0, taught, SQUARE])
    # If squares are unknown too, those of the labelled square's cells alone are taught.
    assert int(taught.sum()) == len(CENTRES) if not unknown[SQUARE] else 0 < int(taught.sum()) < 40


def test_the_cells_of_a_disc_learn_that_they_are_no_square_where_that_is_known() -> None:
    _, plain = scene(None, DISC)
    _, gradient = scene(regions((0, (0.0, 0.0, 96.0, 96.0), (False, True))), DISC)
    assert torch.equal(gradient[0, :, SQUARE], plain[0, :, SQUARE])
    taught = gradient[0, :, DISC] != 0
    assert 0 < int(taught.sum()) < 40
    assert torch.equal(gradient[0, taught, DISC], plain[0, taught, DISC])


def sample(colour: int, *unknown: int, size_hw: tuple[int, int] = (60, 80)) -> Sample:
    return Sample(
        np.full((*size_hw, 3), colour, np.uint8),
        np.zeros((0, 4), np.float32),
        np.zeros(0, np.int64),
        np.zeros(0, np.bool_),
        "plain",
        unknown,
    )


@pytest.mark.parametrize("seed", range(20))
def test_the_region_of_a_canvas_is_where_its_picture_lies(seed: int) -> None:
    settings = replace(STILL, flips="all")
    rng = np.random.default_rng(seed)
    canvas = augmented_canvas([sample(250, DISC)], (96, 128), settings, rng)
    ((box, unknown),) = canvas.unknown
    assert unknown == (DISC,)
    rows, columns = np.nonzero(canvas.image_bgr[..., 0] > 180)
    extent = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert np.abs(box - extent).max() <= 1


@pytest.mark.parametrize("seed", range(10))
def test_a_mosaic_has_a_region_for_each_picture_with_unknown_classes(seed: int) -> None:
    samples = [sample(30), sample(250, DISC), sample(30), sample(30, SQUARE, DISC)]
    canvas = augmented_canvas(samples, (128, 128), STILL, np.random.default_rng(seed))
    (above, first), (below, second) = canvas.unknown
    assert (first, second) == ((DISC,), (SQUARE, DISC))
    # Upper right and lower right quarters: no point is in both.
    assert above[3] <= below[1]
    rows, columns = np.nonzero(canvas.image_bgr[..., 0] > 180)
    extent = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert np.abs(above - extent).max() <= 1


def test_batches_have_the_regions_and_complete_ones_have_none() -> None:
    settings = TrainingSettings(epochs=1, size_hw=SIZE_HW, batch_size=4, plain_share=1)
    with ThreadPoolExecutor(2) as pool:
        (batch,) = training_batches(CachedDataset(SomeUnknown(4), 10**8), settings, 0, pool)
        (plain,) = training_batches(Shapes(4), settings, 0, pool)
    assert plain.objects.unknown is None
    assert batch.objects.unknown is not None
    assert len(batch.objects.unknown.image_ids) == 2
    assert batch.objects.unknown.classes.tolist() == [[False, True], [False, True]]
    moved = batch.map(lambda tensor: tensor.to("meta")).objects.unknown
    assert moved is not None
    assert {part.device.type for part in moved} == {"meta"}
    # Nothing else of the batch is changed by it.
    assert torch.equal(batch.images, plain.images)
    assert torch.equal(batch.objects.boxes_xyxy, plain.objects.boxes_xyxy)
