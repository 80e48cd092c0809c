"""One frame of each slot of time."""

import random
from collections import Counter

from live_frames import found, live_frame

from spotlet.collecting.choice import Finding
from spotlet.collecting.slots import Choice, Slots

HERE, THERE = (10.0, 10.0, 20.0, 20.0), (150.0, 60.0, 170.0, 90.0)


def played(slots: Slots, findings: dict[int, list[Finding]], frames: int) -> list[Choice]:
    """Offers ten frames a second; returns what is chosen."""
    chosen = []
    for number in range(frames):
        chosen.append(slots.due(number / 10))
        slots.offer(live_frame(number), found(0), findings.get(number, []), source="a")
    chosen.append(slots.finish())
    return [each for each in chosen if each is not None]


def numbers(chosen: list[Choice]) -> list[int]:
    return [frame.index for frame, _ in chosen]


def test_the_most_interesting_frame_of_each_slot_is_chosen() -> None:
    findings = {
        2: [Finding("doubt", 0.3, HERE)],
        5: [Finding("doubt", 0.9, HERE)],
        7: [Finding("doubt", 0.8, HERE)],
        25: [Finding("doubt", 0.1, HERE)],
    }
    chosen = played(Slots(1.0, 0.0, random.Random(0)), findings, 30)
    assert numbers(chosen) == [5, 25]
    assert chosen[0][0].reasons == ("doubt",)
    assert chosen[0][0].focus_xyxy == HERE


def test_a_slot_without_a_reason_is_left_empty_unless_it_is_drawn() -> None:
    assert played(Slots(1.0, 0.0, random.Random(0)), {}, 100) == []
    drawn = played(Slots(1.0, 1.0, random.Random(0)), {}, 100)
    assert len(drawn) == 10
    assert all(frame.reasons == ("random",) and frame.focus_xyxy is None for frame, _ in drawn)


def test_the_share_of_drawn_slots_holds_and_each_frame_is_as_likely() -> None:
    findings = {number: [Finding("doubt", 0.5, HERE)] for number in range(20_000)}
    chosen = played(Slots(1.0, 0.2, random.Random(0)), findings, 20_000)
    drawn = [frame for frame, _ in chosen if frame.reasons[0] == "random"]
    assert len(chosen) == 2000
    assert abs(len(drawn) - 400) <= 1
    assert drawn[0].reasons == ("random", "doubt")
    places = Counter(frame.index % 10 for frame in drawn)
    assert min(places[place] for place in range(10)) > 20  # of 40 expected


def test_what_repeats_gives_way_to_what_is_rare() -> None:
    """A lamp flickers in every frame; now and then something else is a little interesting."""
    lamp, rare = Finding("flicker", 1.0, HERE), Finding("doubt", 0.2, THERE)
    findings = {number: [lamp] for number in range(200)}
    findings |= {number: [rare] for number in range(105, 200, 10)}
    chosen = played(Slots(1.0, 0.0, random.Random(0)), findings, 200)
    reasons = Counter(frame.reasons[0] for frame, _ in chosen)
    assert reasons["flicker"] >= 10
    assert reasons["doubt"] >= 3


def test_the_rate_holds_after_a_pause() -> None:
    slots = Slots(1.0, 1.0, random.Random(0))
    for at in (0.0, 0.5, 100.2, 100.9):
        slots.due(at)
        slots.offer(live_frame(0), found(), [], source="a")
    assert slots.due(100.95) is None
    assert slots.due(101.0) is not None


def test_a_frame_is_not_chosen_again_when_it_turns_out_to_have_another_reason() -> None:
    slots = Slots(1.0, 0.0, random.Random(0))
    first = live_frame(0)
    slots.due(0.0)
    slots.offer(first, found(0), [Finding("doubt", 0.5, HERE)], source="a")
    assert slots.due(1.0) is not None
    earlier = first, found(0), Finding("flicker", 1.0, HERE)
    slots.offer(live_frame(1), found(0), [], source="a", earlier=earlier)
    assert slots.finish() is None
