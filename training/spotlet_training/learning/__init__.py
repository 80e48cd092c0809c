"""The parts of a training step: batches, assignment, losses, optimiser."""

from spotlet_training.learning.augmentation import AugmentationSettings
from spotlet_training.learning.epochs import Epoch, Step
from spotlet_training.learning.settings import TrainingSettings

__all__ = ["AugmentationSettings", "Epoch", "Step", "TrainingSettings"]
