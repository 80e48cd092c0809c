"""What a whole run keeps."""

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import cv2
import numpy as np
import pytest
from live_frames import START_AT

from spotlet.collecting import Collector, CollectSettings
from spotlet.collecting.labels import LabelFile, about_of
from spotlet.collecting.looks import SAME_PICTURE_BITS, Look
from spotlet.detections import Detections
from spotlet.detector import Detector
from spotlet.letterbox import ImageArray
from spotlet.streams import Frame, Stream

SIZE_HW = (120, 160)
NAMES = ("blue", "green", "red")
FRAMES = 10_000
MOST = 100
PLACES = [(40.0, 30.0, 70.0, 60.0), (90.0, 70.0, 120.0, 100.0)]


class Source(NamedTuple):
    """What a collector asks of a stream."""

    mode: Literal["video", "live"] = "video"
    kind: str = "video"


def collector(settings: CollectSettings, model: Path, *sources: Source, **words: Any) -> Collector:
    streams = cast("list[Stream]", list(sources or (Source(),)))
    notices: list[str] = words.pop("notices", [])
    return Collector(
        settings,
        Detector(model).class_names,
        streams,
        threshold=0.5,
        on_failure=notices.append,
        rng=random.Random(0),
        **words,
    )


def pictures() -> list[ImageArray]:
    """250 scenes, of which the second half are copies of the first with noise."""
    rng = np.random.default_rng(0)
    scenes = [
        cv2.resize(rng.integers(0, 256, (12, 16, 3), np.uint8), SIZE_HW[::-1]) for _ in range(125)
    ]
    noise = [np.clip(each + rng.normal(0, 3, each.shape), 0, 255) for each in scenes]
    return [np.asarray(each, np.uint8) for each in (*scenes, *noise)]


def found_in(rng: np.random.Generator) -> Detections:
    """Two objects that come and go, change their class, and are unsure at times."""
    rows = [
        (float(rng.choice([0.9, 0.9, 0.9, 0.55, 0.3])), int(rng.random() < 0.05), box)
        for box in PLACES
        if rng.random() < 0.9
    ]
    return objects(*rows)


def objects(*rows: tuple[float, int, tuple[float, ...]]) -> Detections:
    ordered = sorted(rows, reverse=True)
    return Detections(
        np.array([box for *_, box in ordered], np.float32).reshape(-1, 4),
        np.array([score for score, *_ in ordered], np.float32),
        np.array([class_id for _, class_id, _ in ordered], np.int64),
        NAMES,
    )


def at(number: int, image: ImageArray, source: str = "a.mp4") -> Frame:
    """A frame of a video with ten a second."""
    return Frame(
        image=image,
        source=source,
        index=number,
        pts_seconds=number / 10,
        captured_at=START_AT + number / 10,
        captured_monotonic=number / 10,
    )


def sure(found: Detections) -> Detections:
    return found.select(found.scores >= 0.5)


def entries(folder: Path) -> list[dict[str, Any]]:
    return LabelFile(folder / "annotations/instances_default.json", NAMES).images


@pytest.fixture(scope="module")
def kept(
    squares_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[str], str | None]:
    """The folder after 10,000 frames, the notices, and the summary."""
    folder = tmp_path_factory.mktemp("collected") / "set"
    settings = CollectSettings(folder=folder, per_hour=3600, frames=MOST, megabytes=1)
    notices: list[str] = []
    shown, rng = pictures(), np.random.default_rng(0)
    with collector(settings, squares_model, notices=notices) as collecting:
        for number in range(FRAMES):
            found = found_in(rng) if number % 200 < 50 else objects()
            collecting.take("a", at(number, shown[number % 250]), found, sure(found))
    return folder, notices, collecting.written


def test_of_ten_thousand_frames_no_more_than_the_bounds_are_kept(
    kept: tuple[Path, list[str], str | None],
) -> None:
    folder, notices, written = kept
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(entries(folder)) == len(files) - 1 == MOST
    assert sum(path.stat().st_size for path in files) <= 1_000_000
    assert len(notices) == 1
    assert "100 frames, the most it may hold" in notices[0]
    assert written is not None
    assert f"{MOST} frames to label" in written


