"""The sinks that a run's output flags mean."""

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from spotlet.commands.mqtt_output import mqtt_sink, require_usable_mqtt
from spotlet.commands.serving import serve_sink
from spotlet.errors import UsageError
from spotlet.serve.address import Listener
from spotlet.sinks import NdjsonSink, Sink, WindowSink, refuse_source
from spotlet.sinks.choice import save_sinks, snapshot_sink
from spotlet.sinks.line_file import LEAST_ROTATE_BYTES
from spotlet.sinks.recording.sink import KEPT_RECORDINGS
from spotlet.sinks.sink import OnFailure
from spotlet.streams import Stream

_BYTES_PER_MB = 1_000_000


def open_sinks(
    args: argparse.Namespace,
    streams: Sequence[Stream],
    model: Path,
    take: Callable[[Sink], None],
    on_failure: OnFailure,
    listener: Listener | None = None,
) -> None:
    """Opens the sinks that were asked for.

    Args:
        args: see `add_output_arguments`.
        streams: what is read.
        model: the model's file, which no output may replace.
        take: is given each sink as soon as it is open, and closes it, also after an error here.
        on_failure: see `save_sink`.
        listener: where the run is served; None where it is not.

    Raises:
        UsageError: a flag breaks its rule, two outputs are one place, or one is what is read.
        OutputError: one cannot be written.
    """
    _require_usable(args)
    require_usable_mqtt(args)
    files = frozenset[Path]().union(*(stream.files for stream in streams))
    if args.ndjson not in (None, "-"):
        refuse_source(Path(args.ndjson), files | {model.resolve()})
        if args.save is not None and Path(args.ndjson).resolve() == Path(args.save).resolve():
            raise UsageError(f"--ndjson and --save {args.save}: must be two places")
    # First what may be refused: opening the NDJSON empties a file that is there.
    if args.save is not None:
        keep = KEPT_RECORDINGS if args.keep_videos is None else args.keep_videos
        take(save_sinks(args.save, streams, max_fps=args.max_fps, keep=keep, on_failure=on_failure))
    if args.snapshots is not None:
        take(snapshot_sink(args.snapshots, streams, on_failure=on_failure))
    if args.mqtt is not None:
        take(mqtt_sink(args, on_failure))
    if args.ndjson is not None:
        rotate = None if args.rotate_mb is None else round(args.rotate_mb * _BYTES_PER_MB)
        take(NdjsonSink(args.ndjson, rotate_bytes=rotate))
    if listener is not None:
        take(serve_sink(args, listener, streams, on_failure))
    if args.show:
        take(WindowSink(f"spotlet: {', '.join(stream.source for stream in streams)}"))


def _require_usable(args: argparse.Namespace) -> None:
    if args.rotate_mb is not None:
        told = f"--rotate-mb {args.rotate_mb:g}"
        least = LEAST_ROTATE_BYTES / _BYTES_PER_MB
        if args.ndjson in (None, "-"):
            raise UsageError(f"{told}: needs --ndjson FILE; only a file can rotate")
        if not math.isfinite(args.rotate_mb) or round(args.rotate_mb * _BYTES_PER_MB) < (
            LEAST_ROTATE_BYTES
        ):
            raise UsageError(f"{told}: must be at least {least:g}, and finite")
    if args.keep_videos is not None and (args.keep_videos < 1 or args.save is None):
        raise UsageError(f"--keep-videos {args.keep_videos}: must be at least 1, with --save")
