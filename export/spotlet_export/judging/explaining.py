"""Why two models differ: each usual cause is tried, and the one that makes them equal is named."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from spotlet.detections import Detections
from spotlet.manifest import DetectionRule
from spotlet_export.gate.frames import CheckFrame
from spotlet_export.gate.reference import LAST_THRESHOLD
from spotlet_export.judging.changes import (
    AS_IS,
    PRECISION,
    Change,
    InputChange,
    Setting,
    input_changes,
    output_changes,
)
from spotlet_export.judging.fitting import class_order, shift_of_boxes, shift_of_cells
from spotlet_export.judging.likeness import (
    distance,
    shared_ids,
    total_score,
    unlikeness,
    with_ids,
)
from spotlet_export.judging.range_fit import fit_range
from spotlet_export.judging.sides import Cells, Subject

SEARCHED = 8
"""Frames that causes are tried on; what they explain is confirmed on all."""

MOST_CAUSES = 3
"""At once."""

KEPT = 3
"""Sets of causes that are tried together with one more."""

EXPLAINS = 0.5
"""Share of the difference that a cause must explain to be named."""

EACH_EXPLAINS = 0.12
"""Share of what was left that each of several causes must explain."""

EQUAL = {"float32": 1e-3, "float16": 0.02, "int8": 0.1}
"""Unlikeness from which two models of a precision are as good as equal."""

SURELY = 0.1
"""Share of that from which nothing else need be tried."""

FOUND_SHARE = 0.1
"""Of A's detections: what B must find so that causes can be told apart."""

STILL_FOUND = 0.02
"""Of the scores of both models: what a change must leave."""

SCREENED = 3
"""Frames that a cause must help on before it is tried on the others."""

FITTED = 4
"""Frames that a range of pixels is fitted on."""

A, B = 0, 1

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What makes the second model compute what the first does.

    Attributes:
        causes: one, or several that act together.
        before: unlikeness of what is found on all frames as the models are.
        after: with the changes.
        equal: whether the models are equal then, within their precision.
    """

    causes: tuple[Cause, ...]
    before: float
    after: float
    equal: bool

    @property
    def text(self) -> str:
        """In one sentence.

        Example:
            >>> cause = Cause(culprit="channels swapped", side=1, clause="B's input is RGB")
            >>> Explanation(causes=(cause,), before=0.8, after=0.0, equal=True).text
            "B matches A when B's input is RGB"
        """
        clauses = " and ".join(cause.clause for cause in self.causes)
        if self.equal:
            verb = (
                "matches A" if any(cause.side == B for cause in self.causes) else "does what A does"
            )
            return f"B {verb} when {clauses}"
        share = 1 - self.after / self.before
        return f"B comes nearer to A when {clauses}: this explains {share:.0%} of the difference"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _State:
    settings: tuple[Setting, Setting]
    causes: tuple[Cause, ...]
    left: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pair:
    """Two models that are compared.

    Attributes:
        subjects: A and B.
        rule: for the detections of both.
        frames: that they are compared on.
    """

    subjects: tuple[Subject, Subject]
    rule: DetectionRule
    frames: Sequence[CheckFrame]

    @property
    def new_ids(self) -> np.ndarray:
        """A's class of each class of B."""
        a, b = self.subjects
        return shared_ids(b.side.classes, a.side.classes)

    def cells(
        self, index: int, frame: CheckFrame, setting: Setting, *, kept: bool = True
    ) -> Cells | None:
        """Returns what A or B computes for a frame; see `Subject.cells`."""
        subject, least = self.subjects[index], self.rule.score_threshold
        return subject.cells(frame.name, frame.image_bgr, setting, least, kept=kept)

    def found(self, index: int, frame: CheckFrame, setting: Setting) -> Detections | None:
        """Returns what A or B finds in a frame, with its own class ids."""
        cells = self.cells(index, frame, setting)
        return None if cells is None else self.subjects[index].found(cells, setting, self.rule)

    def both(
        self, settings: tuple[Setting, Setting], frames: Sequence[CheckFrame]
    ) -> tuple[list[Detections], list[Detections]] | None:
        """Returns what both find, with A's class ids; classes of one alone are left out."""
        a = self.subjects[A].side.classes
        common = np.where(np.isin(np.arange(len(a)), self.new_ids), np.arange(len(a)), -1)
        results: tuple[list[Detections], list[Detections]] = ([], [])
        for frame in frames:
            for index, new_ids in ((A, common), (B, self.new_ids)):
                found = self.found(index, frame, settings[index])
                if found is None:
                    return None
                results[index].append(with_ids(found, new_ids, a))
        return results

    def measure(
        self,
        measure: Callable[[list[Detections], list[Detections]], float],
        settings: tuple[Setting, Setting],
        frames: Sequence[CheckFrame],
    ) -> float:
        """Returns how unlike both are by a measure. Precondition: the changes can be made."""
        both = self.both(settings, frames)
        assert both is not None
        return measure(*both)


