"""Training on a CUDA device is training on the CPU, to rounding. Skips where there is none."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from shapes import Shapes
from torch import Tensor

from spotlet_training.evaluation.evaluation import evaluate_network
from spotlet_training.learning.assignment import Objects, UnknownRegions
from spotlet_training.learning.batches import Batch, on_device, training_batches
from spotlet_training.learning.hardware import fast_kernels, float32_products
from spotlet_training.learning.learner import Learner, Reading
from spotlet_training.learning.settings import TrainingSettings
from spotlet_training.localization.frozen import frozen_set
from spotlet_training.localization.ladder import BEFORE, ladder
from spotlet_training.localization.learning import learn
from spotlet_training.network import DetectorSettings, TwoHeadDetector
from spotlet_training.run_folder.state import LAST_STATE, load_state
from spotlet_training.training import BEST_CHECKPOINT, Epoch, train

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]

CPU, CUDA = torch.device("cpu"), torch.device("cuda")

SETTINGS = TrainingSettings(
    epochs=2, size_hw=(96, 96), batch_size=4, device="cuda", precision="float32"
)


@pytest.fixture(scope="module")
def batches(shapes: Shapes) -> list[Batch]:
    with ThreadPoolExecutor(1) as pool:
        return list(training_batches(shapes, SETTINGS, 0, pool))


@pytest.fixture(scope="module")
def empty_batch(batches: list[Batch]) -> Batch:
    """A batch of pictures without an object."""
    image_ids, boxes_xyxy, class_ids, ignored = (each[:0] for each in _tensors(batches[0])[1:])
    none = Objects(image_ids, boxes_xyxy, class_ids, ignored)
    return batches[0]._replace(objects=none)


def _tensors(batch: Batch) -> list[Tensor]:
    seen: list[Tensor] = []

    def see(tensor: Tensor) -> Tensor:
        seen.append(tensor)
        return tensor

    batch.map(see)
    return seen


def _first_step(batch: Batch, settings: TrainingSettings) -> tuple[Reading, dict[str, Tensor]]:
    """The losses and the gradients of a first step."""
    learner = Learner(2, settings, 100)
    with fast_kernels(settings, learner.device):
        learner.step(batch)
        (reading,) = learner.read()
    gradients = {
        name: weights.grad.cpu()
        for name, weights in learner.network.named_parameters()
        if weights.grad is not None
    }
    return reading, gradients


def test_a_step_is_the_cpus(batches: list[Batch]) -> None:
    mine, gradients = _first_step(batches[0], SETTINGS)
    theirs, expected = _first_step(batches[0], replace(SETTINGS, device="cpu"))
    assert mine == pytest.approx(theirs, rel=1e-4)
    assert gradients.keys() == expected.keys()
    for name, gradient in gradients.items():
        largest = float(expected[name].abs().max())
        torch.testing.assert_close(gradient, expected[name], rtol=1e-3, atol=1e-3 * largest)


def test_a_step_in_bfloat16_computes_in_it_and_keeps_float32_weights(batches: list[Batch]) -> None:
    settings = replace(SETTINGS, precision="bfloat16")
    learner = Learner(2, settings, 100)
    dtypes = set()
    stem = learner.network.get_submodule("backbone.stem.0")
    stem.register_forward_hook(lambda _module, _inputs, output: dtypes.add(output.dtype))
    learner.step(batches[0])
    (reading,) = learner.read()
    assert dtypes == {torch.bfloat16}
    assert {weights.dtype for weights in learner.network.parameters()} == {torch.float32}
    exact, _ = _first_step(batches[0], SETTINGS)
    assert reading.total == pytest.approx(exact.total, rel=0.05)


def test_a_batch_without_objects_is_learned(empty_batch: Batch) -> None:
    learner = Learner(2, SETTINGS, 100)
    learner.step(empty_batch)
    (reading,) = learner.read()
    assert reading.boxes == 0
    learner.settle()


def test_batches_come_from_pinned_memory_as_they_were(
    batches: list[Batch], empty_batch: Batch
) -> None:
    originals = [*batches, empty_batch]

    def given() -> Iterator[Batch]:
        yield from originals

    for moved, original in zip(on_device(given(), CUDA), originals, strict=True):
        assert moved.names == original.names
        for mine, theirs in zip(_tensors(moved), _tensors(original), strict=True):
            assert mine.device.type == CUDA.type
            assert torch.equal(mine.cpu(), theirs)


def test_a_network_finds_what_it_finds_on_the_cpu(batches: list[Batch]) -> None:
    torch.manual_seed(0)
    network = TwoHeadDetector(DetectorSettings.of_size("pico", 2, (96, 96))).eval()
    with torch.inference_mode(), float32_products(CUDA):
        expected = network(batches[0].images)
        found = network.to(CUDA)(batches[0].images.to(CUDA))
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine.cpu(), theirs, rtol=0, atol=1e-4)


def test_an_evaluation_is_in_exact_float32_whatever_the_training_is_in(shapes: Shapes) -> None:
    network = TwoHeadDetector(DetectorSettings.of_size("pico", 2, (96, 96))).eval().to(CUDA)
    seen = set()

    def see(*_: object) -> None:
        seen.add((torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()))

    network.register_forward_pre_hook(see)
    with (
        ThreadPoolExecutor(1) as pool,
        fast_kernels(replace(SETTINGS, precision="auto"), CUDA),
    ):
        evaluation = evaluate_network(network, shapes, pool)
        see()
    assert seen == {(False, "highest"), (True, "high")}
    assert len(evaluation.found) == len(shapes)


def test_what_is_unknown_teaches_what_it_teaches_on_the_cpu(batches: list[Batch]) -> None:
    unknown = UnknownRegions(
        torch.tensor([0, 2]),
        torch.tensor([[0.0, 0.0, 96.0, 96.0], [0.0, 48.0, 96.0, 96.0]]),
        torch.tensor([[True, False], [True, True]]),
    )
    batch = batches[0]._replace(objects=replace(batches[0].objects, unknown=unknown))
    mine, _ = _first_step(batch, SETTINGS)
    theirs, _ = _first_step(batch, replace(SETTINGS, device="cpu"))
    assert mine == pytest.approx(theirs, rel=1e-4)
    plain, _ = _first_step(batches[0], SETTINGS)
    assert mine.scores < plain.scores


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_a_training_that_was_stopped_goes_on_here_or_on_the_cpu(
    device: str, shapes: Shapes, tmp_path: Path
) -> None:
    def stop(_: Epoch) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(shapes, shapes, SETTINGS, tmp_path, on_epoch=stop)
    assert len(load_state(tmp_path / LAST_STATE).epochs) == 1
    epochs = train(shapes, shapes, replace(SETTINGS, device=device), tmp_path, resume=True)
    assert [epoch.number for epoch in epochs] == [1, 2]
    assert (tmp_path / BEST_CHECKPOINT).is_file()


def test_what_is_restored_learns_the_next_step_as_if_nothing_had_been(
    batches: list[Batch],
) -> None:
    first, second = Learner(2, SETTINGS, 100), Learner(2, SETTINGS, 100)
    first.step(batches[0])
    tensors, numbers = first.state()
    second.restore({name: tensor.cpu() for name, tensor in tensors.items()}, numbers)
    for learner in (first, second):
        learner.step(batches[1])
    assert second.read()[-1] == pytest.approx(first.read()[-1], rel=1e-3)
    assert second.average.network.device == first.average.network.device == second.network.device


def test_a_compiled_network_learns_the_same_step(batches: list[Batch]) -> None:
    mine, _ = _first_step(batches[0], replace(SETTINGS, compile=True))
    theirs, _ = _first_step(batches[0], SETTINGS)
    assert mine == pytest.approx(theirs, rel=1e-3)


def test_a_localizer_learns_and_comes_back_to_the_cpu() -> None:
    (step,) = (each for each in ladder(1) if each.name == BEFORE)
    data = frozen_set("plain", quick=True)
    network, outcome = learn(step.recipe, data, 0, CUDA, torch.bfloat16)
    assert network.device == CPU
    assert 0 <= outcome.val.iou <= 1
