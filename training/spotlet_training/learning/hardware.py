"""The device and the precision of a training."""

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor

from spotlet.errors import UsageError
from spotlet_training.learning.settings import TrainingSettings

Result = TypeVar("Result")

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Names of glibc's `mallopt` (malloc.h)."""

MOST_KEPT = 2**31 - 1
"""Bytes of freed memory that the process keeps: the largest value that fits."""


def pick_device(settings: TrainingSettings) -> torch.device:
    """Returns the device that the settings ask for.

    Raises:
        UsageError: CUDA is asked for and there is no such device.
    """
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("device cuda: torch sees no CUDA device here; use --device cpu")
    if settings.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(settings.device)


def pick_precision(settings: TrainingSettings, device: torch.device) -> torch.dtype:
    """Returns the type in which convolutions are computed; weights stay float32."""
    if settings.precision != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[settings.precision]
    fast = (
        torch.cuda.is_bf16_supported(including_emulation=False)
        if device.type == "cuda"
        else multiplies_bfloat16()
    )
    return torch.bfloat16 if fast else torch.float32


@contextmanager
def fast_kernels(settings: TrainingSettings, device: torch.device) -> Iterator[None]:
    """Lets CUDA's libraries choose their fastest kernels inside the block.

    cuDNN tries its algorithms on the first batch, whose shape is that of all. Products in float32
    go through TF32 units (10 bits of mantissa) unless the settings ask for float32 by name.
    """
    if device.type != "cuda":
        yield
        return
    tried = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        with float32_products(device, exact=settings.precision == "float32"):
            yield
    finally:
        torch.backends.cudnn.benchmark = tried


@contextmanager
def float32_products(device: torch.device, *, exact: bool = True) -> Iterator[None]:
    """Makes CUDA multiply float32 exactly inside the block, or, unless `exact`, in TF32 units.

    Measurements need exact products: 10 bits of mantissa move boxes and scores.
    """
    if device.type != "cuda":
        yield
        return
    tf32, products = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    torch.backends.cudnn.allow_tf32 = not exact
    torch.set_float32_matmul_precision("highest" if exact else "high")
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = tf32
        torch.set_float32_matmul_precision(products)


def compiled(function: Callable[[Tensor], Result]) -> Callable[[Tensor], Result]:
    """Returns the function compiled by torch, which happens at its first call.

    Raises:
        UsageError: at that call, if torch cannot; mostly because there is no C++ compiler.
    """
    from torch._dynamo.exc import TorchDynamoException

    fast = torch.compile(function)

    def call(images: Tensor) -> Result:
        try:
            return fast(images)
        except TorchDynamoException as error:
            reason = str(error).splitlines()[0]
            raise UsageError(
                f"--compile: torch cannot compile the network here ({reason}); drop the option"
            ) from error

    return call


def computing_in(dtype: torch.dtype, device: torch.device) -> torch.autocast:
    """Returns a context in which convolutions are computed in a type; float32 changes nothing."""
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)


def multiplies_bfloat16() -> bool:
    """Returns whether this processor multiplies bfloat16 in hardware: AMX or AVX-512 BF16."""
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name, False) for name in ("amx_bf16", "avx512_bf16"))


def keep_freed_memory() -> None:
    """Makes glibc keep freed memory in this process; elsewhere nothing changes.

    Otherwise every large tensor is mapped again and the kernel clears its pages: on two cores a
    third of a training step of the flat localizer, whose first layer is 256 x 256. For the
    detector it makes no difference.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, MOST_KEPT)
