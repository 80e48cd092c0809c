"""A model file, before its first frame: found, checked, bounded, and opened by a provider."""

from spotlet.model.limits import limit_memory
from spotlet.model.package import VARIANTS, locate_model
from spotlet.model.profile import tuned_settings

__all__ = ["VARIANTS", "limit_memory", "locate_model", "tuned_settings"]
