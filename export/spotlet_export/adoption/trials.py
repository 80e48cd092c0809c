"""Trials of readings: each is judged by how sure and how consistent its detections are.

A run of the network serves every meaning of its outputs, which costs no further run.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from spotlet.detections import Detections
from spotlet.letterbox import PAD_VALUE, ImageArray, Letterbox
from spotlet.manifest import Manifest
from spotlet.postprocess import detections_from_outputs
from spotlet_export.adoption.agreement import Agreement, agreement, copies_of, without
from spotlet_export.adoption.original_decoder import OriginalDecoder, Wide, decoded
from spotlet_export.adoption.plausibility import BUSY_SHARE, SLACK, doubts
from spotlet_export.adoption.readings import (
    Reading,
    output_readings,
)
from spotlet_export.adoption.settings import AdoptSettings
from spotlet_export.adoption.signature import Signature

MOST_IMAGES, MOST_COPIED = 4, 2
"""Images that are looked at, and those that are copied: the ones on which most is found."""

MOST_RUNS, MOST_SECONDS = 240, 90.0
"""Bounds of all trials; for a large network, the time ends them first."""

PROGRESS_SECONDS = 5.0
"""Between two lines of progress."""

MANY_CELLS = 40
"""Of fewer, most may show an object."""

WEAK = 0.5
"""Share of the threshold from which scores count, so that one near it is not lost in a copy."""


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A reading, what it finds on the images, and how it was judged."""

    reading: Reading
    detections: tuple[Detections, ...]
    agreement: Agreement


@dataclass(slots=True)
class Budget:
    """Counts runs and time, and reports progress.

    Attributes:
        on_step: called with the progress.
        clock: seconds.
        runs: so far.
    """

    on_step: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    runs: int = 0
    start: float = field(init=False)
    said: float = field(init=False)

    def __post_init__(self) -> None:
        self.start = self.said = self.clock()

    @property
    def spent(self) -> bool:
        """Whether no further reading may be tried."""
        return self.runs >= MOST_RUNS or self.clock() - self.start >= MOST_SECONDS

    def __str__(self) -> str:
        return f"stopped after {self.runs} runs" if self.spent else f"{self.runs} runs"

    def count(self) -> None:
        """Counts a run."""
        self.runs += 1
        now = self.clock()
        if now - self.said >= PROGRESS_SECONDS:
            self.said = now
            self.on_step(
                f"{self.runs} runs in {now - self.start:.0f} s, at most {MOST_SECONDS:g} s"
            )


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

    def judge(self, readings: Iterable[Reading]) -> list[Trial]:
        """Returns a trial for each reading, and each meaning of its outputs, that looks right."""
        trials: list[Trial] = []
        for reading in readings:
            if self.budget.spent:
                break
            trials += self._judged(reading)
        return trials

    def _judged(self, given: Reading) -> list[Trial]:
        parts = [self._parts(given, image) for image in self.images]
        found = {
            reading: tuple(map(self._detector(reading), parts, self.images))
            for reading in self._sound(given, parts)
        }
        sums = {
            reading: [float(np.sum(each.scores**2)) for each in detections]
            for reading, detections in found.items()
        }
        most = max(sums.values(), key=max, default=[0.0])
        if np.log1p(max(most)) < self.best / 2:
            return []  # even if all of it were found in every copy
        chosen = sorted(np.argsort(most)[::-1][:MOST_COPIED].tolist())
        total = dict.fromkeys(found, Agreement())
        for index in chosen:
            image = self.images[index]
            frame_hw = (image.shape[0], image.shape[1])
            grey = np.full_like(image, PAD_VALUE)
            control = self._parts(given, grey)
            for copy in copies_of(self._letterbox(given, frame_hw)):
                copied = self._parts(given, copy.image(image))
                for reading, detections in found.items():
                    detect = self._detector(reading)
                    nothing = detect(control, grey)
                    total[reading] += agreement(
                        without(detections[index], nothing),
                        without(detect(copied, image), nothing),
                        copy,
                        frame_hw,
                    )
        trials = [Trial(reading, found[reading], total[reading]) for reading in found]
        self.best = max([self.best, *(each.agreement.quality for each in trials)])
        return [each for each in trials if each.agreement.matched > 0]

    def _sound(self, given: Reading, parts: Sequence[list[Wide]]) -> list[Reading]:
        """Returns the readings of the outputs, for one reading of the input, without a doubt."""
        rule = self.decoder.signature.output
        cells = parts[0][0].shape[1 if rule.layout == "4+C,K" else 0]
        threshold = self.manifest.detection.score_threshold
        sound, hopeless = [], set()
        for reading in output_readings(given, self.decoder.signature, cells, self.settings):
            if reading.activation in hopeless:
                continue
            signature, manifest = reading.applied(self.decoder.signature, self.manifest)
            found = [self._decoded(each, signature) for each in parts]
            scores = np.concatenate([each for _, each in found])
            firing = np.any(scores >= threshold, axis=1)
            in_range = scores.min() >= -SLACK and threshold <= scores.max() <= 1 + SLACK
            busy = len(scores) >= MANY_CELLS and np.mean(firing) > BUSY_SHARE
            if busy or not in_range:
                hopeless.add(reading.activation)
            elif not doubts(found, signature, manifest):
                sound.append(reading)
        return sound

    def _parts(self, reading: Reading, image: ImageArray) -> list[Wide]:
        """Returns the outputs for one image."""
        self.budget.count()
        signature, _ = reading.applied(self.decoder.signature, self.manifest)
        canvas = self._letterbox(reading, (image.shape[0], image.shape[1])).apply(image)
        return OriginalDecoder(self.decoder.session, signature).outputs(canvas)

    def _letterbox(self, reading: Reading, frame_hw: tuple[int, int]) -> Letterbox:
        rule = self.manifest.input
        return Letterbox(
            frame_hw, rule.size_hw, rule.interpolation, reading.pad_value, reading.resize
        )

    def _detector(self, reading: Reading) -> Callable[[list[Wide], ImageArray], Detections]:
        """Returns the function from outputs and their image to detections, weak ones too."""
        signature, manifest = reading.applied(self.decoder.signature, self.manifest)
        threshold = WEAK * manifest.detection.score_threshold

        def detect(parts: list[Wide], image: ImageArray) -> Detections:
            boxes, scores = self._decoded(parts, signature)
            return detections_from_outputs(
                np.clip(boxes, 0, 1).astype(np.float32),
                np.clip(scores, 0, 1).astype(np.float32),
                self._letterbox(reading, (image.shape[0], image.shape[1])),
                manifest.classes,
                replace(manifest.detection, score_threshold=threshold),
            )

        return detect

    def _decoded(self, parts: list[Wide], signature: Signature) -> tuple[Wide, Wide]:
        with np.errstate(over="ignore", invalid="ignore"):
            return decoded(parts, signature.output, signature.input.size_hw)
