"""The same object has the same number from frame to frame."""

from spotlet.tracking.settings import TrackingSettings
from spotlet.tracking.tracker import Tracker

__all__ = ["Tracker", "TrackingSettings"]
