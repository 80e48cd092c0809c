"""What a training runs on, and with which numbers."""

import torch

from spotlet.errors import UsageError
from spotlet_training.settings import TrainingSettings


def pick_device(settings: TrainingSettings) -> torch.device:
    """Returns the device that the settings ask for.

    Raises:
        UsageError: CUDA is asked for and there is none.
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
        else has_bfloat16_matrix_units()
    )
    return torch.bfloat16 if fast else torch.float32


def has_bfloat16_matrix_units() -> bool:
    """Returns whether this processor multiplies bfloat16 matrices in hardware (Intel AMX)."""
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("amx_bf16", False))
