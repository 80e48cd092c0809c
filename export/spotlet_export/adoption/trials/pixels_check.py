"""Checks pixels that are only a default by layout, where they find something.

A network finds much the same in swapped colours or in a wrong range, less surely or with other
names. So the few usual alternatives are tried on the images, and the serious ones on copies too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from spotlet.detections import Detections
from spotlet.letterbox import ImageArray
from spotlet.manifest import Manifest
from spotlet_export.adoption.original.decoder import OriginalDecoder
from spotlet_export.adoption.plausibility import doubts
from spotlet_export.adoption.settings import AdoptSettings
from spotlet_export.adoption.trials.agreement import Agreement, agreement, copies_of
from spotlet_export.adoption.trials.alternatives import (
    RANGE,
    Alternative,
    alternative_of,
    common_pixels,
)
from spotlet_export.adoption.trials.budget import Budget
from spotlet_export.adoption.trials.name_differences import different_names, named_by_colour
from spotlet_export.adoption.trials.option_line import option_line, spelled_out
from spotlet_export.adoption.trials.proposal import (
    MOST_EQUALS,
    NOISE,
    STEADY,
    Proposal,
    convinces,
)
from spotlet_export.adoption.trials.trials import MOST_IMAGES, Trials

CHECK_SECONDS = 30.0
"""Bound of the check; the other colour order is always looked at."""

HOPELESS = 0.5
"""Share of what the default is worth on the first copy, below which a rival is out."""

MOST_NAMED = 3
"""Pairs of names in a message."""


@dataclass(frozen=True, slots=True, eq=False)
class PixelsCheck:
    """What other pixels say about the default.

    Attributes:
        proposal: pixels that are clearly better; None if there are none.
        question: which option the user must give, because the names depend on it; else empty.
        remark: what the images cannot tell, but does not change the names; else empty.
    """

    proposal: Proposal | None = None
    question: str = ""
    remark: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A reading, what it finds, and how that agrees with no copy, one and two."""

    other: Alternative
    found: tuple[Detections, ...]
    steps: tuple[Agreement, ...]

    @property
    def judged(self) -> Agreement:
        return self.steps[-1]


def check_pixels(
    decoder: OriginalDecoder,
    manifest: Manifest,
    photographs: Sequence[ImageArray],
    settings: AdoptSettings,
    budget: Budget,
) -> PixelsCheck:
    """Returns what other colours and ranges say; nothing about those that the user said.

    Args:
        decoder: of the original, with the default that finds something.
        manifest: of that reading.
        photographs: the user's images, (H, W, 3) uint8 BGR.
        settings: what the user said.
        budget: of this check.
    """
    own = alternative_of(decoder.signature, manifest)
    others = list(common_pixels(own, decoder.signature.input.dtype, settings))
    if not others:
        return PixelsCheck()
    budget.on_step("checking colour order and range of the pixels")
    trials = Trials(decoder, manifest, photographs[:MOST_IMAGES], settings, budget)
    least = manifest.detection.score_threshold
    found = _found(trials, own)
    if found is None:
        return PixelsCheck()
    index = int(np.argmax([float(np.sum(each.scores**2)) for each in found]))
    default = _seen(trials, own, found, index)
    noise = _noise(found[index], least)
    rivals = [
        each
        for each in _rivals(trials, others, index, default, (1 - noise) * default.judged.worth)
        if each.judged.share >= STEADY * default.judged.share
    ]
    differ = {each: different_names(default.found, each.found, manifest) for each in rivals}
    fits = {each: named_by_colour(differ[each], trials.images) for each in rivals}
    better = [
        each
        for each in rivals
        if (differ[each] or _count(each, least) > _count(default, least))
        and fits[each] <= 0
        and _is_better(each, default, index, least)
    ]
    why = "other pixels suit the images better than the default"
    if not better:
        better = [each for each in rivals if fits[each] < 0]
        why = "names of colours fit the images with other pixels than the default"
    if better:
        return PixelsCheck(proposal=_proposal(better, default, least, budget.runs, why))
    for each in rivals:
        if differ[each] and not fits[each]:
            names = list(dict.fromkeys(map(str, differ[each])))[:MOST_NAMED]
            return PixelsCheck(
                question=f"the images cannot tell which pixels are right, and the names differ "
                f"({', '.join(names)}): give {_spelled(own, each.other)} or "
                f"{_spelled(each.other, own)}, what it was trained with"
            )
    lines = [option_line(each.other.changes(own)) for each in rivals if not differ[each]]
    if not lines:
        return PixelsCheck()
    return PixelsCheck(
        remark=f"pixels: {_spelled(own)} by default; the images cannot tell it from "
        f"{', or '.join(lines)}, with which the names are the same"
    )


