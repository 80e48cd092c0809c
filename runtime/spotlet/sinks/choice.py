"""The sink for a path to save to."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from spotlet.errors import UsageError
from spotlet.image_files.files import IMAGE_SUFFIXES
from spotlet.sinks.file_names import unique_names
from spotlet.sinks.group import SinkGroup
from spotlet.sinks.images import SAVED_SUFFIXES, ImageSink
from spotlet.sinks.queue import QueuedSink
from spotlet.sinks.recording.encoder import CODECS
from spotlet.sinks.recording.sink import KEPT_RECORDINGS, RECORDED_SUFFIX, RecordingSink
from spotlet.sinks.recording.video import VideoSink
from spotlet.sinks.retry import RetriedSink
from spotlet.sinks.sink import OnFailure, Sink, refuse_source
from spotlet.sinks.snapshots import KEPT_SNAPSHOTS, QUIET_SECONDS, SnapshotSink
from spotlet.streams import Stream
from spotlet.streams.rate import playback_rate

FILE_SUFFIXES = IMAGE_SUFFIXES | {".avi", ".gif", ".mkv", ".mov", ".mp4", ".webm", ".wmv"}
"""A path with one of these means a file, not a folder."""

UNENDING_KINDS = ("camera", "url")
"""Sources that are recorded crash-safely, in `video` mode too."""


def save_sink(
    path: str | Path,
    stream: Stream,
    *,
    max_fps: float | None = None,
    keep: int = KEPT_RECORDINGS,
    on_failure: OnFailure | None = None,
) -> Sink:
    """Returns the sink that saves the frames of `stream` to `path`.

    `.mp4` and `.avi` are a video. For a single image, `.png` and `.jpg` are an image. Any other
    path is a folder of images, for image sources only. A camera, a URL and any source in `live`
    mode become a recording, always `.mp4`, see `RecordingSink`. It is written in its own thread;
    if that is too slow, `live` mode drops frames and `video` mode waits.

    Args:
        path: where to save.
        stream: what is saved; a video takes its frame rate.
        max_fps: frame rate limit of a live stream, and so of its recording.
        keep: how many files of a recording to keep.
        on_failure: called when the recording fails in `live` mode, which is then retried, see
            `RetriedSink`. Without it a failure is an error, as it always is in `video` mode.

    Raises:
        UsageError: the path does not suit the source, or is a file of the source.
        OutputError: it cannot be written.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    refuse_source(target, stream.files)
    if stream.kind == "image" and suffix in SAVED_SUFFIXES:
        return ImageSink(target, single=True, sources=stream.files)
    if stream.kind in ("image", "images") and suffix not in FILE_SUFFIXES:
        if target.resolve() in {path.parent for path in stream.files}:
            raise UsageError(f"{path}: holds the sources; save to another folder")
        return ImageSink(target, sources=stream.files)
    if stream.kind == "image":
        raise UsageError(f"{path}: one image is saved as {', '.join(SAVED_SUFFIXES)}")
    if stream.kind == "images" and suffix not in CODECS:
        raise UsageError(f"{path}: images are saved in a folder, or as {' or '.join(CODECS)}")
    if stream.mode == "live":
        return _live_recording(target, stream, max_fps, keep, on_failure)
    if stream.kind in UNENDING_KINDS:
        every_frame = RecordingSink(target, lambda: stream.fps, real_time=False, keep=keep)
        return QueuedSink(every_frame, rule="block")
    fps = stream.fps
    if stream.kind == "video":
        (source,) = stream.files
        fps = playback_rate(source, fps) if source.is_file() else fps
    return VideoSink(target, fps, real_time=stream.kind == "video")


def save_sinks(
    path: str | Path,
    streams: Sequence[Stream],
    *,
    max_fps: float | None = None,
    keep: int = KEPT_RECORDINGS,
    on_failure: OnFailure | None = None,
) -> Sink:
    """Returns the sink that saves the frames of one or several streams to `path`.

    For one, see `save_sink`. For several, `path` is a folder with a video of each, named after
    the source without credentials, as in `10.0.0.7_door.mp4`.

    Args:
        path: where to save.
        streams: at least one; several must be videos or live.
        max_fps: see `save_sink`.
        keep: see `save_sink`; for each source.
        on_failure: see `save_sink`.

    Raises:
        UsageError: the path does not suit the sources, or holds one of their files.
        OutputError: it cannot be written.
    """
    save = partial(save_sink, max_fps=max_fps, keep=keep, on_failure=on_failure)
    if len(streams) == 1:
        return save(path, streams[0])
    folder = Path(path)
    if folder.suffix.lower() in FILE_SUFFIXES or folder.is_file():
        raise UsageError(f"{path}: several sources are saved in a folder, one video each")
    for stream in streams:
        if stream.kind in ("image", "images"):
            raise UsageError(f"{stream.source}: images must be saved in a separate run")
    sources = [stream.source for stream in streams]
    if len(set(sources)) < len(sources):
        raise UsageError(
            f"sources {', '.join(sources)}: two have the same name, so they cannot be saved"
        )
    files = frozenset[Path]().union(*(stream.files for stream in streams))
    sinks: dict[str, Sink] = {}
    try:
        for stream, name in zip(streams, unique_names(sources), strict=True):
            target = folder / f"{name}{RECORDED_SUFFIX}"
            refuse_source(target, files)
            sinks[stream.source] = save(target, stream)
    except BaseException:
        SinkGroup(sinks).close()
        raise
    return SinkGroup(sinks)


def snapshot_sink(
    folder: str | Path,
    streams: Sequence[Stream],
    *,
    quiet_seconds: float = QUIET_SECONDS,
    keep: int = KEPT_SNAPSHOTS,
    on_failure: OnFailure | None = None,
) -> Sink:
    """Returns the sink of a folder of snapshots; if all streams are live, it may drop frames.

    Args:
        folder: where the snapshots are saved.
        streams: the sources of the frames.
        quiet_seconds: see `SnapshotSink`.
        keep: see `SnapshotSink`.
        on_failure: see `save_sink`; used if one of the streams is live.

    Raises:
        UsageError: a number breaks its rule.
        OutputError: the folder cannot be written.
    """
    sink: Sink = SnapshotSink(
        folder,
        quiet_seconds=quiet_seconds,
        keep=keep,
        sources=[stream.source for stream in streams if stream.kind in UNENDING_KINDS],
    )
    modes = {stream.mode for stream in streams}
    if "live" in modes and on_failure is not None:
        sink = RetriedSink(sink, on_failure)
    return QueuedSink(sink, rule="drop") if modes == {"live"} else sink


def _live_recording(
    target: Path,
    stream: Stream,
    max_fps: float | None,
    keep: int,
    on_failure: OnFailure | None,
) -> Sink:
    def limited_fps() -> float | None:
        return min((rate for rate in (stream.fps, max_fps) if rate is not None), default=None)

    sink: Sink = RecordingSink(target, limited_fps, keep=keep)
    if on_failure is not None:
        sink = RetriedSink(sink, on_failure)
    return QueuedSink(sink, rule="drop")
