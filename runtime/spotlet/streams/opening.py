"""Opens streams, and chooses how each source is read."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from spotlet.errors import UsageError
from spotlet.streams.connection import Connection
from spotlet.streams.feeds import EveryFrame, Feed, OneConnection
from spotlet.streams.group import StreamGroup
from spotlet.streams.images import ImageReader
from spotlet.streams.opencv import allow_opening_at_once
from spotlet.streams.source import Source, locate_source
from spotlet.streams.status import OnStatus, Reconnection, StatusEvent
from spotlet.streams.stream import Stream, StreamMode
from spotlet.streams.video import VideoReader

logger = logging.getLogger("spotlet.streams")


def log_status(event: StatusEvent) -> None:
    """Logs a change of state, losses as warnings."""
    level = logging.WARNING if event.state in ("stalled", "lost") else logging.INFO
    logger.log(level, "%s", event)


def open_stream(
    source: str | int | Path,
    *,
    mode: StreamMode | None = None,
    max_fps: float | None = None,
    reconnection: Reconnection = Reconnection(),  # noqa: B008 - frozen
    on_status: OnStatus = log_status,
) -> Stream:
    """Opens a source of frames.

    In `live` mode a camera or a URL may be unavailable: it is tried until it answers, and again
    when it is lost. In `video` mode, and for files, a source that cannot be opened is an error.

    Args:
        source: the path of an image, of a folder of images or of a video file; a glob of
            images; a camera's index; an rtsp, rtmp or http URL.
        mode: `video` yields every frame, in order; `live` the newest, and counts those it
            skipped as dropped. None is `live` for cameras and URLs, else `video`. A file in
            `live` mode plays at its own pace, as a camera would.
        max_fps: the most frames per second, over 0. In `video` mode reading waits and nothing
            is skipped; in `live` mode the frames in between are dropped.
        reconnection: how long a live source may be silent, and when it is tried again. In
            `video` mode how long a URL may take to open, and to deliver a frame.
        on_status: called in the consumer's thread with each change of a live source's state.

    Raises:
        SourceError: the source cannot be opened, or none of its frames can be decoded.
        UsageError: an argument breaks its rule.

    Example:
        >>> with open_stream("holiday.mp4") as stream:  # doctest: +SKIP
        ...     for frame in stream:
        ...         print(frame.index, frame.pts_seconds, frame.image.shape)
    """
    group = open_streams(
        [source], mode=mode, max_fps=max_fps, reconnection=reconnection, on_status=on_status
    )
    return group.streams[0]


def open_streams(
    sources: Sequence[str | int | Path],
    *,
    mode: StreamMode | None = None,
    max_fps: float | None = None,
    reconnection: Reconnection = Reconnection(),  # noqa: B008 - frozen
    on_status: OnStatus = log_status,
    spare_cores: bool = True,
) -> StreamGroup:
    """Opens several sources.

    No source waits for another, except files in `video` mode, which one thread reads in turn.

    Args:
        sources: each as `open_stream` takes it; none twice. If two names are equal without
            their credentials, the second is called `NAME #2`.
        mode: of all; see `open_stream`.
        max_fps: of each.
        reconnection: of each.
        on_status: called in the consumer's thread; the event names the source.
        spare_cores: whether files may be decoded on several cores; if false, small pictures are
            decoded on one, which takes less CPU time in total.

    Raises:
        SourceError: a source cannot be opened; see `open_stream`.
        UsageError: an argument breaks its rule.

    Example:
        >>> with open_streams(["rtsp://10.0.0.7/door", 0]) as group:  # doctest: +SKIP
        ...     for arrivals in group.batches(most=2):
        ...         for stream, frame in arrivals:
        ...             print(stream.source, frame.index)
    """
    if mode not in (None, "video", "live"):
        raise UsageError(f"mode {mode!r}: must be video or live")
    if max_fps is not None and not 0 < max_fps < float("inf"):
        raise UsageError(f"max fps {max_fps}: must be over 0")
    located = _named_apart([locate_source(source) for source in sources])
    if any(source.is_live for source in located):
        allow_opening_at_once()
    changed = threading.Event()
    streams: list[Stream] = []
    try:
        for each in located:
            streams.append(
                _open(each, mode, max_fps, reconnection, on_status, changed, spare_cores)
            )
        for stream in streams:
            stream.wait_until_open()
    except BaseException:
        StreamGroup(streams, changed).close()
        raise
    return StreamGroup(streams, changed)


def _named_apart(sources: Sequence[Source]) -> list[Source]:
    """Returns the sources with unique names: two may differ in their credentials alone."""
    if not sources:
        raise UsageError("sources: must be at least one")
    named: dict[str, Source] = {}
    for source in sources:
        name, number = source.name, 1
        while name in named:
            if (source.location, source.paths) == (named[name].location, named[name].paths):
                raise UsageError(f"{name}: given twice; give each source once")
            number += 1
            name = f"{source.name} #{number}"
        named[name] = replace(source, name=name)
    return list(named.values())


def _open(
    source: Source,
    mode: StreamMode | None,
    max_fps: float | None,
    reconnection: Reconnection,
    on_status: OnStatus,
    changed: threading.Event,
    spare_cores: bool,
) -> Stream:
    if mode == "live" and source.paths:
        raise UsageError(f"{source.name}: images have no live mode; use mode video")
    chosen: StreamMode = mode or ("live" if source.is_live else "video")
    limits = reconnection.open_seconds, reconnection.stall_seconds

    def open_reader() -> VideoReader:
        live = chosen == "live" and source.is_live
        return VideoReader(source, *limits, live=live, spare_cores=spare_cores)

    feed: Feed
    if source.paths:
        feed = EveryFrame(ImageReader(source.paths, source.left_out))
    elif chosen == "live" and source.is_live:
        feed = Connection(source.name, open_reader, reconnection, changed, on_status)
    elif source.is_live:  # it may hang, and Ctrl-C and the others would wait
        feed = OneConnection(open_reader, changed, "every")
    elif chosen == "live":  # a file is there or not: there is nothing to wait for
        reader = open_reader()
        feed = OneConnection(lambda: reader, changed, "paced")
    else:
        feed = EveryFrame(open_reader())
    return Stream(source, feed, chosen, max_fps, changed)
