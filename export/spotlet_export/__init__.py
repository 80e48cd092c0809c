"""Export: a checkpoint in, a proven model package out."""

from spotlet_export.exporting import Export, export_package

__all__ = ["Export", "export_package"]
