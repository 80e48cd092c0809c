"""torch for small networks."""

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Keeps torch on one thread: networks this small only wait for the others."""
    torch.set_num_threads(1)
