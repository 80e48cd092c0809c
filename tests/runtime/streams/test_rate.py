from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from variable_rate import write_at_times

from spotlet.streams import open_stream
from spotlet.streams.rate import playback_rate


def _bursts() -> list[float]:
    """Times of a screen recording: 30 a second, a pause, one each half second, 60 a second."""
    gaps = [1 / 30] * 20 + [4.0] + [0.5] * 10 + [3.0] + [1 / 60] * 30
    return [round(float(at), 3) for at in (0, *np.cumsum(gaps))]


@pytest.mark.parametrize(
    ("times", "stated", "right"),
    [
        (_bursts(), 25.0, pytest.approx(60, rel=0.02)),
        ([n / 25 for n in range(50)], 25.0, 25.0),
        ([n / 25 for n in range(50)], None, pytest.approx(25, rel=1e-3)),
        # A camera of 30 a second that dropped every tenth frame, which FFmpeg calls 27.
        ([n / 30 for n in range(90) if n % 10], 27.0, pytest.approx(30, rel=1e-2)),
        ([n / 30 + 0.003 * (n % 3) for n in range(90)], 30.0, pytest.approx(30, rel=0.05)),
    ],
)
def test_the_rate_of_a_video_suits_the_times_of_its_frames(
    tmp_path: Path, times: Sequence[float], stated: float | None, right: float
) -> None:
    write_at_times(tmp_path / "in.mp4", times)
    assert playback_rate(tmp_path / "in.mp4", stated) == right


def test_a_file_without_packets_keeps_its_stated_rate(
    tmp_path: Path, write_clip: Callable[..., Path]
) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    assert playback_rate(tmp_path / "text.mp4", 12.5) == 12.5
    one = write_clip(tmp_path / "one.avi", [np.zeros((48, 64, 3), np.uint8)])
    assert playback_rate(one, None) is None
    with open_stream(one) as stream:
        assert len(list(stream)) == 1
