"""One frame of each slot of time: the one most worth labelling, or one drawn at random."""

import random
from collections import Counter, deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from spotlet.collecting.choice import ChosenFrame, Finding
from spotlet.detections import Detections
from spotlet.streams import Frame

CELLS = 4
"""Places along each axis of a frame that are told apart when reasons are counted."""

LATEST = 16
"""Frames chosen last, which an object that flickers may bring up again."""

Choice = tuple[ChosenFrame, Detections]
"""A frame to keep, and all that was found in it."""


@dataclass(frozen=True, slots=True)
class _Best:
    """The slot's frame so far; a picture that is not chosen in the end is never copied."""

    frame: Frame
    found: Detections
    findings: Sequence[Finding]
    source: Hashable
    drawn: bool


class Slots:
    """Divides time into slots and chooses a frame in each.

    Most slots go to the frame with the best reason. A reason counts for less, the more often the
    same one was chosen before at the same place of the same source: a lamp that flickers all night
    gives way to whatever else happens. The other slots are drawn: each frame of the slot is as
    likely as any other (reservoir sampling), so that what the model never sees is seen too.

    Source:
        Vitter 1985, "Random sampling with a reservoir", algorithm R with a reservoir of one.
    """

    def __init__(self, seconds: float, random_share: float, rng: random.Random) -> None:
        """Starts the first slot with the first frame.

        Args:
            seconds: length of a slot; 0: each frame is a slot.
            random_share: share of the slots that are drawn, in [0, 1].
            rng: decides which is the first of them, and draws.
        """
        self._seconds = seconds
        self._share = random_share
        self._rng = rng
        self._turn = rng.random()
        self._chosen: Counter[Hashable] = Counter()
        self._latest: deque[Hashable] = deque(maxlen=LATEST)
        self._ends = 0.0
        self._best: _Best | None = None
        self._value_of_best = 0.0
        self._frames = 0
        self._begin()

    def offer(
        self,
        frame: Frame,
        found: Detections,
        findings: Sequence[Finding],
        *,
        source: Hashable,
        earlier: tuple[Frame, Detections, Finding] | None = None,
    ) -> None:
        """Takes a frame of the present slot.

        Args:
            frame: the frame.
            found: all its objects.
            findings: what speaks for it; may be empty.
            source: the same for all frames of one source.
            earlier: a frame before it that turned out to be worth keeping.
        """
        if self._is_drawn:
            self._frames += 1
            if self._rng.random() * self._frames < 1:
                self._best = _Best(frame, found, findings, source, drawn=True)
            return
        candidates = [(frame, found, findings)]
        if earlier is not None:
            candidates.append((*earlier[:2], [earlier[2]]))
        for picture, objects, reasons in candidates:
            if _identity(picture, source) in self._latest:
                continue
            value = max((self._value(each, picture, source) for each in reasons), default=0.0)
            if value > self._value_of_best:
                self._value_of_best = value
                self._best = _Best(picture, objects, reasons, source, drawn=False)

    def due(self, at_seconds: float) -> Choice | None:
        """Returns the frame of the slot before, once it is over.

        Args:
            at_seconds: the run's time, never decreasing, of the frame that is offered next.
        """
        if at_seconds < self._ends:
            return None
        passed = int((at_seconds - self._ends) // self._seconds) + 1 if self._seconds else 0
        self._ends += passed * self._seconds
        return self.finish()

    def finish(self) -> Choice | None:
        """Returns the frame of the present slot, if it has one, and begins another."""
        best = self._best
        self._begin()
        if best is None:
            return None
        frame, findings = best.frame, best.findings
        self._latest.append(_identity(frame, best.source))
        reasons = dict.fromkeys(each.reason for each in findings)
        if best.drawn:
            reasons = {"random": None, **reasons}
        main = max(findings, key=lambda each: self._value(each, frame, best.source), default=None)
        focus = None if main is None else main.box_xyxy
        for each in findings:
            self._chosen[self._place(each, frame, best.source)] += 1
        return ChosenFrame.of(frame, tuple(reasons), focus), best.found

    def _begin(self) -> None:
        # Evenly, so that the share holds for few slots too.
        self._turn += self._share
        self._is_drawn = self._turn >= 1
        self._turn -= self._is_drawn
        self._best, self._value_of_best, self._frames = None, 0.0, 0

    def _value(self, finding: Finding, frame: Frame, source: Hashable) -> float:
        return finding.interest / (1 + self._chosen[self._place(finding, frame, source)])

    def _place(self, finding: Finding, frame: Frame, source: Hashable) -> Hashable:
        """Returns what is counted together: a reason, at a place of a source."""
        height, width = frame.size_hw
        left, top, right, bottom = finding.box_xyxy
        column = int((left + right) / 2 * CELLS / width)
        row = int((top + bottom) / 2 * CELLS / height)
        return source, finding.reason, row, column


def _identity(frame: Frame, source: Hashable) -> Hashable:
    return source, frame.epoch, frame.index
