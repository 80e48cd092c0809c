"""Detection in a run's frames, in their order, and the cores that work on it."""

import contextlib
import ctypes
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator

import cv2

from spotlet.detections import Detections
from spotlet.lifetime import WAKE_SECONDS
from spotlet.model.providers import CPU_PROVIDER, full_provider_name
from spotlet.pipeline import Workers, map_in_order, plan_workers
from spotlet.running.model import RunModel
from spotlet.running.settings import RunSettings
from spotlet.running.stillness import Judged, StillScenes
from spotlet.streams import Arrival, StreamGroup

_GLIBC_TRIM_THRESHOLD, _GLIBC_MMAP_THRESHOLD = -1, -3
"""Parameters of `mallopt`, from glibc's malloc.h."""

KEPT_BYTES = 128 * 2**20
"""Freed memory that is kept for the next frames: five 4K pictures."""

MOST_HEAP_BYTES = 32 * 2**20
"""The largest array to take from the heap, and so to keep; glibc's maximum."""


def share_cores(settings: RunSettings, *, live: bool) -> Workers:
    """Returns how the session's `threads` cores, or all, are shared out; prepares an own process.

    Raises:
        UsageError: the provider is unknown to onnxruntime.
    """
    session = settings.session
    if full_provider_name(session.provider) != CPU_PROVIDER:
        # A device queues its calls itself, and not every provider may be called twice at once.
        return Workers(threads=session.threads)
    workers = plan_workers(session.threads, sources=len(settings.sources), live=live)
    if settings.own_process and workers.count > 1:
        prepare_process()
    return workers


def prepare_process() -> None:
    """Prepares the process for several frames at once on all cores.

    OpenCV's own threads are off: the cores are busy. glibc keeps the memory that a frame frees for
    the next one; returned to the system, each page would be cleared again. Other C libraries are
    left alone. `docs/performance.md` has the gains.
    """
    cv2.setNumThreads(1)
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # musl has none
        return
    mallopt(_GLIBC_MMAP_THRESHOLD, MOST_HEAP_BYTES)
    mallopt(_GLIBC_TRIM_THRESHOLD, KEPT_BYTES)


def detect_in_order(
    model: RunModel,
    group: StreamGroup,
    workers: Workers,
    settings: RunSettings,
    idle: Callable[[], None],
) -> Generator[tuple[Arrival, Detections | None], None, None]:
    """Yields each frame with its detections, None if it was not inferred; in order for a stream.

    Each call of the network takes the detector that the model has then, so no frame mixes two.

    No thread is left once it is exhausted, which closes the group too, or closed. `idle` is called
    now and then in the caller's thread while it waits.

    Raises:
        SourceError: the only source cannot be read.
        ModelFileError: onnxruntime fails on a frame.
    """
    classes = None if settings.classes is None else tuple(settings.classes)

    def detect(judged: list[Judged]) -> list[Detections | None]:
        images = [arrival.frame.image for arrival, inferred in judged if inferred]
        results = iter(model.detector.detect(images) if images else ())
        found = [next(results) if inferred else None for _, inferred in judged]
        return [each and each.of_classes(classes) for each in found] if classes else found

    if workers.count == 1:  # the group then waits in the caller's thread
        batches = group.batches(settings.batch, idle)
    else:
        batches = group.batches(settings.batch)
    size_hw = model.detector.manifest.input.size_hw  # that of every model of this run
    scenes = StillScenes(settings, size_hw, lambda: model.detector.tiles)
    judged = scenes.judge(_first(settings.max_frames, batches))
    with contextlib.closing(map_in_order(judged, detect, workers, group.stop, idle)) as detected:
        for items, results in detected:
            yield from zip((arrival for arrival, _ in items), results, strict=True)
    # Not if the caller stops early: after a second Ctrl-C a worker may still be inside.
    batches.close()


def _first(count: int | None, batches: Iterable[list[Arrival]]) -> Iterator[list[Arrival]]:
    """Yields the batches up to `count` frames, and takes none after them."""
    left = count
    for arrivals in batches:
        yield arrivals if left is None else arrivals[:left]
        if left is not None:
            left -= len(arrivals)
            if left <= 0:
                return


@contextlib.contextmanager
def stopping(group: StreamGroup, stop: threading.Event | None) -> Iterator[None]:
    """Inside the block, ends the streams within `WAKE_SECONDS` after `stop` is set."""
    over = threading.Event()

    def watch(stop: threading.Event) -> None:
        while not (over.is_set() or stop.wait(WAKE_SECONDS)):
            pass
        group.stop()

    if stop is not None:
        threading.Thread(target=watch, args=[stop], name="spotlet-stop", daemon=True).start()
    try:
        yield
    finally:
        over.set()
