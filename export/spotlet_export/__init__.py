"""Export: a checkpoint in, a proven model package out."""

from spotlet_export.exporting import Export, ExportSettings, export_package

__all__ = ["Export", "ExportSettings", "export_package"]
