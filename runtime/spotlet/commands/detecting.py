"""The frames of a run and what was found in each, in order."""

import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator

from spotlet.detections import Detections
from spotlet.detector import Detector
from spotlet.pipeline import Workers, map_in_order
from spotlet.streams import Arrival, StreamGroup


def detect_in_order(
    detector: Detector,
    group: StreamGroup,
    crew: Workers,
    *,
    batch: int = 1,
    max_frames: int | None = None,
    classes: tuple[str, ...] | None = None,
    idle: Callable[[], None] = lambda: None,
) -> Generator[tuple[Arrival, Detections], None, None]:
    """Gives each frame of the streams with what was found in it; those of a stream are in order.

    Close it, or use it up: then no thread is left. Used up, it has closed the group.

    Args:
        detector: called by several threads, as the crew says.
        group: the streams.
        crew: how many frames are worked on at once.
        batch: frames of several streams that go through the network at once.
        max_frames: how many are given; no more are read.
        classes: the only ones that are given; None for all.
        idle: called now and then in the caller's thread while several workers wait.

    Raises:
        SourceError: the only source cannot be read.
        ModelFileError: onnxruntime fails on a frame.
    """

    def detect(arrivals: list[Arrival]) -> list[Detections]:
        results = detector.detect([frame.image for _, frame in arrivals])
        return results if classes is None else [found.of_classes(classes) for found in results]

    batches = group.batches(batch)
    first = _first(max_frames, batches)
    with contextlib.closing(map_in_order(first, detect, crew, group.stop, idle)) as detected:
        for arrivals, results in detected:
            yield from zip(arrivals, results, strict=True)
    # Not where it is broken off: after a second Ctrl-C a worker may still be inside.
    batches.close()


def _first(count: int | None, batches: Iterable[list[Arrival]]) -> Iterator[list[Arrival]]:
    """Gives the batches up to so many frames, and asks for none after them."""
    left = count
    for arrivals in batches:
        yield arrivals if left is None else arrivals[:left]
        if left is not None:
            left -= len(arrivals)
            if left <= 0:
                return
