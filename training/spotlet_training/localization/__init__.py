"""The experiment: a network that classifies well but localizes poorly, and the cure."""

from spotlet_training.localization.experiment import run_ladder
from spotlet_training.localization.frozen import frozen_set
from spotlet_training.localization.ladder import Step, ladder
from spotlet_training.localization.learning import Outcome, learn
from spotlet_training.localization.recipe import Recipe
from spotlet_training.localization.runs import Run, RunFolder
from spotlet_training.localization.scenes import FrozenScenes, FrozenSet

__all__ = [
    "FrozenScenes",
    "FrozenSet",
    "Outcome",
    "Recipe",
    "Run",
    "RunFolder",
    "Step",
    "frozen_set",
    "ladder",
    "learn",
    "run_ladder",
]
