from collections.abc import Callable
from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from moving_objects import (
    NAMES,
    PILLAR,
    SIZE_HW,
    Eyes,
    Moment,
    Mover,
    bouncing,
    fast,
    frame_times,
    half_of,
    hidden,
    idf1,
    pacing,
    traffic,
    watch,
)

from spotlet.detections import Detections
from spotlet.errors import UsageError
from spotlet.tracking import Tracker, TrackingSettings
from spotlet.tracking.assignment import assign
from spotlet.tracking.motion import begin, observe, predict

Scene = Callable[[np.random.Generator], list[Mover]]


def seen(
    *boxes: tuple[float, float, float, float], scores: object = 0.9, classes: object = 0
) -> Detections:
    count = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.broadcast_to(np.array(scores, np.float32), (count,)).copy(),
        np.broadcast_to(np.array(classes, np.int64), (count,)).copy(),
        NAMES,
    )


def square(x: float, y: float = 100, side: float = 40) -> tuple[float, float, float, float]:
    return x, y, x + side, y + side


def ids(found: Detections) -> list[int]:
    assert found.track_ids is not None
    return [int(each) for each in found.track_ids]


# Scenes with known identities


@pytest.mark.parametrize(
    ("scene", "fps"),
    [(pacing, 10), (hidden, 15), (traffic, 30), (fast, 30)],
)
def test_identities_hold_through_crossings_a_second_hidden_and_half_of_the_frames(
    scene: Scene, fps: float
) -> None:
    whole, half = [], []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        pillars = [PILLAR] if scene is hidden else []
        moments = watch(scene(rng), frame_times(20, fps), rng, pillars=pillars)
        whole.append(idf1(moments, Tracker().update))
        half.append(idf1(half_of(moments, rng), Tracker().update))
    least = 0.95 if scene in (pacing, hidden) else 0.93
    assert np.mean(whole) >= least
    assert np.mean(half) >= least
    assert abs(np.mean(whole) - np.mean(half)) <= 0.02


def test_identities_outlast_turns_that_nobody_could_expect() -> None:
    rng = np.random.default_rng(0)
    moments = watch(bouncing(rng), frame_times(20, 30), rng)
    assert idf1(moments, Tracker().update) >= 0.95
    assert idf1(moments, Tracker(TrackingSettings(turn_cost=22.0)).update) < 0.85


def test_a_class_that_flips_now_and_then_costs_no_identity() -> None:
    rng = np.random.default_rng(3)
    moments = watch(pacing(rng), frame_times(20, 15), rng, Eyes(flipped=0.1))
    steady = Tracker()
    assert idf1(moments, steady.update) >= 0.95
    tracker, wrong, count = Tracker(), 0, 0
    for moment in moments:
        found = tracker.update(moment.found, moment.at, 0, SIZE_HW)
        assert found.track_ids is not None
        wrong += int((found.class_ids[found.track_ids > 0] != 0).sum())
        count += int((found.track_ids > 0).sum())
    assert wrong < 0.01 * count


def test_what_is_less_sure_continues_objects_and_begins_none() -> None:
    rng = np.random.default_rng(4)
    moments = watch(pacing(rng), frame_times(20, 15), rng, Eyes(unsure=0.3))
    both = idf1(moments, Tracker(TrackingSettings(start_score=0.4)).update)
    sure = [
        replace_found(moment, moment.found.select(moment.found.scores >= 0.4)) for moment in moments
    ]
    assert both >= 0.95
    assert idf1(sure, Tracker().update) < 0.85
    tracker = Tracker(TrackingSettings(start_score=0.4))
    for time in range(5):
        assert len(tracker.update(seen(square(10 * time), scores=0.3), time / 10)) == 0


@pytest.mark.parametrize(
    ("x", "class_id", "expected"), [(102, 1, [1]), (112, 1, [1, 2]), (102, 0, [1, 2])]
)
def test_an_object_reported_under_two_classes_gets_one_id(
    x: float, class_id: int, expected: list[int]
) -> None:
    """Shifted by 2 of 40 pixels the boxes overlap by 0.90, by 12 pixels by 0.54."""
    tracker = Tracker()
    for number in range(6):
        scores = [0.6, 0.9] if number % 2 else [0.9, 0.6]
        boxes = square(x), square(100)
        found = tracker.update(seen(*boxes, scores=scores, classes=[class_id, 0]), number / 10)
    assert sorted(ids(found)) == expected


