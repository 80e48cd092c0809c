"""Adoption: another exporter's ONNX detector in, a proven model package out. Needs no torch."""

from spotlet_export.adoption.adopting import Adoption, adopt_package
from spotlet_export.adoption.listener import Listener
from spotlet_export.adoption.preview import Preview
from spotlet_export.adoption.settings import AdoptSettings
from spotlet_export.adoption.trials.proposal import Proposal

__all__ = ["AdoptSettings", "Adoption", "Listener", "Preview", "Proposal", "adopt_package"]
