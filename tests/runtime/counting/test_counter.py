from collections.abc import Callable

import numpy as np
import pytest
from moving_objects import (
    NAMES,
    SIZE_HW,
    Eyes,
    Moment,
    Mover,
    frame_times,
    half_of,
    middle_is_free,
    pacing,
    walking,
    watch,
)

from spotlet.counting import CountingRules, ObjectCounter, parse_line, parse_zone
from spotlet.counting.counter import CLEAR_SHARE
from spotlet.counts import Counts
from spotlet.detections import Detections
from spotlet.errors import UsageError
from spotlet.tracking import Tracker

HALL = (100, 200)
"""Height and width of the small frames: 100 x 200 pixels."""


def counter(*, lines: tuple[str, ...] = (), zones: tuple[str, ...] = ()) -> ObjectCounter:
    return ObjectCounter(
        CountingRules(lines=tuple(map(parse_line, lines)), zones=tuple(map(parse_zone, zones)))
    )


def step(
    counting: ObjectCounter, x: float, y: float, at: float = 0.0, track: int = 1, class_id: int = 0
) -> Counts:
    """An object of 20 x 20 pixels whose feet are at x, y: clear of a line 5 pixels from it."""
    one = Detections(
        np.array([[x - 10, y - 20, x + 10, y]], np.float32),
        np.ones(1, np.float32),
        np.array([class_id]),
        NAMES,
        np.array([track]),
    )
    counts = counting.update(one, HALL, at).counts
    assert counts is not None
    return counts


def walk(line: str, *places: tuple[float, float]) -> tuple[int, int]:
    """How often an object that goes from place to place is counted in and out."""
    counting = counter(lines=(line,))
    for place in places:
        counts = step(counting, *place)
    return sum(counts.lines[0].entered.values()), sum(counts.lines[0].left.values())


# A line from left to right through the middle: its left is above.
DOOR = "door=50,50,150,50"


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        (((100, 30), (100, 70)), (1, 0)),
        (((100, 70), (100, 30)), (0, 1)),
        (((100, 30), (100, 70), (100, 30)), (1, 1)),
        (((100, 30), (100, 50), (100, 30)), (0, 0)),
        (((100, 30), (100, 54), (100, 30)), (0, 0)),
        (((100, 30), (100, 48), (100, 52), (100, 49), (100, 53), (100, 70)), (1, 0)),
        (((100, 30), (100, 50), (100, 50), (100, 70)), (1, 0)),
        (((50, 30), (50, 70)), (1, 0)),
        (((150, 30), (150, 70)), (1, 0)),
        (((49, 30), (49, 70)), (0, 0)),
        (((151, 30), (151, 70)), (0, 0)),
        (((100, 30), (20, 30), (20, 70), (100, 70)), (0, 0)),
        (((100, 30), (100, 50), (180, 50), (180, 70)), (0, 0)),
        (((100, 52), (100, 70)), (0, 0)),
        (((100, 48), (100, 70)), (0, 0)),
        (((100, 30), (100, 40)), (0, 0)),
        # Through and back, then around the end: an even number of passages is none.
        (((100, 30), (100, 52), (100, 48), (160, 48), (160, 52), (160, 70)), (0, 0)),
        (((100, 70), (100, 48), (100, 52), (160, 52), (160, 48), (160, 30)), (0, 0)),
        # Around the end and back through: clear again where it was, and the next way around
        # begins at no passage.
        (((100, 30), (160, 30), (160, 52), (100, 52), (100, 30), (160, 30), (160, 70)), (0, 0)),
    ],
)
def test_a_crossing_is_from_clear_of_a_line_to_clear_of_it_between_its_ends(
    places: tuple[tuple[float, float], ...], expected: tuple[int, int]
) -> None:
    assert walk(DOOR, *places) == expected


def test_the_direction_turns_with_the_line_and_in_is_from_its_left() -> None:
    assert walk("door=150,50,50,50", (100, 30), (100, 70)) == (0, 1)
    # Upwards, what is left of it on the picture is its left.
    assert walk("door=100,90,100,10", (80, 50), (120, 50)) == (1, 0)


