"""The two-head detector, from its layers to its outputs."""

from spotlet_training.network.detector import RawPrediction, TwoHeadDetector
from spotlet_training.network.settings import NetworkSettings

__all__ = ["NetworkSettings", "RawPrediction", "TwoHeadDetector"]
