"""The two localizers: their layers, their outputs, their settings."""

import pytest
import torch

from spotlet.errors import UsageError
from spotlet_training.network import LocalizerSettings, build_localizer


def test_the_published_network_is_the_published_network() -> None:
    network = build_localizer(LocalizerSettings(class_count=10))
    counts = {name: weights.numel() for name, weights in network.named_parameters()}
    features = 32 * 64 * 64
    assert list(counts.values()) == [
        3 * 16 * 9, 16, 16 * 32 * 9, 32, features * 10, 10, features * 4, 4,
    ]  # fmt: skip
    assert sum(counts.values()) == 1_840_110


def test_relu_after_pooling_is_relu_before_pooling() -> None:
    torch.manual_seed(0)
    network = build_localizer(LocalizerSettings(class_count=3, size_hw=(64, 64))).eval()
    image = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    first, second = network.get_submodule("trunk.0"), network.get_submodule("trunk.3")
    pixels = image.permute(0, 3, 1, 2) / 255
    pool = torch.nn.functional.max_pool2d
    features = pool(second(pool(first(pixels).relu(), 2)).relu(), 2).flatten(1)
    with torch.no_grad():
        torch.testing.assert_close(
            network.raw(image).boxes, network.get_submodule("box_head")(features)
        )


@pytest.mark.parametrize("trunk", ["flat", "integral"])
def test_a_localizer_has_the_designs_two_outputs(trunk: str) -> None:
    network = build_localizer(LocalizerSettings(class_count=7, size_hw=(64, 96), trunk=trunk))
    image = torch.randint(0, 256, (3, 64, 96, 3), dtype=torch.uint8)
    with torch.no_grad():
        boxes, scores = network.eval()(image)
    assert boxes.shape == (3, 1, 4)
    assert scores.shape == (3, 1, 7)
    torch.testing.assert_close(scores.sum(dim=2), torch.ones(3, 1))
    assert float(boxes.min()) >= 0
    assert float(boxes.max()) <= 1


def test_a_side_lies_at_the_mean_of_its_heatmap() -> None:
    """Without heat anywhere, in the middle; with heat in one cell, at that cell's place."""
    network = build_localizer(LocalizerSettings(class_count=2, size_hw=(64, 96), trunk="integral"))
    network.eval()

    def boxes(heat: torch.Tensor) -> torch.Tensor:
        head = network.get_submodule("box_head")
        handle = head.register_forward_hook(lambda *_: heat)
        with torch.no_grad():
            found = network.raw(torch.zeros((1, 64, 96, 3), dtype=torch.uint8)).boxes
        handle.remove()
        return found

    torch.testing.assert_close(boxes(torch.zeros(1, 4, 4, 6)), torch.full((1, 4), 0.5))
    heat = torch.zeros(1, 4, 4, 6)
    for side, (row, column) in enumerate([(0, 1), (1, 0), (0, 4), (2, 0)]):
        heat[0, side, row, column] = 100.0
    torch.testing.assert_close(boxes(heat), torch.tensor([[1 / 5, 1 / 3, 4 / 5, 2 / 3]]))


@pytest.mark.parametrize(
    "changes", [{"class_count": 0}, {"size_hw": (250, 256)}, {"trunk": "deep"}, {"dropout": 1.0}]
)
def test_localizer_settings_out_of_range_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        LocalizerSettings(**{"class_count": 3, **changes})  # type: ignore[arg-type]
