"""The files of a training run, and resuming from them."""

from spotlet_training.run_folder.record import BEST_CHECKPOINT
from spotlet_training.run_folder.state import LAST_STATE

__all__ = ["BEST_CHECKPOINT", "LAST_STATE"]
