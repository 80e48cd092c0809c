"""Opens streams, and chooses how each source is read."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from spotlet.errors import UsageError
from spotlet.streams.connection import Connection
from spotlet.streams.decoding import Decoder, ReaderOpener, allow_all_hardware
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
    decoder: Decoder = "auto",
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
        decoder: `hw`: video is decoded in hardware where OpenCV can, else by the CPU, which is
            logged as a warning; `cpu`: never in hardware; `auto`: in hardware where it pays and
            nothing must be repeatable, in large pictures of a URL in `live` mode.

    Raises:
        SourceError: the source cannot be opened, or none of its frames can be decoded.
        UsageError: an argument breaks its rule.

    Example:
        >>> with open_stream("holiday.mp4") as stream:  # doctest: +SKIP
        ...     for frame in stream:
        ...         print(frame.index, frame.pts_seconds, frame.image.shape)
    """
    group = open_streams(
        [source],
        mode=mode,
        max_fps=max_fps,
        reconnection=reconnection,
        on_status=on_status,
        decoder=decoder,
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
    decoder: Decoder = "auto",
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
        decoder: of all; see `open_stream`.

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
    if decoder not in get_args(Decoder):
        raise UsageError(f"decoder {decoder!r}: must be auto, cpu or hw")
    located = _named_apart([locate_source(source) for source in sources])
    if any(source.is_live for source in located):
        allow_opening_at_once()
    if decoder == "hw":
        allow_all_hardware()
    changed = threading.Event()
    streams: list[Stream] = []
    try:
        for each in located:
            streams.append(
                _open(each, mode, max_fps, reconnection, on_status, changed, spare_cores, decoder)
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
    decoder: Decoder,
) -> Stream:
    if mode == "live" and source.paths:
        raise UsageError(f"{source.name}: images have no live mode; use mode video")
    chosen: StreamMode = mode or ("live" if source.is_live else "video")
    limits = reconnection.open_seconds, reconnection.stall_seconds

    live = chosen == "live" and source.is_live

    def open_with(decoder: Decoder) -> VideoReader:
        return VideoReader(source, *limits, live=live, spare_cores=spare_cores, decoder=decoder)

    if decoder == "hw" and (source.paths or source.kind == "camera"):
        logger.warning(
            "%s: decoder hw: is for videos and URLs, not for images and cameras", source.name
        )
    if source.kind == "camera" or (decoder == "auto" and not live):
        decoder = "cpu"
    open_reader = ReaderOpener(source, decoder, open_with)
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
