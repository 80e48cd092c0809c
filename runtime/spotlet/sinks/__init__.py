"""Where detections go: NDJSON, annotated videos and images, a window."""

from spotlet.sinks.choice import save_sink
from spotlet.sinks.images import ImageSink
from spotlet.sinks.ndjson import NdjsonSink, frame_record
from spotlet.sinks.sink import Sink, refuse_source
from spotlet.sinks.video import VideoSink
from spotlet.sinks.window import WindowClosed, WindowSink

__all__ = [
    "ImageSink",
    "NdjsonSink",
    "Sink",
    "VideoSink",
    "WindowClosed",
    "WindowSink",
    "frame_record",
    "refuse_source",
    "save_sink",
]