def explain(
    pair: Pair, precision: str, on_tried: OnTried = lambda _, __: None
) -> Explanation | None:
    """Returns the causes that explain most of the difference of two models.

    One cause, or up to three: after each round the best few are tried with one more.

    Args:
        pair: two models that differ.
        precision: a key of `EQUAL`, from which they count as equal.
        on_tried: called with the number of causes tried in this round, and of all.

    Returns:
        None if none of the usual causes explains half of it.
    """
    frames = spread(pair.frames, SEARCHED)
    pair = replace(pair, rule=_search_rule(pair, frames))
    unchanged = (AS_IS, AS_IS)
    parts = {frame.name: pair.measure(distance, unchanged, [frame]) for frame in frames}
    # The frames that differ most come first: a cause that does not help there need not be tried on.
    frames.sort(key=lambda frame: -parts[frame.name])
    before = pair.measure(distance, unchanged, frames)
    if before == 0:
        return None
    search = _Search(pair=pair, frames=frames, equal=EQUAL[precision], on_tried=on_tried)
    start = _State(settings=unchanged, causes=(), left=before)
    # To mend B says more than to give A the same fault, and is clearer than a change to each.
    best = search.run(start, (B,))
    if best.left > search.equal:
        best = min(best, search.run(start, (A,)), key=lambda each: each.left)
        if search.equal < best.left < before:
            best = min(best, search.run(start, (B, A)), key=lambda each: each.left)
    return _confirmed(pair, best, search.equal)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Search:
    """The search for the changes that leave the least difference.

    Attributes:
        pair: two models that differ.
        frames: that changes are tried on, those that differ most first.
        equal: unlikeness from which the models are as good as equal.
        on_tried: called with the number of causes tried in a round, and of all.
    """

    pair: Pair
    frames: Sequence[CheckFrame]
    equal: float
    on_tried: OnTried

    def run(self, start: _State, sides: tuple[int, ...]) -> _State:
        """Returns the best state that changes to these sides lead to."""
        best, states = start, [start]
        for _ in range(MOST_CAUSES):
            made: list[_State] = []
            for state, side, change in self._candidates(states, sides):
                if (after := self._after(state, side, change)) is None:
                    continue
                if after.left <= self.equal * SURELY:
                    return after
                made.append(after)
            if not made:
                break
            states = sorted(made, key=lambda each: round(each.left, 4))[:KEPT]
            best = min(best, states[0], key=lambda each: each.left)
            if best.left <= self.equal:
                break
        return best

    def _after(self, state: _State, side: int, change: Change) -> _State | None:
        """Returns the state after a change; None if that explains little."""
        settings = _with(state.settings, side, change)
        left = self._left(state, settings, self.frames[:SCREENED])
        left = None if left is None else self._left(state, settings, self.frames)
        if left is None:
            return None
        cause = Cause(culprit=change.culprit, side=side, clause=change.clause.format(x="AB"[side]))
        return _State(settings=settings, causes=(*state.causes, cause), left=left)

    def _left(
        self, state: _State, settings: tuple[Setting, Setting], frames: Sequence[CheckFrame]
    ) -> float | None:
        """Returns the unlikeness that settings leave; None if they explain little."""
        before, after = (self.pair.both(each, frames) for each in (state.settings, settings))
        if before is None or after is None:
            return None
        # Two models that a change has blinded are alike, too.
        if sum(map(total_score, after)) < STILL_FOUND * sum(map(total_score, before)):
            return None
        left = distance(*after)
        return left if left <= distance(*before) * (1 - EACH_EXPLAINS) else None

    def _candidates(
        self, states: Sequence[_State], sides: tuple[int, ...]
    ) -> Iterator[tuple[_State, int, Change]]:
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


