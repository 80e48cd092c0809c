"""Why a frame is chosen, from boxes and scores alone."""

import numpy as np
import pytest
from live_frames import live_frame

from spotlet.collecting.choice import ChosenFrame, Finding, SourceHistory, doubt_in
from spotlet.detections import Detections
from spotlet.tracking import Tracker, TrackingSettings

NAMES = ("cat", "dog")
SIZE_HW = (400, 400)
MIDDLE = (100.0, 100.0, 160.0, 160.0)
OTHER = (250.0, 250.0, 310.0, 310.0)


def objects(*rows: tuple[float, int, tuple[float, float, float, float]]) -> Detections:
    """Objects of a frame, best first: score, class, box."""
    ordered = sorted(rows, reverse=True)
    return Detections(
        np.array([box for *_, box in ordered], np.float32).reshape(-1, 4),
        np.array([score for score, *_ in ordered], np.float32),
        np.array([class_id for _, class_id, _ in ordered], np.int64),
        NAMES,
    )


class Scene:
    """Ten frames a second; what speaks for which of them, by their numbers."""

    def __init__(self) -> None:
        self.reasons: dict[int, set[str]] = {}
        self._history = SourceHistory(0.5)
        self._tracker = Tracker(TrackingSettings(start_score=0.5))
        self._count = 0

    def show(self, found: Detections, frames: int = 1, epoch: int = 0) -> None:
        for _ in range(frames):
            at = self._count / 10
            frame = live_frame(self._count, at, epoch=epoch, size_hw=SIZE_HW)
            tracked = self._tracker.update(found, at, epoch, SIZE_HW)
            findings, earlier = self._history.update(frame, found, tracked, at)
            pairs = [(frame, each) for each in findings]
            if earlier is not None:
                pairs.append((earlier[0], earlier[2]))
            for kept, finding in pairs:
                self.reasons.setdefault(kept.index, set()).add(finding.reason)
            self._count += 1


@pytest.mark.parametrize(
    ("scores", "interest"),
    [((0.9, 0.5), 1.0), ((0.575,), 0.5), ((0.425,), 0.5), ((0.9, 0.3), None), ((), None)],
)
def test_a_score_near_the_threshold_is_doubtful_on_either_side(
    scores: tuple[float, ...], interest: float | None
) -> None:
    doubt = doubt_in(objects(*((score, 0, MIDDLE) for score in scores)), 0.5)
    assert (None if doubt is None else doubt.interest) == (
        None if interest is None else pytest.approx(interest, abs=1e-5)
    )


def test_a_sure_object_that_stays_is_not_interesting() -> None:
    scene = Scene()
    scene.show(objects((0.9, 0, MIDDLE)), frames=100)
    assert scene.reasons == {}


def test_an_object_is_new_where_none_was_for_some_seconds() -> None:
    scene = Scene()
    scene.show(objects(), frames=60)
    scene.show(objects((0.9, 0, MIDDLE)), frames=20)
    assert scene.reasons[60] == {"new"}
    assert set(scene.reasons) == {60}


def test_what_is_there_when_a_source_begins_or_reconnects_is_not_new() -> None:
    scene = Scene()
    scene.show(objects((0.9, 0, MIDDLE)), frames=60)
    scene.show(objects((0.9, 0, MIDDLE), (0.9, 1, OTHER)), frames=30, epoch=1)
    assert not any("new" in each for each in scene.reasons.values())


def test_an_object_seen_there_unsurely_before_is_not_new() -> None:
    scene = Scene()
    scene.show(objects((0.3, 0, MIDDLE)), frames=60)
    scene.show(objects((0.9, 0, MIDDLE)), frames=20)
    assert not any("new" in each for each in scene.reasons.values())


def test_the_frame_that_misses_an_object_is_chosen_once_it_returns() -> None:
    scene = Scene()
    scene.show(objects((0.9, 0, MIDDLE)), frames=20)
    scene.show(objects(), frames=4)
    assert scene.reasons == {}
    scene.show(objects((0.9, 0, MIDDLE)), frames=20)
    assert scene.reasons == {20: {"flicker"}}


def test_an_object_that_goes_away_has_not_flickered() -> None:
    scene = Scene()
    scene.show(objects((0.9, 0, MIDDLE)), frames=20)
    scene.show(objects(), frames=60)
    assert scene.reasons == {}


def test_an_object_at_the_edge_may_leave_and_return() -> None:
    scene, at_edge = Scene(), (0.0, 100.0, 60.0, 160.0)
    scene.show(objects((0.9, 0, at_edge)), frames=20)
    scene.show(objects(), frames=4)
    scene.show(objects((0.9, 0, at_edge)), frames=20)
    assert not any("flicker" in each for each in scene.reasons.values())


def test_an_object_with_a_short_life_has_flickered() -> None:
    scene = Scene()
    scene.show(objects((0.9, 0, OTHER)), frames=20)
    scene.show(objects((0.9, 0, OTHER), (0.9, 0, MIDDLE)), frames=3)
    scene.show(objects((0.9, 0, OTHER)), frames=30)
    chosen = [number for number, each in scene.reasons.items() if "flicker" in each]
    assert len(chosen) == 1
    assert 20 <= chosen[0] < 23


def test_a_frame_in_which_an_object_changes_its_class_is_chosen() -> None:
    scene = Scene()
    scene.show(objects((0.9, 0, MIDDLE)), frames=20)
    scene.show(objects((0.8, 1, MIDDLE)))
    scene.show(objects((0.9, 0, MIDDLE)), frames=20)
    assert scene.reasons == {20: {"class"}}


def test_a_chosen_frame_is_the_frame_with_its_reasons() -> None:
    frame = live_frame(7, 3.0)
    chosen = ChosenFrame.of(frame, ("doubt",), MIDDLE)
    assert chosen.image is frame.image
    assert (chosen.index, chosen.captured_at, chosen.reasons) == (7, frame.captured_at, ("doubt",))
    assert chosen.focus_xyxy == MIDDLE
    assert Finding("doubt", 1.0, MIDDLE).box_xyxy == MIDDLE