def _found(trials: Trials, other: Alternative) -> tuple[Detections, ...] | None:
    """Returns what a reading finds in each image, weak ones too; None if it looks wrong."""
    if trials.budget.slow and trials.budget.runs:
        trials.images = trials.images[:1]
    parts = [trials.parts(other, image) for image in trials.images]
    signature, manifest = other.applied(trials.decoder.signature, trials.manifest)
    decoder = OriginalDecoder(trials.decoder.session, signature)
    if doubts(list(map(decoder.decoded, parts)), signature, manifest):
        return None
    return tuple(map(trials.detector(other), parts, trials.images))


def _rivals(
    trials: Trials, others: Sequence[Alternative], index: int, default: _Seen, worth: float
) -> Iterator[_Seen]:
    """Yields the readings that are worth as much, the bound, on one image and its copies."""
    for other in others:
        if trials.budget.spent and other is not others[0]:
            return
        found = _found(trials, other)
        index = index if found is None or index < len(found) else 0
        if found is None or np.log1p(np.sum(found[index].scores ** 2)) < worth:
            continue
        seen = _seen(trials, other, found, index, default)
        if seen.judged.worth >= worth and len(seen.steps) == len(default.steps):
            yield seen


def _seen(
    trials: Trials,
    other: Alternative,
    found: tuple[Detections, ...],
    index: int,
    default: _Seen | None = None,
) -> _Seen:
    """Returns how a reading agrees with a scaled and a mirrored copy of one image.

    It stops at a copy with which it agrees much less than the default.
    """
    image = trials.images[index]
    frame_hw = (image.shape[0], image.shape[1])
    detect = trials.detector(other)
    steps = [Agreement()]
    for copy in copies_of(trials.letterbox(other, frame_hw))[1:]:
        copied = detect(trials.parts(other, copy.image(image)), image)
        steps.append(steps[-1] + agreement(found[index], copied, copy, frame_hw))
        rival = None if default is None else default.steps[len(steps) - 1]
        if rival is not None and steps[-1].worth < HOPELESS * rival.worth:
            break
    return _Seen(other, found, tuple(steps))


def _count(seen: _Seen, least: float) -> int:
    """Returns how many objects a reading finds."""
    return sum(int(np.sum(each.scores >= least)) for each in seen.found)


def _noise(found: Detections, least: float) -> float:
    """Returns the share by which readings differ by chance."""
    return float(NOISE / max(int(np.sum(found.scores >= least)), 1) ** 0.5)


def _is_better(rival: _Seen, default: _Seen, index: int, least: float) -> bool:
    """Returns whether a reading is clearly surer, not less consistent, and convincing by itself."""
    found = rival.found[index if index < len(rival.found) else 0]
    count = int(np.sum(found.scores >= least))
    clearly = default.judged.worth < (1 - _noise(found, least)) * rival.judged.worth
    steady = rival.judged.share >= default.judged.share * (1 - NOISE / 4)
    return clearly and steady and convinces(rival.judged, count, least)


def _proposal(
    better: Sequence[_Seen], default: _Seen, least: float, runs: int, why: str
) -> Proposal:
    best, *rest = sorted(better, key=lambda each: -each.judged.worth)
    own, changes = default.other, best.other.changes(default.other)
    equals = [
        option_line(each.other.changes(own))
        for each in rest
        if each.judged.worth >= (1 - NOISE / 4) * best.judged.worth
    ]
    return Proposal(
        doubts=(f"{why} (if {_spelled(own, best.other)} is right, say so)",),
        changes=changes,
        options=option_line(changes),
        equals=tuple(equals[:MOST_EQUALS]),
        share=best.judged.share,
        runs=runs,
        detections=tuple(each.select(each.scores >= least) for each in best.found),
    )


def _spelled(own: Alternative, other: Alternative | None = None) -> str:
    """Returns the options that say a reading's pixels, or only those that another one changes."""
    names = [
        name
        for name in ("colour", *RANGE)
        if other is None or getattr(own, name) != getattr(other, name)
    ]
    if any(name in RANGE for name in names):
        names = list(dict.fromkeys([*names, *RANGE]))
    return spelled_out(own, names)
