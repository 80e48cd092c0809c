"""Annotated video that survives a crash."""

from spotlet.sinks.recording.sink import RecordingSink
from spotlet.sinks.recording.video import VideoSink

__all__ = ["RecordingSink", "VideoSink"]
