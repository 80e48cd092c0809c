import pytest
import torch

from spotlet.errors import UsageError
from spotlet_training.network import DetectorSettings, TwoHeadDetector
from spotlet_training.network.detector import SharedUnit, cell_grid


@pytest.fixture(scope="module")
def network() -> TwoHeadDetector:
    torch.manual_seed(0)
    return TwoHeadDetector(DetectorSettings(class_count=5, size_hw=(96, 160))).eval()


def test_outputs_have_the_designs_shapes_and_ranges(network: TwoHeadDetector) -> None:
    image = torch.randint(0, 256, (2, 96, 160, 3), dtype=torch.uint8)
    with torch.no_grad():
        boxes, scores = network(image)
    cells = 12 * 20 + 6 * 10 + 3 * 5
    assert boxes.shape == (2, cells, 4)
    assert scores.shape == (2, cells, 5)
    for tensor in (boxes, scores):
        assert float(tensor.min()) >= 0
        assert float(tensor.max()) <= 1


def test_cells_lie_row_by_row_at_their_centres() -> None:
    centres, strides = cell_grid((64, 96))
    assert centres[0].tolist() == [4, 4]
    assert centres[1].tolist() == [12, 4]
    assert centres[12].tolist() == [4, 12]
    assert centres[8 * 12].tolist() == [8, 8]
    assert strides.tolist() == [8.0] * 96 + [16.0] * 24 + [32.0] * 6


def test_a_cell_answers_for_the_place_where_it_lies(network: TwoHeadDetector) -> None:
    """A change in one corner of the picture must move the scores near that corner."""
    image = torch.full((1, 96, 160, 3), 100, dtype=torch.uint8)
    changed = image.clone()
    changed[:, :16, -16:] = 255
    with torch.no_grad():
        difference = (network.raw(changed).logits - network.raw(image).logits).abs().amax((0, 2))
    fine = difference[: 12 * 20].reshape(12, 20)
    assert divmod(int(fine.argmax()), 20)[0] < 4
    assert divmod(int(fine.argmax()), 20)[1] > 15


@pytest.mark.parametrize(("size", "millions"), [("pico", 0.4), ("nano", 0.9), ("small", 2.5)])
def test_the_sizes_are_about_what_edge_devices_want(size: str, millions: float) -> None:
    network = TwoHeadDetector(DetectorSettings.of_size(size, 10, (64, 64)))
    count = sum(p.numel() for p in network.parameters())
    assert 0.9 * millions * 1e6 < count < 1.2 * millions * 1e6


def test_a_size_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UsageError, match="pico, nano, small"):
        DetectorSettings.of_size("large", 2, (64, 64))


def test_levels_share_their_heads_convolutions_but_no_statistics(network: TwoHeadDetector) -> None:
    """Training on a level moves the BatchNorm of that level alone."""
    unit = network.class_head.tower[0]
    assert isinstance(unit, SharedUnit)
    assert unit.convolution.weight.shape == (48, 48, 3, 3)
    assert len({id(norm) for norm in unit.norms}) == 3


@pytest.mark.parametrize("size_hw", [(0, 320), (320, 300), (16, 16)])
def test_a_size_that_does_not_divide_is_refused(size_hw: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="multiple of 32"):
        DetectorSettings(class_count=1, size_hw=size_hw)
