import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spotlet.commands import bench
from spotlet.errors import UsageError

pytestmark = pytest.mark.live

SHORT = ("--seconds", "0.05")


@pytest.fixture
def clip(
    tmp_path: Path, write_clip: Callable[..., Path], moving_square: Callable[..., Any]
) -> Path:
    return write_clip(tmp_path / "clip.avi", moving_square(6))


def _bench(*words: object) -> int:
    parser = argparse.ArgumentParser()
    bench.add_arguments(parser)
    return bench.run(parser.parse_args([str(word) for word in words]))


def test_the_table_names_every_stage(
    squares_model: Path, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _bench(squares_model, clip, *SHORT) == 0
    printed = capsys.readouterr().out
    for part in (
        "320 x 240 frames, CPUExecutionProvider",
        *("decode ", "letterbox ", "session ", "postprocess ", "whole ", "p50", "p95", "p99"),
        *("one frame at a time", "bare session", "as run does", "of a core"),
        *("start to first detection", "peak memory then"),
    ):
        assert part in printed


def test_the_json_is_one_object_and_all_there_is_on_standard_output(
    squares_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _bench(squares_model, *SHORT, "--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert set(content) == {
        *("schema", "model", "source", "machine", "provider", "settings", "workers"),
        *("size_hw", "stages", "rate", "bare_rate", "ratio", "crew_rate", "cpu_seconds"),
        *(
            "idle_cpu",
            "cold_start",
            "int8_gain",
            "provider_asked",
            "provider_nodes",
            "provider_fallback",
        ),
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--seconds", "0"), "--seconds 0: must be over 0"),
        (("--seconds", "nan"), "must be over 0"),
        (("0",), "delivers frames at its own pace"),
    ],
)
def test_words_that_do_not_go_together_are_refused_before_any_work(
    squares_model: Path, words: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        _bench(squares_model, *words)


def test_the_provider_that_was_asked_for_is_reported_beside_the_one_that_was_got(
    squares_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (squares_model, *SHORT, "--provider", "Rknpu")
    assert _bench(*words) == 0
    assert "\nprovider: Rknpu requested, CPU used: not in this onnx" in capsys.readouterr().out
    assert _bench(*words, "--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert content["provider_asked"] == "RknpuExecutionProvider"
    assert content["provider"] == "CPUExecutionProvider"
    assert content["provider_nodes"] is None
    assert content["provider_fallback"].startswith("not in this onnxruntime")
