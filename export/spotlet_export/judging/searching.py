"""The search for the changes that leave the least difference."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from spotlet_export.gate.frames import CheckFrame
from spotlet_export.judging.changes import (
    MEAN,
    MISSING,
    SCALE,
    SIGNED,
    TWICE,
    Change,
    InputChange,
    Setting,
)
from spotlet_export.judging.fitting import class_order, shift_of_boxes, shift_of_cells
from spotlet_export.judging.input_causes import input_changes
from spotlet_export.judging.likeness import distance, total_score, with_ids
from spotlet_export.judging.output_causes import output_changes
from spotlet_export.judging.pairs import A, B, Pair, with_change
from spotlet_export.judging.range_fit import fit_range
from spotlet_export.judging.subjects import Cells, Subject

SEARCHED = 8
"""Frames that causes are tried on; what they explain is confirmed on all."""

MOST_CAUSES = 3
"""At once."""

MOST_FOR_A = 2
"""At once, where A is changed, too."""

KEPT = 3
"""Sets of causes that are tried together with one more."""

EACH_EXPLAINS = 0.12
"""Share of what was left that each of several causes must explain."""

SURELY = 0.1
"""Share of that from which nothing else need be tried."""

STILL_FOUND = 0.02
"""Of the scores of both models: what a change must leave."""

SCREENED = 3
"""Frames that a cause must help on before it is tried on the others."""

BLINDING = ((SCALE, MEAN, SIGNED), (MISSING, TWICE))
"""Causes of which no two may be on different sides: what both no longer see is equal, too."""

FITTED = 4
"""Frames that a range of pixels is fitted on."""


OnTried = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A cause that was found.

    Attributes:
        culprit: its name.
        side: which model was changed to see it, 0 or 1.
        clause: what then holds.
    """

    culprit: str
    side: int
    clause: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class State:
    """Changes that have been found, and what they leave.

    Attributes:
        settings: of A and of B.
        causes: that the changes stand for.
        left: distance of what both find.
    """

    settings: tuple[Setting, Setting]
    causes: tuple[Cause, ...]
    left: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Search:
    """The search for the changes that leave the least difference.

    Attributes:
        pair: two models that differ.
        frames: that changes are tried on, those that differ most first.
        equal: unlikeness from which the models are as good as equal.
        on_tried: called with the number of causes tried in a round, and of all.
        known: distance and scores of states, on so many of the frames.
    """

    pair: Pair
    frames: Sequence[CheckFrame]
    equal: float
    on_tried: OnTried
    known: dict[tuple[State, int], tuple[float, float]] = field(default_factory=dict)

    def run(self, start: State, sides: tuple[int, ...]) -> State:
        """Returns the best state that changes to these sides lead to."""
        best, states = start, [start]
        for _ in range(MOST_CAUSES if sides == (B,) else MOST_FOR_A):
            made: list[State] = []
            for state, side, change in self._candidates(states, sides):
                if (after := self._after(state, side, change)) is None:
                    continue
                if after.left <= self.equal * SURELY:
                    return after
                made.append(after)
            if not made:
                break
            # Of those that leave about the same, the more usual one is first.
            states = sorted(made, key=lambda each: round(each.left / self.equal))[:KEPT]
            best = min(best, states[0], key=lambda each: each.left)
            if best.left <= self.equal:
                break
        return best

    def _after(self, state: State, side: int, change: Change) -> State | None:
        """Returns the state after a change; None if it explains little, or its kind is there."""
        if any(_repeats(each, side, change.culprit) for each in state.causes):
            return None
        settings = with_change(state.settings, side, change)
        left = self._left(state, settings, self.frames[:SCREENED])
        left = None if left is None else self._left(state, settings, self.frames)
        if left is None:
            return None
        cause = Cause(culprit=change.culprit, side=side, clause=change.clause.format(x="AB"[side]))
        return State(settings=settings, causes=(*state.causes, cause), left=left)

    def _left(
        self, state: State, settings: tuple[Setting, Setting], frames: Sequence[CheckFrame]
    ) -> float | None:
        """Returns the unlikeness that settings leave; None if they explain little."""
        after = self.pair.both(settings, frames)
        if after is None:
            return None
        before, seen = self._before(state, frames)
        # Two models that a change has blinded are alike, too.
        if sum(map(total_score, after)) < STILL_FOUND * seen:
            return None
        left = distance(*after)
        return left if left <= before * (1 - EACH_EXPLAINS) else None

    def _before(self, state: State, frames: Sequence[CheckFrame]) -> tuple[float, float]:
        """Returns the distance that a state leaves, and the scores of both; computed once."""
        key = state, len(frames)
        if key not in self.known:
            both = self.pair.both(state.settings, frames)
            assert both is not None  # or it would be no state
            self.known[key] = distance(*both), sum(map(total_score, both))
        return self.known[key]

    def _candidates(
        self, states: Sequence[State], sides: tuple[int, ...]
    ) -> Iterator[tuple[State, int, Change]]:
        """Yields the changes to try; last those that the results suggest, which cost more."""
        usual = [
            (state, side, change)
            for state in states
            for side in sides
            for change in _usual(self.pair.subjects[side])
        ]
        for number, each in enumerate(usual, 1):
            yield each
            self.on_tried(number, len(usual))
        for state in states:
            for side in sides:
                for change in _suggested(self.pair, state, side, self.frames):
                    yield state, side, change


