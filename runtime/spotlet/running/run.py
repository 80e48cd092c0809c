"""One run: reads the sources, detects, tracks and counts, writes the results."""

import contextlib
import threading
from collections.abc import Mapping
from dataclasses import replace

from spotlet.detections import Detections
from spotlet.errors import SettingError
from spotlet.model.package import locate_model
from spotlet.running.loop import detect_in_order, share_cores, stopping
from spotlet.running.model import RunModel
from spotlet.running.outputs import Outputs
from spotlet.running.package_files import package_state
from spotlet.running.settings import RunCallbacks, RunSettings
from spotlet.running.sinks import listen
from spotlet.running.stillness import require_time
from spotlet.running.summary import RunSummary, Totals
from spotlet.running.swap import ModelSwap
from spotlet.running.tracking import RunTracking
from spotlet.serve.address import Listener
from spotlet.sinks import WindowClosed
from spotlet.sinks.window import require_windows
from spotlet.streams import Frame, Stream, locate_source, open_streams
from spotlet.tiles import MOST_TILES, TileSettings


def run(
    settings: RunSettings,
    callbacks: RunCallbacks = RunCallbacks(),  # noqa: B008 - frozen
    *,
    stop: threading.Event | None = None,
    reload: threading.Event | None = None,
) -> RunSummary:
    """Detects in every frame of the sources, writes the results, and returns a summary.

    It returns when all sources have ended, `max_frames` is reached, the window is closed, or `stop`
    is set. However it ends, the files are complete; Ctrl-C drops what is slow to write. If a source
    is live and the model is a path, a package that changes there is loaded, see `docs/live.md`.

    Args:
        settings: what to do.
        callbacks: functions to call during the run.
        stop: set it, in any thread or signal handler, to end the run after the frames in progress.
        reload: set it likewise to look for a new package now, also where none is looked for
            otherwise; the run clears it.

    Raises:
        SourceError: the only source cannot be read. One of several that cannot be read, or a source
            that ends before it should, is in `RunSummary.failures` instead.
        UsageError: a setting does not suit the model, a source or this machine.
        ModelFileError: the model cannot be used.
        OutputError: an output cannot be written.

    Example:
        >>> from spotlet.running import RunSettings, run
        >>> settings = RunSettings(model="cards", sources=["door.mp4"], ndjson="door.ndjson")
        >>> print(run(settings))  # doctest: +SKIP
        40 frames in 0.2 s, 213.4 frames/s, 0 dropped
        nothing found
        wrote door.ndjson (40 lines)
    """
    if settings.show:
        require_windows()
    with listen(settings) as listener:
        return _run(settings, callbacks, stop, reload, listener)


def _run(
    settings: RunSettings,
    callbacks: RunCallbacks,
    stop: threading.Event | None,
    reload: threading.Event | None,
    listener: Listener | None,
) -> RunSummary:
    tracking = RunTracking(settings)
    require_time(settings)
    loaded = package_state(settings.model, settings.variant)
    path = locate_model(settings.model, settings.variant)
    live = settings.mode == "live" or (
        settings.mode is None and all(locate_source(each).is_live for each in settings.sources)
    )
    workers = share_cores(settings, live=live)
    session = replace(settings.session, threads=workers.threads)
    model = RunModel(settings, path, session, tracking.prepare)
    callbacks.on_model(model.detector)
    names = model.detector.class_names
    unknown = [name for name in settings.classes or () if name not in names]
    if unknown:
        raise SettingError(
            f"`classes`: unknown class {', '.join(map(repr, unknown))}; this model has "
            f"{', '.join(names)}"
        )
    totals, outputs = Totals(), Outputs(callbacks)
    swap = ModelSwap(
        model,
        settings,
        loaded,
        watch=is_service(settings),
        reload=reload,
        report=outputs.take_model,
        notify=outputs.notify,
    )
    failures: Mapping[str, str] = {}
    try:
        with (
            open_streams(
                settings.sources,
                mode=settings.mode,
                max_fps=settings.max_fps,
                reconnection=settings.reconnection,
                on_status=outputs.take_status,
                spare_cores=workers.count == 1,
                decoder=settings.decoder,
            ) as group,
            outputs.open(settings, group.streams, path, listener, names),
            stopping(group, stop),
            swap.running(),
            contextlib.suppress(WindowClosed),
            # Closed here: when it is garbage-collected, an error could not be raised.
            contextlib.closing(
                detect_in_order(model, group, workers, settings, outputs.flush)
            ) as detected,
        ):
            tracking.begin(group.streams)
            callbacks.on_open(group.streams)
            try:
                said: set[tuple[str, str]] = set()
                for (stream, frame), found in detected:
                    tiles = None if found is None else found.tiles
                    if found is not None and tiles and (stream.source, tiles) not in said:
                        said.add((stream.source, tiles))
                        outputs.notify(_cost(stream, frame, found, model.detector.tiles))
                    detections = tracking.update(stream, frame, found)
                    outputs.write(frame, detections)
                    if found is not None:
                        least_score = tracking.least_score(found)
                        outputs.collect(stream, frame, found, detections, least_score)
                    totals.add(stream, frame, detections)
                    callbacks.on_frame(frame, detections)
            except (
                KeyboardInterrupt
            ):  # before the streams end: their last states might not get through
                outputs.stop()
                raise
        failures = group.failures
    finally:
        summary = totals.summary(outputs.sinks, failures)
        callbacks.on_end(summary)
    return summary


def _cost(stream: Stream, frame: Frame, found: Detections, tiles: TileSettings) -> str:
    height, width = frame.size_hw
    several = "s" if found.inferences > 1 else ""
    enlarged = ""
    if tiles.layout.isdigit() and found.tiles == tiles.layout:  # another after a swap
        side = tiles.side(frame.size_hw)
        if side > int(tiles.layout):
            enlarged = f"; enlarged to {side} pixels, because {MOST_TILES} tiles are the most"
    return (
        f"{stream.source}: tiles {found.tiles}: {found.inferences} inference{several} a frame of "
        f"{width}x{height}{enlarged}"
    )


def is_service(settings: RunSettings) -> bool:
    """Returns whether a run has a camera or a URL, and so may last until another model exists.

    Raises:
        SourceError: see `locate_source`.
    """
    return any(locate_source(each).is_live for each in settings.sources)
