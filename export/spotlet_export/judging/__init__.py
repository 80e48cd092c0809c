"""Whether two models are the same, and where they part."""

from spotlet_export.judging.proving import Proof, ProveSettings, prove_models

__all__ = ["Proof", "ProveSettings", "prove_models"]