def _repeats(cause: Cause, side: int, culprit: str) -> bool:
    """Returns whether a cause is there already, or would blind both sides in the same way."""
    if cause.culprit == culprit:
        return True
    return cause.side != side and any(
        cause.culprit in each and culprit in each for each in BLINDING
    )


def _usual(subject: Subject) -> Iterator[Change]:
    """Yields the changes that are tried on any model."""
    rule = subject.side.input
    yield from input_changes(rule, floats=subject.takes_floats)
    size_hw = None if rule is None else rule.size_hw
    many = len(subject.side.classes) > 1 and not subject.side.best_only
    yield from output_changes(size_hw, many_classes=many)


def _suggested(
    pair: Pair, state: State, side: int, frames: Sequence[CheckFrame]
) -> Iterator[Change]:
    """Yields the changes of one side that the results of both suggest."""
    subject = pair.subjects[side]
    cells = [_all_cells(pair, index, frames, state.settings[index]) for index in (A, B)]
    if not all(cells):
        return
    if side == B:
        yield from _fitted(pair, state, *cells)
    if subject.takes_floats and not state.causes:
        some = frames[:FITTED]

        def compute(change: InputChange) -> list[Cells] | None:
            setting = state.settings[side].then(Change(culprit="", clause="", input=change))
            return _all_cells(pair, side, some, setting, kept=False) or None

        if (change := fit_range(cells[1 - side][:FITTED], compute)) is not None:
            yield change


def _all_cells(
    pair: Pair, index: int, frames: Sequence[CheckFrame], setting: Setting, *, kept: bool = True
) -> list[Cells]:
    """Returns what A or B computes for frames; nothing if it cannot be changed like this."""
    found = [pair.cells(index, frame, setting, kept=kept) for frame in frames]
    known = [each for each in found if each is not None]
    return known if len(known) == len(found) else []


def _fitted(
    pair: Pair, state: State, ours: Sequence[Cells], theirs: Sequence[Cells]
) -> list[Change]:
    """Returns the changes to B that its results suggest."""
    a, b = pair.subjects
    pairs = [
        (
            a.found(one, state.settings[A], pair.rule),
            b.found(other, state.settings[B], pair.rule),
        )
        for one, other in zip(ours, theirs, strict=True)
    ]
    names = a.side.classes
    renumbered = [(one, with_ids(other, pair.new_ids, names)) for one, other in pairs]
    found = (
        class_order(ours, theirs, pairs, pair.new_ids, names),
        shift_of_boxes(renumbered, [each.letterbox for each in theirs]),
        shift_of_cells(ours, theirs),
    )
    return [change for change in found if change is not None]
