"""The networks of the family, from their layers to their two outputs."""

from spotlet_training.network.contract import Network, NetworkSettings
from spotlet_training.network.detector import RawPrediction, TwoHeadDetector
from spotlet_training.network.localizer import (
    FlatLocalizer,
    IntegralLocalizer,
    Localizer,
    LocalizerSettings,
    RawLocalization,
    build_localizer,
)
from spotlet_training.network.settings import DetectorSettings

__all__ = [
    "DetectorSettings",
    "FlatLocalizer",
    "IntegralLocalizer",
    "Localizer",
    "LocalizerSettings",
    "Network",
    "NetworkSettings",
    "RawLocalization",
    "RawPrediction",
    "TwoHeadDetector",
    "build_localizer",
]
