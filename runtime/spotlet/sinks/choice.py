"""Which sink a path to save to means."""

from pathlib import Path

from spotlet.errors import UsageError
from spotlet.image_files import IMAGE_SUFFIXES
from spotlet.sinks.images import SAVED_SUFFIXES, ImageSink
from spotlet.sinks.sink import Sink, refuse_source
from spotlet.sinks.video import CODECS, VideoSink
from spotlet.streams import Stream

FILE_SUFFIXES = IMAGE_SUFFIXES | {".avi", ".gif", ".mkv", ".mov", ".mp4", ".webm", ".wmv"}
"""Who saves to such a name means a file, not a folder."""


def save_sink(path: str | Path, stream: Stream, *, max_fps: float | None = None) -> Sink:
    """Returns the sink that `path` means for the frames of `stream`.

    `.mp4` and `.avi` are a video. For a single image, `.png` and `.jpg` are an image; any
    other path is a folder of images, which only image sources have.

    Args:
        path: where to save.
        stream: what is saved; a video takes its frame rate.
        max_fps: the rate to which a live stream is held, which its video then has.

    Raises:
        UsageError: the path does not suit the source, or is a file of the source.
        OutputError: it cannot be written.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    refuse_source(target, stream.files)
    if stream.kind == "image" and suffix in SAVED_SUFFIXES:
        return ImageSink(target, single=True, sources=stream.files)
    if suffix in CODECS and stream.kind != "image":
        rates = [rate for rate in (stream.fps, max_fps) if rate is not None]
        playback_fps = min(rates, default=None) if stream.mode == "live" else stream.fps
        return VideoSink(target, playback_fps)
    if stream.kind in ("image", "images") and suffix not in FILE_SUFFIXES:
        if target.resolve() in {path.parent for path in stream.files}:
            raise UsageError(f"{path}: holds the sources; save to another folder")
        return ImageSink(target, sources=stream.files)
    if stream.kind == "image":
        raise UsageError(f"{path}: one image is saved as {', '.join(SAVED_SUFFIXES)}")
    if stream.kind == "images":
        raise UsageError(f"{path}: images are saved in a folder, or as {' or '.join(CODECS)}")
    raise UsageError(f"{path}: a video is saved as {' or '.join(CODECS)}")
