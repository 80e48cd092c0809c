"""Trials of readings: each is judged by how sure and how consistent its detections are.

A run of the network serves every meaning of its outputs, which costs no further run.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from spotlet.detections import Detections
from spotlet.letterbox import PAD_VALUE, ImageArray, Letterbox
from spotlet.manifest import Manifest
from spotlet.postprocess import detections_from_outputs
from spotlet_export.adoption.original.decoder import OriginalDecoder, Wide
from spotlet_export.adoption.plausibility import BUSY_SHARE, SLACK, doubts
from spotlet_export.adoption.settings import AdoptSettings
from spotlet_export.adoption.signature import SUPPRESSED
from spotlet_export.adoption.trials.agreement import Agreement, agreement, copies_of, without
from spotlet_export.adoption.trials.alternatives import (
    Alternative,
    output_alternatives,
)
from spotlet_export.adoption.trials.budget import Budget

MOST_IMAGES, MOST_COPIED = 4, 2
"""Images that are looked at, and those that are copied: the ones on which most is found."""

MANY_CELLS = 40
"""Of fewer, most may show an object."""

EQUAL = 0.9
"""Share of the best meaning of the outputs from which another cannot be told from it."""

WEAK = 0.5
"""Share of the threshold from which scores count, so that one near it is not lost in a copy."""


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """An alternative reading and what it finds.

    Attributes:
        alternative: with the meaning of the outputs that suits its input best.
        detections: on each image, weak ones too.
        agreement: with those of copies.
        equals: readings of the same input that the images cannot tell from it.
    """

    alternative: Alternative
    detections: tuple[Detections, ...]
    agreement: Agreement
    equals: tuple[Alternative, ...] = ()


@dataclass(slots=True)
class Trials:
    """Judges readings.

    Attributes:
        decoder: of the original.
        manifest: of the reading in doubt.
        images: the user's.
        settings: what the user said.
        budget: of all trials.
        best: the best quality so far.
    """

    decoder: OriginalDecoder
    manifest: Manifest
    images: Sequence[ImageArray]
    settings: AdoptSettings
    budget: Budget
    best: float = 0.0

    def judge(self, readings: Iterable[Alternative]) -> list[Trial]:
        """Returns a trial of each reading that, with any meaning of its outputs, looks right."""
        trials: list[Trial] = []
        for other in readings:
            trial = self._judged(other)
            if self.budget.spent:
                break
            if trial is not None:
                trials.append(trial)
        return trials

    def _judged(self, given: Alternative) -> Trial | None:
        """Returns the trial of one reading of the input; None if nothing is found again."""
        if self.budget.slow:
            self.images = self.images[:1]
        parts = [self.parts(given, image) for image in self.images]
        found = {
            other: tuple(map(self.detector(other), parts, self.images))
            for other in self._sound(given, parts)
        }
        weights = [
            [float(np.sum(each.scores**2)) for each in detections] for detections in found.values()
        ]
        most = max(weights, key=max, default=[0.0])
        if np.log1p(max(most)) < self.best / 2:
            return None  # even if all of it were found in every copy
        total = dict.fromkeys(found, Agreement())
        for index in np.argsort(most)[::-1][: 1 if self.budget.slow else MOST_COPIED].tolist():
            for other, judged in self._compared(given, index, found).items():
                total[other] += judged
        best = max(total, key=lambda other: total[other].quality, default=None)
        if best is None or self.budget.spent or not total[best].matched:
            return None
        first, *others = self._alike(best, total)
        self.best = max(self.best, total[best].quality)
        return Trial(first, found[first], total[first], tuple(others))

    def _compared(
        self, given: Alternative, index: int, found: Mapping[Alternative, tuple[Detections, ...]]
    ) -> dict[Alternative, Agreement]:
        """Returns how the detections of one image agree with those of its copies."""
        image = self.images[index]
        frame_hw = (image.shape[0], image.shape[1])
        total = dict.fromkeys(found, Agreement())
        control = self.parts(given, np.full_like(image, PAD_VALUE))
        for copy in copies_of(self.letterbox(given, frame_hw)):
            copied = self.parts(given, copy.image(image))
            for other, detections in found.items():
                detect = self.detector(other)
                nothing = detect(control, image)
                total[other] += agreement(
                    without(detections[index], nothing),
                    without(detect(copied, image), nothing),
                    copy,
                    frame_hw,
                )
        return total

    def _alike(
        self, best: Alternative, total: Mapping[Alternative, Agreement]
    ) -> list[Alternative]:
        """Returns the readings of one input that cannot be told from the best, the usual first.

        Of activations only the consistency counts: one that spreads the scores is not surer.
        """
        return [
            other
            for other, judged in total.items()
            if judged.quality >= EQUAL * total[best].quality
            or (
                replace(other, activation=best.activation) == best
                and judged.share >= EQUAL * total[best].share
            )
        ]

    def _sound(self, given: Alternative, parts: Sequence[list[Wide]]) -> list[Alternative]:
        """Returns the readings of the outputs, for one reading of the input, without a doubt."""
        rule = self.decoder.signature.output
        cells = parts[0][0].shape[1 if rule.layout == "4+C,K" else 0]
        threshold = self.manifest.detection.score_threshold
        sound: list[Alternative] = []
        hopeless = set()
        for other in output_alternatives(given, self.decoder.signature, cells, self.settings):
            if other.activation in hopeless:
                continue
            signature, manifest = other.applied(self.decoder.signature, self.manifest)
            found = list(map(OriginalDecoder(self.decoder.session, signature).decoded, parts))
            scores = np.concatenate([each for _, each in found])
            in_range = scores.min() >= -SLACK and threshold <= scores.max() <= 1 + SLACK
            if not in_range or fires_everywhere(scores, threshold, other, rule.layout):
                hopeless.add(other.activation)
            elif not doubts(found, signature, manifest):
                sound.append(other)
        return sound

    def parts(self, other: Alternative, image: ImageArray) -> list[Wide]:
        """Returns the outputs for one image."""
        self.budget.count()
        signature, _ = other.applied(self.decoder.signature, self.manifest)
        canvas = self.letterbox(other, (image.shape[0], image.shape[1])).apply(image)
        return OriginalDecoder(self.decoder.session, signature).outputs(canvas)

    def letterbox(self, other: Alternative, frame_hw: tuple[int, int]) -> Letterbox:
        """Returns how a reading places a frame."""
        rule = self.manifest.input
        return Letterbox(frame_hw, rule.size_hw, rule.interpolation, other.pad_value, other.resize)

    def detector(self, other: Alternative) -> Callable[[list[Wide], ImageArray], Detections]:
        """Returns the function from outputs and their image to detections, weak ones too."""
        signature, manifest = other.applied(self.decoder.signature, self.manifest)
        decoder = OriginalDecoder(self.decoder.session, signature)
        threshold = WEAK * manifest.detection.score_threshold

        def detect(parts: list[Wide], image: ImageArray) -> Detections:
            boxes, scores = decoder.decoded(parts)
            return detections_from_outputs(
                np.clip(boxes, 0, 1).astype(np.float32),
                np.clip(scores, 0, 1).astype(np.float32),
                self.letterbox(other, (image.shape[0], image.shape[1])),
                manifest.classes,
                replace(manifest.detection, score_threshold=threshold),
            )

        return detect


def fires_everywhere(scores: Wide, threshold: float, other: Alternative, layout: str) -> bool:
    """Returns whether most cells fire, or, of suppressed rows, all that are not padding.

    Of rows that are already probabilities, a sigmoid makes 0.5 and more.
    """
    best = scores.max(axis=1)
    if layout not in SUPPRESSED:
        return len(best) >= MANY_CELLS and bool(np.mean(best >= threshold) > BUSY_SHARE)
    rows = best[best > 0]
    return other.activation == "sigmoid" and len(rows) >= MANY_CELLS and bool(rows.min() >= 0.5)
