"""Whether two models are the same, and where they part."""

from spotlet_export.judging.proof import Proof, ProveSettings
from spotlet_export.judging.proving import prove_models

__all__ = ["Proof", "ProveSettings", "prove_models"]
