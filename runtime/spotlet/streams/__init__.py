"""Frames from images, folders, video files, cameras and URLs."""

from spotlet.streams.frame import Frame, SourceClock
from spotlet.streams.group import Arrival, StreamGroup
from spotlet.streams.opening import open_stream, open_streams
from spotlet.streams.source import Source, locate_source
from spotlet.streams.status import OnStatus, Reconnection, State, StatusEvent
from spotlet.streams.stream import Stream

__all__ = [
    "Arrival",
    "Frame",
    "OnStatus",
    "Reconnection",
    "Source",
    "SourceClock",
    "State",
    "StatusEvent",
    "Stream",
    "StreamGroup",
    "locate_source",
    "open_stream",
    "open_streams",
]