def test_an_object_that_trembles_on_a_line_is_counted_once() -> None:
    rng = np.random.default_rng(0)
    places = [(100.0, 50 + trembling) for trembling in rng.normal(0, 1, 500)]
    assert walk(DOOR, (100, 30), *places, (100, 70)) == (1, 0)
    assert walk(DOOR, (100, 30), *places, (100, 30)) == (0, 0)


def test_a_crossing_out_of_sight_counts_while_the_number_is_kept() -> None:
    counting = counter(lines=(DOOR,))
    step(counting, 100, 30, at=0.0)
    crossing = step(counting, 110, 70, at=2.9).crossings
    assert [(each.line, each.direction, each.track_id, each.name) for each in crossing] == [
        ("door", "in", 1, "person")
    ]
    counting = counter(lines=(DOOR,))
    step(counting, 100, 30, at=0.0)
    step(counting, 10, 90, at=3.5, track=2)
    assert step(counting, 110, 70, at=3.6).crossings == ()


def test_counts_are_by_class_and_crossings_are_of_one_frame() -> None:
    counting = counter(lines=(DOOR, "other=0,60,200,60"))
    for track, class_id in ((1, 0), (2, 1), (3, 1)):
        step(counting, 100, 30, track=track, class_id=class_id)
        counts = step(counting, 100, 80, track=track, class_id=class_id)
        assert [each.line for each in counts.crossings] == ["door", "other"]
    assert counts.lines[0].entered == {"person": 1, "car": 2}
    assert counts.lines[0].left == {}
    assert step(counting, 100, 80, track=3).crossings == ()


def test_a_zone_knows_who_is_in_it_and_how_many_came() -> None:
    counting = counter(zones=("desk=50,20,150,20,150,80,50,80",))
    zone = step(counting, 100, 10).zones[0]
    assert (zone.inside, zone.entered) == ({}, {})
    zone = step(counting, 100, 30, at=0.1).zones[0]
    assert (zone.inside, zone.entered) == ({"person": 1}, {"person": 1})
    zone = step(counting, 100, 17, at=0.2).zones[0]
    assert (zone.inside, zone.entered) == ({"person": 1}, {"person": 1})
    zone = step(counting, 100, 10, at=0.3).zones[0]
    assert (zone.inside, zone.entered) == ({}, {"person": 1})
    zone = step(counting, 100, 30, at=0.4).zones[0]
    assert (zone.inside, zone.entered) == ({"person": 1}, {"person": 2})
    hidden = step(counting, 10, 90, at=3.3, track=2).zones[0]
    assert hidden.inside == {"person": 1}
    gone = step(counting, 10, 90, at=3.5, track=2).zones[0]
    assert (gone.inside, gone.entered) == ({}, {"person": 2})


def test_a_zone_may_be_of_any_shape() -> None:
    horseshoe = "u=20,10,180,10,180,90,140,90,140,50,60,50,60,90,20,90"
    counting = counter(zones=(horseshoe,))
    assert step(counting, 100, 80).zones[0].inside == {}
    assert step(counting, 40, 80, track=2).zones[0].inside == {"person": 1}


def test_objects_that_have_no_number_yet_are_not_counted() -> None:
    counting = counter(lines=(DOOR,), zones=("all=0,0,1,0,1,1,0,1",))
    for y in (30, 70):
        counts = step(counting, 100, y, track=0)
    assert (counts.lines[0].entered, counts.zones[0].entered) == ({}, {})
    with pytest.raises(UsageError, match="no track ids; call Tracker"):
        counting.update(Detections.none(NAMES), HALL, 0.0)


# Scenes with known identities


