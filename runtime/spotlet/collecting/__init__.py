"""Frames of a run that are worth a person's time, kept as a labelled set."""

from spotlet.collecting.collector import Collector
from spotlet.collecting.settings import CollectSettings
from spotlet.collecting.sink import CollectSink

__all__ = ["CollectSettings", "CollectSink", "Collector"]
