import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from spotlet.commands.config import apply_config
from spotlet.commands.run import add_arguments
from spotlet.errors import InputError, UsageError

Configure = Callable[..., argparse.Namespace]


@pytest.fixture
def configured(tmp_path: Path) -> Configure:
    def configure(toml: str, *words: str) -> argparse.Namespace:
        (tmp_path / "run.toml").write_text(toml, "utf-8")
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        all_words = [*words, "--config", str(tmp_path / "run.toml")]
        args = parser.parse_intermixed_args(all_words)
        args.words = all_words
        apply_config(args, add_arguments)
        return args

    return configure


def test_a_file_says_what_the_flags_can(configured: Configure) -> None:
    args = configured(
        'model = "cards"\nsource = ["rtsp://a/1", 0]\nscore = 0.5\nthreads = 2\nshow = true\n'
        'mode = "live"\nstall-seconds = 5\nmax-frames = 7\nndjson = "out.ndjson"\n'
    )
    assert (args.model, args.source, args.mode) == ("cards", ["rtsp://a/1", "0"], "live")
    assert (args.score, args.threads, args.stall_seconds, args.max_frames) == (0.5, 2, 5, 7)
    assert (args.show, args.ndjson) == (True, "out.ndjson")


def test_a_file_says_where_the_broker_is(configured: Configure) -> None:
    args = configured('mqtt = "mqtt://me:x@a/yard"\nmqtt-qos = 0\nmqtt-discovery = true\n')
    assert (args.mqtt, args.mqtt_qos, args.mqtt_discovery) == ("mqtt://me:x@a/yard", 0, True)


def test_lines_and_zones_are_a_list_or_one(configured: Configure) -> None:
    args = configured('track = true\nline = ["a=0,0,1,1", "b=0,1,1,0"]\nzone = "c=0,0,1,0,1,1"\n')
    assert (args.track, args.line) == (True, ["a=0,0,1,1", "b=0,1,1,0"])
    assert (args.zone, args.anchor) == (["c=0,0,1,0,1,1"], "bottom")


def test_one_source_needs_no_list(configured: Configure) -> None:
    assert configured('source = "clip.mp4"').source == ["clip.mp4"]


def test_what_the_command_line_says_wins_also_where_it_is_the_default(
    configured: Configure,
) -> None:
    toml = 'model = "cards"\nsource = ["a.mp4"]\nstall-seconds = 2\nbatch = 4\nscore = 0.5\n'
    args = configured(toml, "cells", "--stall-seconds", "10", "b.mp4", "--batch", "1")
    assert (args.model, args.source) == ("cells", ["b.mp4"])
    assert (args.stall_seconds, args.batch, args.score) == (10, 1, 0.5)


@pytest.mark.parametrize(
    ("toml", "reason"),
    [
        ("scores = 0.5", "scores: unknown key; the keys are"),
        ('config = "other.toml"', "config: unknown key"),
        ('score = "high"', "must be a number"),
        ("score = true", "must be a number"),
        ("max-frames = 1.5", "must be a number"),
        ("show = 1", "must be true or false"),
        ('mode = "fast"', "must be one of video, live"),
        ("mqtt-qos = 2", "must be one of 0, 1"),
        ("ndjson = 3", "must be text"),
        ("source = [[1]]", "must be text"),
    ],
)
def test_a_wrong_key_or_value_is_named(configured: Configure, toml: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        configured(toml)


def test_a_file_that_is_no_toml_is_named(configured: Configure, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"run\.toml: not TOML"):
        configured("model = ")
    args = argparse.Namespace(config=str(tmp_path / "none.toml"), words=[])
    with pytest.raises(InputError, match="cannot be read"):
        apply_config(args, add_arguments)


def test_the_example_of_a_service_is_understood(configured: Configure) -> None:
    example = Path(__file__).parents[3] / "examples" / "service" / "run.toml"
    args = configured(example.read_text("utf-8"))
    assert len(args.source) == 2
    assert args.rotate_mb == 50