@pytest.mark.parametrize("fps", [10, 15])
@pytest.mark.parametrize("scene", [pacing, walking])
def test_lines_count_exactly_with_all_frames_and_with_half_of_them(
    scene: Callable[[np.random.Generator], list[Mover]], fps: float
) -> None:
    line = parse_line("middle=0.5,1,0.5,0")  # upwards: its left is the picture's left
    scenes = 0
    for seed in range(2000):
        rng = np.random.default_rng(seed)
        movers = scene(rng)
        if not middle_is_free(movers, 20):
            continue
        scenes += 1
        if scenes > 2:
            break
        moments = watch(movers, frame_times(20, fps), rng, Eyes())
        for seen in (moments, half_of(moments, rng)):
            counting = ObjectCounter(CountingRules(lines=(line,)))
            expected = true_crossings(movers, seen[0].at, seen[-1].at)
            assert counted(seen, counting) == expected, (seed, len(seen))
    assert scenes > 2


def counted(moments: list[Moment], counting: ObjectCounter) -> tuple[int, int]:
    tracker = Tracker()
    counts: Counts | None = None
    for moment in moments:
        found = tracker.update(moment.found, moment.at, 0, SIZE_HW)
        counts = counting.update(found, SIZE_HW, moment.at).counts
    assert counts is not None
    return sum(counts.lines[0].entered.values()), sum(counts.lines[0].left.values())


def true_crossings(movers: list[Mover], begins: float, ends: float) -> tuple[int, int]:
    """How often they go over the middle to the right and to the left, clear of it."""
    right = left = 0
    for mover in movers:
        clear = CLEAR_SHARE * (mover.sides[0] * mover.sides[1]) ** 0.5
        side = 0
        for at in np.arange(max(mover.begins, begins), min(mover.ends, ends), 0.01):
            offset = mover.centre(float(at))[0] - 640
            if abs(offset) > clear:
                right += side < 0 < offset
                left += offset < 0 < side
                side = 1 if offset > 0 else -1
    return right, left


# Rules as they are written


def test_shares_hold_for_any_frame_and_pixels_for_one() -> None:
    assert parse_line("a=0,0.5,1,0.5").in_frame((100, 200)) == ((0, 50), (200, 50))
    assert parse_line("a=0,50,200,50").in_frame((100, 200)) == ((0, 50), (200, 50))
    assert parse_line("2: a b = 0,0,1,1").source == 2
    with pytest.raises(UsageError, match="outside a frame of 100x90 pixels"):
        parse_line("a=0,50,200,50").in_frame((90, 100))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0,0,1,1", "must be NAME="),
        ("=0,0,1,1", "must be NAME="),
        ("a=", "an x and a y"),
        ("a=0,0,1", "an x and a y"),
        ("a=0,0,1,x", "an x and a y"),
        ("a=0,0,1,nan", "an x and a y"),
        ("a=0,0,1,-1", "-1 is negative; must be 0 or more"),
        ("a=0,0.5,100,200", "mixes shares"),
        ("a=0,0,1,1,0,1", "must have two"),
        ("a=1,1,1,1", "starts where it ends"),
        ("0:a=0,0,1,1", "numbered from 1"),
        ("a\n=0,0,1,1b", "an x and a y"),
        ("a\x07b=0,0,1,1", "must be NAME="),
    ],
)
def test_what_is_not_a_line_is_refused_in_one_sentence(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        parse_line(text)


@pytest.mark.parametrize(
    ("text", "reason"), [("a=0,0,1,1", "three or more"), ("a=0,0,1,1,0.5,0.5", "no area")]
)
def test_what_is_not_a_zone_is_refused_in_one_sentence(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        parse_zone(text)


def test_two_of_one_name_are_refused_unless_for_different_sources() -> None:
    one, two, every = map(parse_line, ("1:a=0,0,1,1", "2:a=0,0,1,1", "a=0,0,1,1"))
    rules = CountingRules(lines=(one, two))
    assert rules.of_source(2).lines == (two,)
    assert CountingRules(lines=(every,)).of_source(2).lines == (every,)
    with pytest.raises(UsageError, match="duplicate name"):
        CountingRules(lines=(one, every))
