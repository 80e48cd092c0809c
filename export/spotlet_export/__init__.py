"""Export and adoption: a checkpoint, or another's ONNX file, in; a proven model package out."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import spotlet as spotlet  # before onnxruntime, whose telemetry it turns off

if TYPE_CHECKING:
    from spotlet_export.adoption.adopting import Adoption, AdoptSettings, adopt_package
    from spotlet_export.exporting import Export, ExportSettings, export_package

__all__ = [
    "AdoptSettings",
    "Adoption",
    "Export",
    "ExportSettings",
    "adopt_package",
    "export_package",
]


def __getattr__(name: str) -> Any:
    """Returns a public name, imported when it is first asked for: adoption needs no torch."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    adopts = "adopt" in name.lower()
    where = "spotlet_export.adoption.adopting" if adopts else "spotlet_export.exporting"
    return getattr(import_module(where), name)
