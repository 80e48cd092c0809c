"""Tracking: the same object has the same number in every frame."""

from spotlet.tracking.settings import TrackingSettings
from spotlet.tracking.tracker import Tracker

__all__ = ["Tracker", "TrackingSettings"]
