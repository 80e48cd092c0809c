"""Where detections go: NDJSON, annotated videos and images, snapshots, a window, a function."""

from spotlet.sinks.callback import CallbackSink
from spotlet.sinks.choice import save_sink, save_sinks, snapshot_sink
from spotlet.sinks.group import SinkGroup
from spotlet.sinks.images import ImageSink
from spotlet.sinks.ndjson import NdjsonSink
from spotlet.sinks.queue import QueuedSink, QueueRule
from spotlet.sinks.recording.sink import RecordingSink
from spotlet.sinks.recording.video import VideoSink
from spotlet.sinks.sink import EventSink, Sink, refuse_source
from spotlet.sinks.snapshots import SnapshotSink
from spotlet.sinks.window import WindowClosed, WindowSink

__all__ = [
    "CallbackSink",
    "EventSink",
    "ImageSink",
    "NdjsonSink",
    "QueueRule",
    "QueuedSink",
    "RecordingSink",
    "Sink",
    "SinkGroup",
    "SnapshotSink",
    "VideoSink",
    "WindowClosed",
    "WindowSink",
    "refuse_source",
    "save_sink",
    "save_sinks",
    "snapshot_sink",
]
