"""Proposes another reading where a network, read as its file says, finds nothing or nonsense.

Axis by axis, not every combination: first pixels (colour order and range) with every meaning of the
outputs, then the placing of the frame. The best is proposed, never adopted unasked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spotlet.detections import Detections
from spotlet.letterbox import ImageArray
from spotlet.manifest import Manifest
from spotlet_export.adoption.original.decoder import OriginalDecoder
from spotlet_export.adoption.settings import AdoptSettings
from spotlet_export.adoption.trials.agreement import Agreement
from spotlet_export.adoption.trials.alternatives import (
    UNDECODED_RESIZE,
    Alternative,
    alternative_of,
    pixel_alternatives,
    placing_alternatives,
)
from spotlet_export.adoption.trials.budget import Budget
from spotlet_export.adoption.trials.option_line import option_line
from spotlet_export.adoption.trials.trials import MOST_IMAGES, Trial, Trials

LEAST_SHARE, CROWD, CROWD_SHARE = 0.45, 100, 0.7
"""Consistency of a proposal: about half of what is found, found again; more of a crowd, of which
some matches by chance."""

LEAST_MIRRORED = 0.5
"""The same of mirrored copies alone. Right readings of small networks agree to 0.65 with these, and
to less than 0.1 with scaled ones, which lowers their consistency; wrong boxes to 0.13."""

CLEAR_SHARE = 0.65
"""Consistency of a proposal that is adopted without a question. Networks trained on photographs
agree to 0.7 and more if they are read rightly; wrong readings have been seen with 0.61."""

CLEAR, LEAST_OVERLAP = 1.5, 0.8
"""Of one object in the copies: its score, as a multiple of the threshold, and its overlap. Where
there is none, detectors of photographs sometimes see one, weakly, in one range of the pixels."""

STEADY = 0.6
"""Share of the best consistency below which a reading is out, however much it finds: with pixels of
too great a range, some networks fire in hundreds of places, of which many match by chance."""

NOISE = 0.4
"""Share by which readings of one object may differ by chance; of n, by its share of sqrt(n).
Measured on face detectors, which find nearly the same in any colours."""

PLACED = 0.75
"""Share of the best placing of the frame from which the usual one stays: one that enlarges the
objects makes any network surer."""

MOST_EQUALS = 4
"""Readings named beside the proposal."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Proposal:
    """Another reading of a network, with which it finds the same objects in copies of the images.

    Attributes:
        doubts: about the reading without it.
        changes: settings that it adds to those given.
        options: the same, as options of `spotlet adopt` to paste.
        equals: other options that the images cannot tell from these.
        share: how consistent the detections are, in [0, 1].
        runs: of the network, that the trials took.
        detections: of each of the user's images.
    """

    doubts: tuple[str, ...]
    changes: Mapping[str, Any]
    options: str
    equals: tuple[str, ...]
    share: float
    runs: int
    detections: tuple[Detections, ...]

    @property
    def clear(self) -> bool:
        """Whether it may be adopted without a look at the boxes."""
        return self.share >= CLEAR_SHARE

    def __str__(self) -> str:
        return self.line(MOST_EQUALS)

    def line(self, most: int) -> str:
        """Returns one line, with at most `most` of the equal options."""
        count = sum(map(len, self.detections))
        more = len(self.equals) - most
        return (
            f"with {self.options} it finds {count} object{'s' * (count != 1)}, which agree to "
            f"{self.share:.0%} with those in transformed copies of the images"
            + "; the images cannot tell it from " * bool(self.equals)
            + ", or ".join(self.equals[:most])
            + f", or {more} more" * (more > 0)
        )


