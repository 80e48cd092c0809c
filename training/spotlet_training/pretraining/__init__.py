"""Pretraining of backbones: the features of an ImageNet network, distilled into ours."""

from spotlet_training.pretraining.distillation import DistillationSettings, Taught, distil
from spotlet_training.pretraining.pictures import Views, find_pictures
from spotlet_training.pretraining.targets import Targets, write_targets

__all__ = [
    "DistillationSettings",
    "Targets",
    "Taught",
    "Views",
    "distil",
    "find_pictures",
    "write_targets",
]
