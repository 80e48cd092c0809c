"""Labels pictures with models, for a person to correct."""

from spotlet_training.labelling.labelling import LabelCallbacks, label
from spotlet_training.labelling.settings import LabelSettings
from spotlet_training.labelling.summary import LabelSummary
from spotlet_training.labelling.teachers import Teacher

__all__ = ["LabelCallbacks", "LabelSettings", "LabelSummary", "Teacher", "label"]
