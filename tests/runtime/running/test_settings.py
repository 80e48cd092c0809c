from pathlib import Path
from typing import Any

import pytest

from spotlet.counting import CountingRules, parse_line
from spotlet.errors import UsageError
from spotlet.mqtt import MqttSettings
from spotlet.running import RunSettings


def settings(**fields: Any) -> RunSettings:
    return RunSettings(**{"model": "cards", "sources": ["a.mp4"]} | fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sources": []}, "`sources`: the list is empty; give at least one"),
        ({"sources": "a.mp4"}, "`sources`: must be a list; put a single value in brackets"),
        ({"sources": 0}, "`sources`: must be a list; put a single value in brackets"),
        ({"sources": Path("a.mp4")}, "`sources`: must be a list; put a single value in brackets"),
        ({"classes": []}, "`classes`: the list is empty; give at least one"),
        ({"classes": "red"}, "`classes`: must be a list; put a single value in brackets"),
        ({"sources": None}, "`sources`: must be a list; put a single value in brackets"),
        ({"sources": b"a.mp4"}, "`sources`: must be a list; put a single value in brackets"),
        ({"save": ""}, "`save`: must not be empty"),
        ({"max_frames": 3.5}, "`max_frames` 3.5: must be a whole number from 1"),
        ({"batch": True}, "`batch` True: must be a whole number from 1"),
        ({"score_threshold": True}, "`score_threshold` True: must be from 0 to 1"),
        ({"max_fps": "3"}, "`max_fps` '3': must be over 0, and finite"),
        ({"tracking": True}, "`tracking` True: must be a TrackingSettings"),
        ({"session": {}}, "`session` {}: must be a SessionSettings"),
        ({"reconnection": None}, "`reconnection` None: must be a Reconnection"),
        ({"max_frames": 0}, "`max_frames` 0: must be a whole number from 1"),
        ({"batch": 0}, "`batch` 0: must be a whole number from 1"),
        ({"save": "a.mp4", "keep_videos": 0}, "`keep_videos` 0: must be a whole number from 1"),
        ({"keep_videos": 5}, "`keep_videos` 5: needs `save`"),
        ({"decoder": "gpu"}, "`decoder` 'gpu': must be auto, cpu or hw"),
        ({"mode": "fast"}, "`mode` 'fast': must be video or live"),
        ({"max_fps": 0}, "`max_fps` 0: must be over 0"),
        ({"max_fps": float("inf")}, "`max_fps` inf: must be over 0, and finite"),
        ({"max_fps": float("nan")}, "`max_fps` nan: must be over 0"),
        ({"score_threshold": 1.1}, "`score_threshold` 1.1: must be from 0 to 1"),
        ({"score_threshold": -0.1}, "`score_threshold` -0.1: must be from 0 to 1"),
        ({"score_threshold": float("nan")}, "`score_threshold` nan: must be from 0 to 1"),
        ({"iou_threshold": 0}, "`iou_threshold` 0: must be over 0 and at most 1"),
        ({"rotate_mb": 1}, "`rotate_mb` 1: needs `ndjson`, a file to rotate"),
        ({"ndjson": "-", "rotate_mb": 1}, "`rotate_mb` 1: needs `ndjson`, a file to rotate"),
        ({"ndjson": "a", "rotate_mb": float("nan")}, "`rotate_mb` nan: must be at least 0.001024"),
        ({"ndjson": "a", "rotate_mb": float("inf")}, "`rotate_mb` inf: must be at least 0.001024"),
        ({"ndjson": "a", "rotate_mb": 1e-5}, "`rotate_mb` 1e-05: must be at least 0.001024"),
        ({"ndjson": "a", "rotate_mb": -1}, "`rotate_mb` -1: must be at least 0.001024"),
        ({"serve": "0.0.0.0"}, "--serve 0.0.0.0: must be HOST:PORT"),
        ({"serve": "8080", "serve_token": "short"}, "--serve 8080: the token must have 16"),
        ({"serve_token": "a-long-enough-token"}, "`serve_token`: needs `serve`"),
        ({"mqtt_settings": MqttSettings()}, "`mqtt_settings`: needs `mqtt`"),
        (
            {"counting": CountingRules(lines=(parse_line("2:door=0,0,1,1"),))},
            "2:door: no such source; they are numbered from 1 to 1",
        ),
    ],
)
def test_what_breaks_a_rule_is_refused_by_its_name(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        settings(**fields)
    assert str(refused.value).startswith(message)


def test_what_just_keeps_a_rule_is_taken() -> None:
    taken = settings(
        max_frames=1,
        batch=1,
        score_threshold=0,
        iou_threshold=1,
        ndjson="a",
        rotate_mb=0.001024,
        save="b",
        keep_videos=1,
        serve="8080",
        serve_token="a-long-enough-token",
        classes=["red"],
    )
    assert (taken.sources, taken.classes) == (("a.mp4",), ("red",))


def test_settings_are_a_value_that_shows_no_credential() -> None:
    fields: dict[str, Any] = {
        "sources": ["rtsp://me:hunter2@10.0.0.7/door"],
        "serve": "8080",
        "serve_token": "hunter4-is-a-long-token",
    }
    assert settings(**fields) == settings(**fields)
    assert "hunter" not in repr(settings(**fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"save": "a.mp4"},
        {"ndjson": "-"},
        {"snapshots": Path("a")},
        {"show": True},
        {"serve": "8080"},
    ],
)
def test_an_output_is_one_of_several(fields: dict[str, Any]) -> None:
    assert settings(**fields).has_outputs
    assert not settings().has_outputs