def test_no_two_frames_show_the_same(kept: tuple[Path, list[str], str | None]) -> None:
    looks = [Look.from_json(about_of(row)) for row in entries(kept[0])]
    hashes = np.array([look.picture for look in looks if look is not None])
    assert len(hashes) == MOST
    apart = (hashes[:, None] != hashes[None]).sum(axis=2) + 1000 * np.eye(MOST)
    assert apart.min() > SAME_PICTURE_BITS


def test_each_reason_occurs_and_chance_has_its_share(
    kept: tuple[Path, list[str], str | None],
) -> None:
    reasons = Counter(reason for row in entries(kept[0]) for reason in about_of(row)["reasons"])
    assert set(reasons) == {"doubt", "flicker", "class", "new", "random"}
    assert 0.15 * MOST <= reasons["random"] <= 0.6 * MOST  # many slots have nothing else


def test_the_rate_holds_on_the_clock_of_the_video(tmp_path: Path, squares_model: Path) -> None:
    settings = CollectSettings(folder=tmp_path / "set", per_hour=360)  # one in ten seconds
    shown = pictures()
    with collector(settings, squares_model) as collecting:
        for number in range(600):
            found = objects((0.5, 0, PLACES[0]))
            collecting.take("a", at(number, shown[number // 10]), found, found)
    assert len(entries(tmp_path / "set")) == 6


def test_a_lamp_that_flickers_leaves_room_for_other_sources(
    tmp_path: Path, squares_model: Path
) -> None:
    settings = CollectSettings(folder=tmp_path / "set", per_hour=3600, random_share=0)
    shown = pictures()[:125]
    with collector(settings, squares_model, Source(), Source()) as collecting:
        for number in range(1000):
            lamp = objects((0.5, 0, PLACES[0]))
            collecting.take("a", at(number, shown[number % 61], "lamp"), lamp, lamp)
            rare = objects((0.42, 0, PLACES[1])) if number % 50 == 7 else objects()
            collecting.take("b", at(number, shown[61 + number % 64], "yard"), rare, objects())
    sources = Counter(about_of(row)["source"] for row in entries(tmp_path / "set"))
    assert sources["yard"] >= 5
    assert sources["lamp"] >= 10


def test_pictures_without_time_are_kept_for_doubt_and_at_random(
    tmp_path: Path, squares_model: Path
) -> None:
    settings = CollectSettings(folder=tmp_path / "set", per_hour=0.1)
    with collector(settings, squares_model, Source(kind="images")) as collecting:
        for number, image in enumerate(pictures()[:100]):
            found = objects((0.5 if number < 20 else 0.9, 0, PLACES[0]))
            frame = replace(at(0, image, f"{number}.png"), index=number, pts_seconds=None)
            collecting.take("folder", frame, found, found)
    rows = entries(tmp_path / "set")
    reasons = [about_of(row)["reasons"] for row in rows]
    assert all("doubt" in each for each in reasons[:20])
    assert all(each == ["random"] for each in reasons[20:])
    assert len(reasons) == 20 + 16


def test_suggestions_are_sure_or_in_doubt_one_an_object_and_of_the_classes_asked_for(
    tmp_path: Path, squares_model: Path
) -> None:
    found = objects(
        (0.9, 2, (10, 10, 50, 50)),
        (0.6, 1, (11, 10, 50, 50)),  # the same object, in another class
        (0.4, 1, (80, 10, 120, 50)),  # in doubt
        (0.3, 1, (80, 60, 120, 110)),  # below it
        (0.9, 0, (10, 60, 50, 110)),
    )
    settings = CollectSettings(folder=tmp_path / "set")
    with collector(settings, squares_model, classes=["red", "green"]) as collecting:
        image = pictures()[0]
        some = found.of_classes(("red", "green"))
        collecting.take("a", at(0, image), some, sure(some))
    content = (tmp_path / "set/annotations/instances_default.json").read_text()
    assert '"categories":[{"id":1,"name":"green"},{"id":2,"name":"red"}]' in content
    assert content.count('"bbox"') == 2
    assert content.count('"category_id":2') == content.count('"category_id":1') == 1