def test_of_three_boxes_in_a_row_only_the_middle_one_is_a_repeat() -> None:
    """Each overlaps its neighbour by 0.82, and the other by 0.67."""
    boxes = square(100), square(104), square(108)
    found = Tracker().update(seen(*boxes, scores=[0.9, 0.8, 0.7], classes=[0, 1, 2]), 0)
    assert found.boxes_xyxy[:, 0].tolist() == [100, 108]


def test_objects_of_two_classes_that_cover_each_other_for_a_while_keep_their_ids() -> None:
    tracker = Tracker()
    for number in range(21):
        boxes = square(100 + 10 * number), square(300 - 10 * number)
        found = tracker.update(seen(*boxes, scores=[0.9, 0.6], classes=[0, 1]), number / 10)
        assert len(found) == 2
    assert ids(found) == [1, 2]


def replace_found(moment: Moment, found: Detections) -> Moment:
    return replace(moment, found=found)


# Laws


@given(st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_the_order_of_the_objects_changes_no_identity(seed: int) -> None:
    rng = np.random.default_rng(seed)
    moments = watch(pacing(rng), frame_times(4, 10), rng, Eyes(invented=1.0))
    straight, shuffled = Tracker(), Tracker()
    for moment in moments:
        order = rng.permutation(len(moment.found))
        tracked = straight.update(moment.found, moment.at)
        mixed = shuffled.update(moment.found.select(order), moment.at)
        assert ids(tracked.select(order)) == ids(mixed)


@given(st.sampled_from([0.25, 0.5, 2.0, 4.0]), st.integers(0, 100))
@settings(max_examples=10, deadline=None)
def test_the_size_of_the_picture_changes_no_identity(scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    plain, scaled = Tracker(), Tracker()
    for moment in watch(pacing(rng), frame_times(4, 10), rng):
        found = moment.found
        larger = replace(found, boxes_xyxy=found.boxes_xyxy * np.float32(scale))
        assert ids(plain.update(found, moment.at)) == ids(scaled.update(larger, moment.at))


def test_to_predict_in_two_steps_is_to_predict_in_one() -> None:
    motion = observe(predict(begin(np.array([[9.0, 9, 40, 80]]), 0.0), 0.1), np.ones((1, 4)) * 20)
    once, twice = predict(motion, 1.3), predict(predict(motion, 0.4), 1.3)
    # The noise is a share of the size, which hardly changes meanwhile.
    assert once.places == pytest.approx(twice.places)
    assert once.moments[2:4] == pytest.approx(twice.moments[2:4], rel=0.2)


def test_a_steady_speed_is_learnt() -> None:
    motion = begin(np.array([[0.0, 100, 40, 40]]), 0.0)
    for step in range(1, 30):
        motion = observe(predict(motion, step / 10), np.array([[12.0 * step, 100, 40, 40]]))
    assert motion.speeds[0] == pytest.approx([120, 0, 0, 0], abs=0.5)


# Rules


def test_an_object_has_a_number_once_it_is_known_for_a_tenth_of_a_second() -> None:
    fast_source, slow_source = Tracker(), Tracker()
    numbers = [ids(fast_source.update(seen(square(n)), n / 30)) for n in range(5)]
    assert numbers == [[0], [0], [0], [1], [1]]
    assert [ids(slow_source.update(seen(square(n)), n * 1.0)) for n in range(3)] == [[0], [1], [1]]


def test_what_is_seen_once_gets_no_number() -> None:
    tracker = Tracker()
    tracker.update(seen(square(100)), 0.0)
    for step in range(1, 20):
        tracker.update(seen(), step / 10)
    assert ids(tracker.update(seen(square(100)), 2.0)) == [0]


def test_an_object_out_of_sight_keeps_its_number_for_so_long_and_no_longer() -> None:
    for pause, expected in ((2.9, 1), (3.1, 0)):
        tracker = Tracker()
        for step in range(10):
            tracker.update(seen(square(200)), step / 10)
        assert ids(tracker.update(seen(square(200)), 0.9 + pause)) == [expected]


def test_a_new_epoch_begins_anew_and_uses_no_number_again() -> None:
    tracker = Tracker()
    for step in range(4):
        last = tracker.update(seen(square(200)), step / 10)
    assert ids(last) == [1]
    assert ids(tracker.update(seen(square(200)), 0.4, epoch=1)) == [0]
    assert ids(tracker.update(seen(square(200)), 0.6, epoch=1)) == [2]


def test_an_object_that_leaves_the_picture_is_not_the_one_that_comes_in_there() -> None:
    for size_hw, expected in (((480, 640), 0), (None, 1)):
        tracker = Tracker()
        for step in range(8):
            tracker.update(seen(square(100 - 15 * step)), step / 10, 0, size_hw)
        for step in range(8, 10):
            tracker.update(seen(), step / 10, 0, size_hw)
        assert ids(tracker.update(seen(square(-45)), 1.0, 0, size_hw)) == [expected]


def test_two_who_pass_each_other_keep_their_numbers() -> None:
    tracker = Tracker()
    for step in range(40):
        at = seen(square(100 + 10 * step), square(500 - 10 * step, 104))
        numbers = ids(tracker.update(at, step / 20))
    assert numbers == [1, 2]


def test_who_turns_at_once_is_the_same_one() -> None:
    for turn_cost, expected in ((5.0, [1]), (22.0, [2])):
        tracker = Tracker(TrackingSettings(turn_cost=turn_cost))
        for step in range(40):
            at = 100 + 8 * min(step, 40 - step)
            numbers = ids(tracker.update(seen(square(at)), step / 30))
        assert numbers == expected


def test_who_the_side_of_the_picture_cuts_off_has_not_turned() -> None:
    for size_hw, expected in (((480, 640), [2]), (None, [1])):
        tracker = Tracker()
        for step in range(40):
            # One walks out on the left; when half of it is gone, another comes in there.
            left = 100 - 6 * step if step <= 20 else 6 * step - 140
            box = (max(left, 0), 100, left + 40, 140)
            numbers = ids(tracker.update(seen(box), step / 30, 0, size_hw))
        assert numbers == expected


def test_frames_without_objects_and_times_that_stand_still_are_fine() -> None:
    tracker = Tracker()
    assert ids(tracker.update(seen(), 0.0)) == []
    for _ in range(3):
        assert ids(tracker.update(seen(square(5)), 1.0)) == [0]


def test_a_time_that_goes_back_is_refused() -> None:
    tracker = Tracker()
    tracker.update(seen(), 5.0)
    with pytest.raises(UsageError, match="must not be earlier"):
        tracker.update(seen(), 4.9)
    with pytest.raises(UsageError, match="must not be earlier"):
        tracker.update(seen(), float("nan"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"lost_seconds": -1},
        {"start_score": 2},
        {"repeat_iou": -0.1},
        {"most_cost": 0},
        {"flip_cost": np.inf},
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        TrackingSettings(**wrong)


def test_the_assignment_gains_as_much_as_any() -> None:
    def best(gains: np.ndarray) -> float:
        if gains.size == 0:
            return 0.0
        rest = best(gains[1:])
        sums = [
            rest,
            *(
                gains[0, column] + best(np.delete(gains[1:], column, axis=1))
                for column in range(gains.shape[1])
            ),
        ]
        return float(max(sums))

    rng = np.random.default_rng(0)
    for number in range(300):
        shape = rng.integers(0, 6, 2)
        gains = rng.normal(0, 1, shape)
        gains = np.round(gains) if number % 3 == 0 else gains
        rows, columns = assign(gains)
        assert len({*rows.tolist()}) == len({*columns.tolist()}) == len(rows)
        assert (gains[rows, columns] > 0).all()
        assert gains[rows, columns].sum() == pytest.approx(best(gains))
