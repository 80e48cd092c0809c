"""How good a detector is: AP, operating point, latency."""

from spotlet_training.evaluation.evaluation import Evaluation, evaluate_model, evaluate_network
from spotlet_training.evaluation.measurement import Measurement, measure

__all__ = ["Evaluation", "Measurement", "evaluate_model", "evaluate_network", "measure"]
