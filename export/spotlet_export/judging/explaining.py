"""Why two models differ: each usual cause is tried, and the one that makes them equal is named."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from spotlet.manifest import DetectionRule
from spotlet_export.gate.frames import CheckFrame
from spotlet_export.gate.reference import LAST_THRESHOLD
from spotlet_export.judging.changes import AS_IS, PRECISION, Change, InputChange
from spotlet_export.judging.likeness import distance, unlikeness
from spotlet_export.judging.pairs import A, B, Pair, spread
from spotlet_export.judging.searching import SEARCHED, Cause, OnTried, Search, State

EXPLAINS = 0.66
"""Share of the difference that a cause must explain to be named."""

EQUAL = {"float32": 1e-3, "float16": 0.02, "int8": 0.1}
"""Unlikeness from which two models of a precision are as good as equal."""

MUCH_LESS = 0.1
"""Share of a small difference that counts as equal, in place of that."""

FOUND_SHARE = 0.1
"""Of A's detections: what B must find so that causes can be told apart."""


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
        None if the usual causes do not explain two thirds of it.
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
    equal = min(EQUAL[precision], before * MUCH_LESS)
    search = Search(pair=pair, frames=frames, equal=equal, on_tried=on_tried)
    start = State(settings=unchanged, causes=(), left=before)
    # To mend B says more than to give A the same fault, and is clearer than a change to each.
    best = search.run(start, (B,))
    if best.left > search.equal:
        best = min(best, search.run(start, (A,)), key=lambda each: each.left)
        if search.equal < best.left < before:
            best = min(best, search.run(start, (B, A)), key=lambda each: each.left)
    return _confirmed(pair, best, search.equal)


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


def _confirmed(pair: Pair, state: State, equal: float) -> Explanation | None:
    """Returns the explanation as it holds on all frames; None if it does not hold there."""
    before = pair.measure(unlikeness, (AS_IS, AS_IS), pair.frames)
    after = pair.measure(unlikeness, state.settings, pair.frames)
    if not state.causes or after > before * (1 - EXPLAINS):
        return None
    return Explanation(causes=state.causes, before=before, after=after, equal=after <= equal)
