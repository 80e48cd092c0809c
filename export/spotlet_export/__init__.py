"""Export and adoption: a checkpoint, or another exporter's ONNX file, in; a model package out."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import spotlet as spotlet  # before onnxruntime, whose telemetry it turns off

if TYPE_CHECKING:
    from spotlet_export.adoption import Adoption, AdoptSettings, adopt_package
    from spotlet_export.exporting import Export, ExportSettings, export_package
    from spotlet_export.graph.suppression import with_suppression

__all__ = [
    "AdoptSettings",
    "Adoption",
    "Export",
    "ExportSettings",
    "adopt_package",
    "export_package",
    "with_suppression",
]

_PLACES = {
    "AdoptSettings": "adoption",
    "Adoption": "adoption",
    "adopt_package": "adoption",
    "with_suppression": "graph.suppression",
}
"""Modules of the names that are not in `exporting`."""


def __getattr__(name: str) -> Any:
    """Returns a public name, imported on first use: adoption needs no torch."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES.get(name, 'exporting')}"), name)
