"""A model file before its first frame: found, checked, bounded, and opened by a provider.

Names are loaded on first use: a detector needs no device profile.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spotlet.model.limits import limit_memory
    from spotlet.model.package import VARIANTS, locate_model
    from spotlet.model.profile import tuned_settings

__all__ = ["VARIANTS", "limit_memory", "locate_model", "tuned_settings"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = {"limit_memory": "limits", "tuned_settings": "profile"}.get(name, "package")
    return getattr(import_module(f"{__name__}.{module}"), name)
