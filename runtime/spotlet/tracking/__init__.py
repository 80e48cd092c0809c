"""Tracking: an object has the same id in every frame."""

from spotlet.tracking.settings import TrackingSettings
from spotlet.tracking.tracker import Tracker

__all__ = ["Tracker", "TrackingSettings"]
