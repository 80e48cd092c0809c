"""The sinks that a run's settings ask for."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from spotlet.collecting import Collector
from spotlet.errors import SettingError
from spotlet.running.settings import BYTES_PER_MB, RunSettings
from spotlet.serve.address import Listener, ServeAddress
from spotlet.sinks import NdjsonSink, Sink, WindowSink, refuse_source
from spotlet.sinks.choice import save_sinks, snapshot_sink
from spotlet.sinks.recording.sink import KEPT_RECORDINGS
from spotlet.sinks.sink import OnFailure
from spotlet.streams import Stream


def listen(settings: RunSettings) -> contextlib.AbstractContextManager[Listener | None]:
    """Returns the listening socket that serves the run; None if it is not served.

    Raises:
        UsageError: the host is unknown, a token is missing, or the extra `serve` is.
        OutputError: the port is taken.
    """
    if settings.serve is None:
        return contextlib.nullcontext()
    try:
        import spotlet.serve.server  # noqa: F401 - an extra
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("spotlet"):
            raise
        raise SettingError(f'`serve` needs {error.name}: pip install "spotlet[serve]"') from error
    return Listener(ServeAddress.parse(settings.serve, settings.serve_token))


def open_sinks(
    settings: RunSettings,
    streams: Sequence[Stream],
    model: Path,
    on_failure: OnFailure,
    listener: Listener | None,
    class_names: Sequence[str] = (),
) -> Iterator[Sink]:
    """Opens the sinks, and yields each as soon as it is open.

    Args:
        settings: of the run.
        streams: no output may replace a file that they read.
        model: the model's file, which no output may replace either.
        on_failure: see `save_sink`.
        listener: see `listen`; taken over.
        class_names: of the model; needed to collect frames.

    Raises:
        UsageError: two outputs have one path, or an output would replace an input.
        InputError: the broker's certificates cannot be read.
        OutputError: one cannot be written.
    """
    if settings.ndjson is not None and str(settings.ndjson) != "-":
        ndjson = Path(settings.ndjson)
        files = frozenset[Path]().union(*(stream.files for stream in streams))
        refuse_source(ndjson, files | {model.resolve()})
        if settings.save is not None and ndjson.resolve() == Path(settings.save).resolve():
            raise SettingError(f"`ndjson` and `save` {settings.save}: must be different paths")
    # The NDJSON comes after all that may be refused: opening it empties an existing file.
    if settings.save is not None:
        keep = KEPT_RECORDINGS if settings.keep_videos is None else settings.keep_videos
        fps = settings.max_fps
        yield save_sinks(settings.save, streams, max_fps=fps, keep=keep, on_failure=on_failure)
    if settings.snapshots is not None:
        yield snapshot_sink(settings.snapshots, streams, on_failure=on_failure)
    if settings.collect is not None:
        yield Collector(
            settings.collect,
            class_names,
            streams,
            classes=settings.classes,
            on_failure=on_failure,
        )
    if settings.mqtt is not None:
        from spotlet.mqtt import MqttSettings, MqttSink

        classes = None if settings.classes is None else tuple(settings.classes)
        published = settings.mqtt_settings or MqttSettings()
        published = replace(published, classes=published.classes or classes)
        yield MqttSink(settings.mqtt, published, on_failure=on_failure)
    if settings.ndjson is not None:
        megabytes = settings.rotate_mb
        rotate = None if megabytes is None else round(megabytes * BYTES_PER_MB)
        yield NdjsonSink(settings.ndjson, rotate_bytes=rotate)
    if listener is not None:
        from spotlet.serve.sink import ServeSink

        stale_seconds = 2 * settings.reconnection.stall_seconds
        title = Path(settings.model).name
        yield ServeSink(listener, streams, on_failure, title=title, stale_seconds=stale_seconds)
        token = "" if listener.address.token is None else "; it asks for the token"
        on_failure(f"serving at {listener.url}{token}")
    if settings.show:
        yield WindowSink(f"spotlet: {', '.join(stream.source for stream in streams)}")
