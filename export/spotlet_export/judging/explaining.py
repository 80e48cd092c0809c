"""Why two models differ: each usual cause is tried, and the one that makes them equal is named."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from spotlet.detections import Detections
from spotlet.manifest import DetectionRule
from spotlet_export.gate.frames import CheckFrame
from spotlet_export.gate.variants import Limits
from spotlet_export.judging.changes import AS_IS, Change, Setting, input_changes, output_changes
from spotlet_export.judging.fitting import class_order, shift_of_boxes, shift_of_cells
from spotlet_export.judging.likeness import shared_ids, unlikeness, with_ids
from spotlet_export.judging.sides import Cells, Subject

SEARCHED = 8
"""Frames that causes are tried on; what they explain is confirmed on all."""

MOST_CAUSES = 3
"""At once."""

KEPT = 3
"""Sets of causes that are tried together with one more."""

EXPLAINS = 0.5
"""Share of the difference that a cause must explain to be named."""

EACH_EXPLAINS = 0.3
"""Share of what was left that one more cause must explain."""

EQUAL = {"float32": 1e-3, "float16": 0.02, "int8": 0.1}
"""Unlikeness from which two models of a precision are as good as equal."""

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
            return f"B matches A when {clauses}"
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

    def cells(self, index: int, frame: CheckFrame, setting: Setting) -> Cells | None:
        """Returns what A or B computes for a frame."""
        subject = self.subjects[index]
        return subject.cells(frame.name, frame.image_bgr, setting, self.rule.score_threshold)

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

    def unlikeness(
        self, settings: tuple[Setting, Setting], frames: Sequence[CheckFrame]
    ) -> float | None:
        """Returns how unlike both are; None if a change cannot be made."""
        both = self.both(settings, frames)
        return None if both is None else unlikeness(*both)


def explain(
    pair: Pair, limits: Limits, precision: str, on_tried: OnTried = lambda _, __: None
) -> Explanation | None:
    """Returns the causes that explain most of the difference of two models.

    One cause, or up to three: after each round the best few are tried with one more.

    Args:
        pair: two models that differ.
        limits: within which they count as equal.
        precision: of the limits.
        on_tried: called with the number of causes tried in this round, and of all.

    Returns:
        None if none of the usual causes explains half of it.
    """
    frames = spread(pair.frames, SEARCHED)
    unchanged = (AS_IS, AS_IS)
    before = pair.unlikeness(unchanged, frames)
    if not before:
        return None
    equal = EQUAL[precision]
    best = _State(settings=unchanged, causes=(), left=before)
    states = [best]
    for _ in range(MOST_CAUSES):
        tried = [(state, each) for state in states for each in _candidates(pair, state, frames)]
        made: list[_State] = []
        for number, (state, (side, change)) in enumerate(tried, 1):
            on_tried(number, len(tried))
            settings = _with(state.settings, side, change)
            left = pair.unlikeness(settings, frames)
            if left is not None and left <= state.left * (1 - EACH_EXPLAINS):
                clause = change.clause.format(x="AB"[side])
                cause = Cause(culprit=change.culprit, side=side, clause=clause)
                made.append(_State(settings=settings, causes=(*state.causes, cause), left=left))
        if not made:
            break
        states = sorted(made, key=lambda each: round(each.left, 4))[:KEPT]
        if states[0].left < best.left:
            best = states[0]
        if best.left <= equal:
            break
    return _confirmed(pair, best, equal)


def _confirmed(pair: Pair, state: _State, equal: float) -> Explanation | None:
    """Returns the explanation as it holds on all frames; None if it does not hold there."""
    before = pair.unlikeness((AS_IS, AS_IS), pair.frames)
    after = pair.unlikeness(state.settings, pair.frames)
    if not state.causes or not before or after is None or after > before * (1 - EXPLAINS):
        return None
    return Explanation(causes=state.causes, before=before, after=after, equal=after <= equal)


def _candidates(
    pair: Pair, state: _State, frames: Sequence[CheckFrame]
) -> Iterator[tuple[int, Change]]:
    """Yields the changes to try on a state: those to B first, then those to A."""
    for side in (B, A):
        subject = pair.subjects[side]
        rule = subject.side.input
        yield from ((side, change) for change in input_changes(rule, floats=subject.takes_floats))
        size_hw = None if rule is None else rule.size_hw
        many = len(subject.side.classes) > 1 and not subject.side.best_only
        yield from ((side, change) for change in output_changes(size_hw, many_classes=many))
    yield from ((B, change) for change in _fitted(pair, state, frames))


def _fitted(pair: Pair, state: _State, frames: Sequence[CheckFrame]) -> list[Change]:
    """Returns the changes to B that its results suggest."""
    sides: tuple[list[Cells], list[Cells]] = ([], [])
    pairs = []
    for frame in frames:
        cells = [pair.cells(index, frame, state.settings[index]) for index in (A, B)]
        if cells[A] is None or cells[B] is None:
            return []
        one, other = (
            pair.subjects[index].found(each, state.settings[index], pair.rule)
            for index, each in enumerate(cells)
            if each is not None
        )
        for index, each in enumerate(cells):
            if each is not None:
                sides[index].append(each)
        pairs.append((one, other))
    a = pair.subjects[A].side.classes
    renumbered = [(one, with_ids(other, pair.new_ids, a)) for one, other in pairs]
    found = (
        class_order(*sides, pairs, pair.new_ids, a),
        shift_of_boxes(renumbered, [each.letterbox for each in sides[B]]),
        shift_of_cells(*sides),
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
