"""What a training run leaves on disk, and how it resumes from it."""

from spotlet_training.run_folder.record import BEST_CHECKPOINT
from spotlet_training.run_folder.state import LAST_STATE

__all__ = ["BEST_CHECKPOINT", "LAST_STATE"]
