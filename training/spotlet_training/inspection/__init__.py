"""What is in a labelled set, and what is wrong with it, before anything is trained on it."""

from spotlet_training.datasets.findings import Finding
from spotlet_training.inspection.harm import require_harmless
from spotlet_training.inspection.report import inspection_lines, inspection_record
from spotlet_training.inspection.sheet import labelled_sheet
from spotlet_training.inspection.survey import Inspection, inspect_sets

__all__ = [
    "Finding",
    "Inspection",
    "inspect_sets",
    "inspection_lines",
    "inspection_record",
    "labelled_sheet",
    "require_harmless",
]
