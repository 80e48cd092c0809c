"""What a frame costs in calls and bytes, which no clock has to measure."""

import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import numpy as np
import pytest

from spotlet import Detector
from spotlet.letterbox import ImageArray
from spotlet.pipeline import Workers, map_in_order
from spotlet.session import SessionSettings

FRAME_HW = (720, 1280)
FRAME_BYTES = 720 * 1280 * 3

SMALL_BYTES = 24_000
"""For masks, candidates, Python's own objects: far below a canvas."""


@pytest.fixture(scope="module")
def detector(squares_model: Path) -> Detector:
    return Detector(squares_model, session=SessionSettings(threads=1))


@pytest.fixture(scope="module")
def frame(draw_squares: Callable[..., ImageArray]) -> ImageArray:
    return draw_squares(FRAME_HW, red=(100, 100, 300, 300), blue=(500, 200, 800, 500))


def canvas_bytes(detector: Detector) -> int:
    height, width = detector.manifest.input.size_hw
    return height * width * 3


def calls_of(work: Callable[[], object]) -> Counter[str]:
    """Returns how often each C function was called."""
    calls: Counter[str] = Counter()

    def note(_frame: FrameType, event: str, function: object) -> None:
        if event == "c_call":
            calls[getattr(function, "__name__", str(function))] += 1

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def peak_bytes(work: Callable[[], object]) -> int:
    """Returns how many bytes were in use at most beyond those before; arrays count."""
    work()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        work()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def test_a_frame_is_resized_once_into_one_canvas_for_one_call_of_the_session(
    detector: Detector, frame: ImageArray
) -> None:
    assert len(detector(frame)) == 2
    calls = calls_of(lambda: detector(frame))
    assert (calls["resize"], calls["run"]) == (1, 1)
    assert calls["NMSBoxesBatched"] == 1
    copies = {"copy", "ascontiguousarray", "copyMakeBorder", "cvtColor", "stack"}
    assert copies.isdisjoint(calls)


def test_a_frame_without_objects_ends_with_the_scores(detector: Detector) -> None:
    empty = np.zeros((*FRAME_HW, 3), np.uint8)
    assert len(detector(empty)) == 0
    calls = calls_of(lambda: detector(empty))
    assert calls["NMSBoxesBatched"] == calls["argsort"] == 0


def test_a_call_takes_a_canvas_and_little_else(detector: Detector, frame: ImageArray) -> None:
    most = peak_bytes(lambda: detector(frame))
    assert canvas_bytes(detector) <= most <= canvas_bytes(detector) + SMALL_BYTES


def test_several_workers_take_a_canvas_each(detector: Detector, frame: ImageArray) -> None:
    workers = Workers(count=2, threads=1, ahead=4)

    def detect_in_all() -> None:
        for _ in map_in_order([frame] * 12, detector, workers):
            pass

    most = peak_bytes(detect_in_all)
    assert most <= 2 * (canvas_bytes(detector) + SMALL_BYTES) + SMALL_BYTES


def test_no_frame_is_kept_or_copied_on_its_way(detector: Detector, frame: ImageArray) -> None:
    workers = Workers(count=2, threads=1, ahead=4)

    def detect_in_all() -> None:
        frames = (frame.copy() for _ in range(12))
        for pair in map_in_order(frames, detector, workers):
            del pair

    # One more than are allowed ahead: that which was handed over a moment ago.
    assert peak_bytes(detect_in_all) < (workers.ahead + 2) * FRAME_BYTES
