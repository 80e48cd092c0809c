"""Frames from images, folders, video files, cameras and URLs."""

from spotlet.streams.frame import Frame
from spotlet.streams.source import Source, locate_source
from spotlet.streams.stream import Stream, open_stream

__all__ = ["Frame", "Source", "Stream", "locate_source", "open_stream"]