def propose(
    decoder: OriginalDecoder,
    manifest: Manifest,
    photographs: Sequence[ImageArray],
    settings: AdoptSettings,
    wrong: Sequence[str],
    budget: Budget,
) -> Proposal | None:
    """Returns the reading that finds the surest and most consistent objects, if any does.

    Args:
        decoder: of the original, with the reading that is in doubt.
        manifest: of that reading.
        photographs: the user's images, (H, W, 3) uint8 BGR.
        settings: what the user said: it is not varied.
        wrong: the doubts.
        budget: of the trials; it reports the progress.
    """
    default = alternative_of(decoder.signature, manifest)
    trials = Trials(decoder, manifest, photographs[:MOST_IMAGES], settings, budget)
    dtype, least = decoder.signature.input.dtype, manifest.detection.score_threshold
    tried: list[Trial] = []
    for start in placing_alternatives(default, settings):
        if start.pad_value == default.pad_value and not tried:
            budget.on_step(f"trying colour order and range of the pixels, {start.resize}")
            tried = trials.judge(pixel_alternatives(start, dtype, settings))
    if not tried:
        return None
    best = _usual(tried, least)
    budget.on_step("trying how the frame is placed")
    placed = _placed(trials, best, default, settings)
    if placed is not best:
        tried = [
            placed,
            *trials.judge([*pixel_alternatives(placed.alternative, dtype, settings)][1:]),
        ]
        best = _usual(tried, least)
    found = tuple(each.select(each.scores >= least) for each in best.detections)
    if best.alternative == default or not convinces(best.agreement, max(map(len, found)), least):
        return None
    changes = best.alternative.changes(default)
    equals = [each.alternative for each in _equals(tried, least) if each is not best]
    equals = [*best.equals, *equals][:MOST_EQUALS]
    return Proposal(
        doubts=tuple(wrong),
        changes=changes,
        options=option_line(changes),
        equals=tuple(option_line(each.changes(default)) for each in equals),
        share=best.agreement.share,
        runs=budget.runs,
        detections=found,
    )


def clear_score(least: float) -> float:
    """Returns the score from which an object is clear, where the threshold is `least`."""
    return min(CLEAR * least, (1 + least) / 2)


def convinces(judged: Agreement, count: int, least: float) -> bool:
    """Returns whether at least one object is found again in the copies, well over the threshold."""
    enough = LEAST_OVERLAP * clear_score(least) ** 2 * judged.copies
    share = CROWD_SHARE if count > CROWD else LEAST_SHARE
    moves = judged.mirrored_share >= LEAST_MIRRORED
    return moves and judged.share >= share and judged.matched >= enough


def _placed(trials: Trials, best: Trial, default: Alternative, settings: AdoptSettings) -> Trial:
    """Returns the trial with the best placing: the usual one, unless another is much better."""
    usual = best
    if best.alternative.strides != default.strides and settings.resize is None:
        corner = trials.judge([replace(best.alternative, resize=UNDECODED_RESIZE)])
        usual = max(corner, key=lambda each: each.agreement.quality, default=best)
    others = trials.judge([*placing_alternatives(usual.alternative, settings)][1:])
    other = max(others, key=lambda each: each.agreement.quality, default=usual)
    return other if usual.agreement.quality < PLACED * other.agreement.quality else usual


def _usual(trials: Sequence[Trial], least: float) -> Trial:
    """Returns the most usual of the best trials: the first of those that cannot be told apart."""
    return _equals(trials, least)[0]


def _equals(trials: Sequence[Trial], least: float) -> list[Trial]:
    """Returns the trials that the images cannot tell from the best, the usual first.

    Inconsistent ones are left out first. The fewer objects there are of a score of at least
    `least`, the less the images tell.
    """
    most = max(each.agreement.share for each in trials)
    steady = min(most, max(LEAST_SHARE, STEADY * most))
    trials = [each for each in trials if each.agreement.share >= steady]
    best = max(trials, key=lambda each: each.agreement.worth)
    count = sum(int(np.sum(each.scores >= least)) for each in best.detections)
    equal = (1 - NOISE / max(count, 1) ** 0.5) * best.agreement.worth
    alike = [each for each in trials if each.agreement.worth >= equal]
    return sorted(alike, key=lambda each: not each.alternative.usual)
