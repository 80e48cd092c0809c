"""Two models, and what both find on the same frames."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from spotlet.detections import Detections
from spotlet.manifest import DetectionRule
from spotlet_export.gate.frames import CheckFrame
from spotlet_export.judging.changes import Change, Setting
from spotlet_export.judging.likeness import shared_ids, with_ids
from spotlet_export.judging.subjects import Cells, Subject

A, B = 0, 1


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


def with_change(
    settings: tuple[Setting, Setting], side: int, change: Change
) -> tuple[Setting, Setting]:
    """Returns the settings of A and B with one more change to one of them."""
    a, b = settings
    return (a.then(change), b) if side == A else (a, b.then(change))


def spread(frames: Sequence[CheckFrame], count: int) -> list[CheckFrame]:
    """Returns real frames, evenly spread over those there are."""
    real = [frame for frame in frames if frame.real]
    places = sorted({round(at) for at in np.linspace(0, len(real) - 1, min(count, len(real)))})
    return [real[place] for place in places]
