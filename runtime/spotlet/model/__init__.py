"""A model file before its first frame: found, checked, bounded, and opened by a provider.

Names are loaded on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spotlet.model.limits import limit_memory
    from spotlet.model.package import VARIANTS, locate_model

__all__ = ["VARIANTS", "limit_memory", "locate_model"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "limits" if name == "limit_memory" else "package"
    return getattr(import_module(f"{__name__}.{module}"), name)
