"""A run as one call: sources read, objects detected, tracked and counted, results written."""

from spotlet.running.run import run
from spotlet.running.settings import RunCallbacks, RunSettings
from spotlet.running.summary import RunSummary

__all__ = ["RunCallbacks", "RunSettings", "RunSummary", "run"]
