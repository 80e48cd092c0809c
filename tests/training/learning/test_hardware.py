"""CUDA's switches, which torch has where there is no CUDA device too."""

import pytest
import torch

from spotlet_training.learning.hardware import fast_kernels, float32_products
from spotlet_training.learning.settings import TrainingSettings

CUDA, CPU = torch.device("cuda"), torch.device("cpu")

Switches = tuple[bool, bool, str]


def _switches() -> Switches:
    """cuDNN's trials, its TF32, and the precision of matrix products."""
    cudnn = torch.backends.cudnn
    return cudnn.benchmark, cudnn.allow_tf32, torch.get_float32_matmul_precision()


@pytest.mark.parametrize(
    ("precision", "device", "meanwhile"),
    [
        ("auto", CUDA, (True, True, "high")),
        ("bfloat16", CUDA, (True, True, "high")),
        ("float32", CUDA, (True, False, "highest")),
        ("auto", CPU, None),
    ],
)
def test_training_lets_cuda_choose_and_leaves_its_switches_as_they_were(
    precision: str, device: torch.device, meanwhile: Switches | None
) -> None:
    before = _switches()
    with fast_kernels(TrainingSettings(precision=precision), device):
        assert _switches() == (meanwhile or before)
    assert _switches() == before


def test_what_is_measured_is_exact_in_the_midst_of_a_training() -> None:
    with fast_kernels(TrainingSettings(), CUDA):
        with float32_products(CUDA):
            assert _switches() == (True, False, "highest")
        assert _switches() == (True, True, "high")