def rounding(pair: Pair) -> str:
    """Returns whether 16 bits would make as large a difference as that of both, as text.

    That is no proof: which bits are lost depends on the device. Empty if it is larger, or A cannot
    be computed in 16 bits.
    """
    a = pair.subjects[A]
    if not a.takes_floats:
        return ""
    frames = spread(pair.frames, SEARCHED)
    alone = replace(pair, subjects=(a, a))
    shares = {}
    for kind in ("float16", "bfloat16"):
        change = Change(culprit=PRECISION, clause="", input=InputChange(precision=kind))
        both = alone.both((AS_IS, AS_IS.then(change)), frames)
        if both is None:
            return ""
        shares[kind] = unlikeness(*both)
    own = pair.measure(unlikeness, (AS_IS, AS_IS), frames)
    if own > max(shares.values()):
        return ""
    told = ", ".join(f"A in {kind} {share:.1%}" for kind, share in shares.items())
    return f"rounding may be all: unlike A are B {own:.1%}, {told}"


def _search_rule(pair: Pair, frames: Sequence[CheckFrame]) -> DetectionRule:
    """Returns a rule with a score threshold so low that B finds something, if that is possible.

    Of a model that finds nothing, nothing can be said: all faults that blind it look alike.
    """
    rule = pair.rule
    while True:
        found = replace(pair, rule=rule).both((AS_IS, AS_IS), frames)
        assert found is not None
        ours, theirs = (sum(map(len, side)) for side in found)
        least = max(subject.side.least_score for subject in pair.subjects)
        lower = max(rule.score_threshold / 2, least)
        if theirs >= FOUND_SHARE * ours or lower < LAST_THRESHOLD or lower == rule.score_threshold:
            return rule
        rule = replace(rule, score_threshold=lower)


def _confirmed(pair: Pair, state: _State, equal: float) -> Explanation | None:
    """Returns the explanation as it holds on all frames; None if it does not hold there."""
    before = pair.measure(unlikeness, (AS_IS, AS_IS), pair.frames)
    after = pair.measure(unlikeness, state.settings, pair.frames)
    if not state.causes or after > before * (1 - EXPLAINS):
        return None
    return Explanation(causes=state.causes, before=before, after=after, equal=after <= equal)


def _usual(subject: Subject) -> Iterator[Change]:
    """Yields the changes that are tried on any model."""
    rule = subject.side.input
    yield from input_changes(rule, floats=subject.takes_floats)
    size_hw = None if rule is None else rule.size_hw
    many = len(subject.side.classes) > 1 and not subject.side.best_only
    yield from output_changes(size_hw, many_classes=many)


def _suggested(
    pair: Pair, state: _State, side: int, frames: Sequence[CheckFrame]
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
    pair: Pair, state: _State, ours: Sequence[Cells], theirs: Sequence[Cells]
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


def _with(settings: tuple[Setting, Setting], side: int, change: Change) -> tuple[Setting, Setting]:
    a, b = settings
    return (a.then(change), b) if side == A else (a, b.then(change))


def spread(frames: Sequence[CheckFrame], count: int) -> list[CheckFrame]:
    """Returns real frames, evenly spread over those there are."""
    real = [frame for frame in frames if frame.real]
    places = sorted({round(at) for at in np.linspace(0, len(real) - 1, min(count, len(real)))})
    return [real[place] for place in places]
