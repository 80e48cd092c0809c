from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from shapes import Shapes

from spotlet.errors import DatasetError, UsageError
from spotlet_training.datasets import Sample
from spotlet_training.datasets.ahead import ahead
from spotlet_training.learning.augmentation import AugmentationSettings
from spotlet_training.learning.batches import CachedDataset, training_batches
from spotlet_training.learning.learner import Learner
from spotlet_training.learning.optimisation import MovingAverage
from spotlet_training.learning.settings import TrainingSettings
from spotlet_training.network import Network
from spotlet_training.network.checkpoint import load_checkpoint
from spotlet_training.run_folder.state import LAST_STATE, load_state
from spotlet_training.training import train


def stem_weight(network: Network) -> torch.Tensor:
    """Returns the weight itself, not a copy."""
    return network.get_parameter("backbone.stem.0.weight").detach()


QUICK = TrainingSettings(epochs=2, size_hw=(96, 96), batch_size=4, device="cpu")


def test_training_learns_and_keeps_its_best_epoch(shapes_checkpoint: Path, shapes: Shapes) -> None:
    epochs = load_state(shapes_checkpoint.with_name(LAST_STATE)).epochs
    assert epochs[-1].loss < epochs[0].loss
    best = max(epochs, key=lambda epoch: epoch.ap)
    kept = load_checkpoint(shapes_checkpoint)
    assert kept.training["epoch"] == best.number
    assert kept.training["val_ap"] == round(best.ap, 4)
    assert kept.class_names == shapes.class_names


def test_the_same_seed_gives_the_same_training(shapes: Shapes, tmp_path: Path) -> None:
    losses = [
        [epoch.loss for epoch in train(shapes, shapes, settings, tmp_path)]
        for settings in (QUICK, replace(QUICK, loaders=1), replace(QUICK, seed=1))
    ]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_every_image_leads_one_canvas_in_an_epoch(shapes: Shapes) -> None:
    settings = replace(QUICK, epochs=1, plain_share=1.0)
    seen: list[int] = []

    class Recorder(CachedDataset):
        def load(self, index: int) -> Sample:
            seen.append(index)
            return super().load(index)

    with ThreadPoolExecutor(2) as pool:
        batches = list(training_batches(Recorder(shapes, 0), settings, 0, pool))
    assert sorted(seen) == list(range(len(shapes)))
    assert [batch.images.shape for batch in batches] == [(4, 96, 96, 3)] * 4
    for batch in batches:
        assert batch.images.dtype == torch.uint8
        assert int(batch.objects.image_ids.max()) < 4


def test_mosaics_end_with_the_last_epochs(shapes: Shapes) -> None:
    settings = replace(
        QUICK, epochs=10, plain_share=0.2, augmentation=AugmentationSettings(mosaic=1.0)
    )
    loads: list[int] = []

    class Recorder(CachedDataset):
        def load(self, index: int) -> Sample:
            loads.append(index)
            return super().load(index)

    counts = []
    with ThreadPoolExecutor(2) as pool:
        for epoch in (0, 7, 8, 9):
            loads.clear()
            list(training_batches(Recorder(shapes, 0), settings, epoch, pool))
            counts.append(len(loads) // len(shapes))
    assert counts == [4, 4, 1, 1]


def test_a_set_smaller_than_a_batch_is_one_batch(shapes: Shapes) -> None:
    with ThreadPoolExecutor(2) as pool:
        batches = list(training_batches(shapes, replace(QUICK, batch_size=64), 0, pool))
    assert [len(batch.images) for batch in batches] == [len(shapes)]


def test_work_done_ahead_comes_in_order_and_bounded() -> None:
    started: list[int] = []

    def square(number: int) -> int:
        started.append(number)
        return number * number

    with ThreadPoolExecutor(3) as pool:
        results = ahead(square, range(50), pool, depth=4)
        assert next(results) == 0
        assert max(started) <= 5
        assert list(results) == [n * n for n in range(1, 50)]


def test_a_cache_never_grows_past_its_bound(shapes: Shapes) -> None:
    one = shapes.load(0).image_bgr.nbytes
    cached = CachedDataset(shapes, 3 * one)
    kept = [cached.load(index) for index in range(len(shapes))]
    again = [cached.load(index) for index in range(len(shapes))]
    assert [mine is theirs for mine, theirs in zip(kept, again, strict=True)].count(True) == 3
    np.testing.assert_array_equal(kept[9].image_bgr, again[9].image_bgr)


def test_the_average_lies_between_where_the_weights_were_and_are() -> None:
    learner = Learner(1, QUICK, 10)
    average = MovingAverage(learner.network, 4)
    before = stem_weight(learner.network).clone()
    with torch.no_grad():
        stem_weight(learner.network).add_(1.0)
    for _ in range(3):
        average.update(learner.network)
    moved = stem_weight(average.network) - before
    assert bool(((moved > 0.5) & (moved < 1.0)).all())


def test_sets_of_other_classes_are_refused(shapes: Shapes, tmp_path: Path) -> None:
    other = replace(shapes, class_names=("disc", "cube"))
    with pytest.raises(DatasetError, match="must be the same"):
        train(shapes, other, QUICK, tmp_path)
    bad = replace(shapes, class_names=("square", "disc\r"))
    with pytest.raises(DatasetError, match=r"class 'disc\\r': classes must be .* rename it"):
        train(bad, bad, QUICK, tmp_path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(DatasetError, match="at least one image"):
        train(replace(shapes, count=0), shapes, QUICK, tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is here")
def test_cuda_that_is_not_there_is_a_clear_error(shapes: Shapes, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no CUDA device"):
        train(shapes, shapes, replace(QUICK, device="cuda"), tmp_path)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("epochs", 0), ("batch_size", 0), ("learning_rate", 0.0), ("device", "tpu")],
)
def test_a_setting_out_of_its_range_is_refused(setting: str, value: object) -> None:
    with pytest.raises(UsageError, match=str(value)):
        replace(QUICK, **{setting: value})  # type: ignore[arg-type]
