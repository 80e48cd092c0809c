import itertools
import json
from collections.abc import Callable, Generator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spotlet.bench.cold_start import measure_cold_start
from spotlet.bench.frames import GENERATED_HW, generated_frames, source_frames
from spotlet.bench.stages import ROUNDS, STAGES, StageTimes, measure
from spotlet.detector import Detector
from spotlet.errors import ModelFileError, SourceError, UsageError
from spotlet.letterbox import ImageArray
from spotlet.pipeline import Workers
from spotlet.session import SessionSettings

pytestmark = pytest.mark.live

SHORT = 0.05


@pytest.fixture
def clip(
    tmp_path: Path, write_clip: Callable[..., Path], moving_square: Callable[..., Any]
) -> Path:
    return write_clip(tmp_path / "clip.avi", moving_square(6))


def test_percentiles_are_those_of_the_times_in_milliseconds() -> None:
    times = StageTimes.of([n / 1000 for n in range(101)])
    assert (times.frames, times.p50, times.p95, times.p99) == pytest.approx((101, 50, 95, 99))


def test_every_stage_of_a_clip_is_measured_and_the_figures_fit_together(
    squares_model: Path, clip: Path
) -> None:
    workers = Workers(count=2, threads=1, ahead=4)
    measured = measure(Detector(squares_model), source_frames(str(clip)), workers, SHORT)
    assert tuple(measured.stages) == STAGES
    assert measured.size_hw == (240, 320)
    for times in measured.stages.values():
        assert 0 < times.p50 <= times.p95 <= times.p99
    counts = {name: times.frames for name, times in measured.stages.items()}
    assert counts["decode"] == counts["whole"] >= 2 * ROUNDS
    assert counts["letterbox"] == counts["session"] == counts["postprocess"] >= 2
    assert measured.ratio > 0
    assert measured.rate > 0
    assert measured.bare_rate > 0
    assert measured.crew_rate > 0
    assert measured.cpu_seconds > 0
    assert measured.idle_cpu >= 0


def test_frames_that_are_made_up_are_not_decoded_and_are_the_same_every_time(
    squares_model: Path,
) -> None:
    first, again = list(generated_frames()), list(generated_frames())
    for one, other in zip(first, again, strict=True):
        assert one.shape == (*GENERATED_HW, 3)
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(first[0], first[1])
    measured = measure(Detector(squares_model), generated_frames, Workers(), SHORT)
    assert tuple(measured.stages) == STAGES[1:]


def test_a_source_that_is_live_missing_or_empty_is_an_error(
    tmp_path: Path, squares_model: Path
) -> None:
    for source in ("0", "rtsp://127.0.0.1/1"):
        with pytest.raises(UsageError, match="delivers frames at its own pace"):
            source_frames(source)
    with pytest.raises(SourceError, match="no such file"):
        source_frames(str(tmp_path / "none.mp4"))

    def nothing() -> Generator[ImageArray, None, None]:
        yield from ()

    with pytest.raises(SourceError, match="has no frames"):
        measure(Detector(squares_model), nothing, Workers(), SHORT)


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_a_time_that_is_none_is_an_error(squares_model: Path, seconds: float) -> None:
    with pytest.raises(UsageError, match="must be over 0"):
        measure(Detector(squares_model), generated_frames, Workers(), seconds)


def test_an_interrupted_measurement_closes_the_source(squares_model: Path) -> None:
    closed = []

    def interrupted() -> Generator[ImageArray, None, None]:
        try:
            yield from itertools.islice(itertools.cycle(generated_frames()), 30)
            raise KeyboardInterrupt
        finally:
            closed.append(True)

    with pytest.raises(KeyboardInterrupt):
        measure(Detector(squares_model), interrupted, Workers(), SHORT)
    assert closed == [True]


def test_a_cold_start_is_that_of_fresh_processes(squares_model: Path) -> None:
    cold = measure_cold_start(
        squares_model, SessionSettings(), frame_hw=(72, 128), canvas_hw=(120, 160), seconds=0
    )
    assert cold.seconds > 0.01
    assert cold.bare_seconds > 0.01
    if Path("/proc/self/status").exists():
        assert cold.peak_mb is not None
        assert cold.bare_peak_mb is not None
        assert 10 < cold.bare_peak_mb < 2000
        assert 10 < cold.peak_mb < 2000


def test_a_process_that_fails_says_why_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "none.onnx"
    with pytest.raises(ModelFileError, match=r"fresh process \(.*no such file") as raised:
        measure_cold_start(path, SessionSettings(), frame_hw=(9, 9), canvas_hw=(9, 9), seconds=0)
    assert "\n" not in str(raised.value)


def test_what_was_measured_can_be_json(squares_model: Path) -> None:
    measured = measure(Detector(squares_model), generated_frames, Workers(), SHORT)
    content = json.loads(json.dumps(asdict(measured), allow_nan=False))
    assert content["stages"]["whole"].keys() == {"frames", "p50", "p95", "p99"}
