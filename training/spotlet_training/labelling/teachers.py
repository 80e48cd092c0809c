"""Who labels: models of the runtime, and programs."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray
from spotlet.detections import Detections
from spotlet.detector import Detector
from spotlet.errors import UsageError
from spotlet.letterbox import ImageArray
from spotlet.runner import Runner
from spotlet.session import SessionSettings
from spotlet_training.labelling.classes import UNWANTED, ClassIds, close_name, listed
from spotlet_training.labelling.settings import LabelSettings

LEAST_THRESHOLD = 0.01
"""Of a class, whatever the teacher says: from 0 up, everything would be an object."""


class Teacher(Protocol):
    """Finds objects in a picture."""

    @property
    def name(self) -> str:
        """For records and messages."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Its classes; the index is the class id."""

    @property
    def score_threshold(self) -> float:
        """The score from which it takes a detection for an object."""

    def find(self, frame_bgr: ImageArray, score_threshold: float) -> Detections:
        """Returns the detections from a score up, best first.

        Args:
            frame_bgr: (H, W, 3) uint8, any size.
            score_threshold: in [0, 1].

        Returns:
            Boxes in pixels of that frame.
        """


class DetectorTeacher:
    """A model of the runtime as a teacher.

    Attributes:
        name: of the model, `@` and the start of its file's SHA-256.
        least_score: what is below it, the graph has dropped; 0 if it drops nothing.
    """

    def __init__(self, model: str | Path, session: SessionSettings) -> None:
        """Loads a model; see `Detector`."""
        self._detector = Detector(model, session=session)
        identity = self._detector.identity
        self.name = f"{identity.name}@{identity.digest}"
        suppresses = self._detector.manifest.output.form == "detections"
        self.least_score = self.score_threshold if suppresses else 0.0

    @property
    def class_names(self) -> tuple[str, ...]:
        """The model's classes."""
        return self._detector.class_names

    @property
    def score_threshold(self) -> float:
        """The manifest's threshold."""
        return self._detector.manifest.detection.score_threshold

    def find(self, frame_bgr: ImageArray, score_threshold: float) -> Detections:
        """Returns the detections from a score, at least `least_score`, up; see `Teacher`."""
        detector = self._detector
        rule = replace(detector.rule, score_threshold=max(score_threshold, self.least_score))
        return detector.found_in(detector.part_outputs(frame_bgr), rule)


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """A teacher and what it is asked for.

    Attributes:
        teacher: the teacher.
        class_ids: (T,) int64, the set's id of each of its classes, or `UNWANTED`.
        thresholds: (C,) float32, the least score of an object of each class of the set.
    """

    teacher: Teacher
    class_ids: ClassIds
    thresholds: FloatArray

    @property
    def knows(self) -> npt.NDArray[np.bool_]:
        """(C,) bool: which of the set's classes it finds."""
        return np.isin(np.arange(len(self.thresholds)), self.class_ids)

    def names_of(self, class_id: int) -> set[str]:
        """Returns what the teacher calls a class of the set."""
        return {
            self.teacher.class_names[each] for each in np.flatnonzero(self.class_ids == class_id)
        }

    @property
    def merges(self) -> bool:
        """Whether several of its classes are one in the set."""
        wanted = self.class_ids[self.class_ids != UNWANTED]
        return len(np.unique(wanted)) < len(wanted)


def open_teachers(
    settings: LabelSettings, session: SessionSettings, stack: ExitStack
) -> list[Teacher]:
    """Returns the teachers that the settings name; the stack ends the programs among them.

    Raises:
        SpotletError: a model cannot be loaded, or a program does not start.
    """
    teachers: list[Teacher] = [DetectorTeacher(model, session) for model in settings.models]
    for command in settings.runners:
        teachers.append(stack.enter_context(Runner(command)))
    return teachers


def default_thresholds(
    teacher: Teacher, class_names: Sequence[str], settings: LabelSettings
) -> FloatArray:
    """Returns the threshold of each class of the set, (C,) float32: those asked for, or its own.

    Raises:
        UsageError: a score is for a class that the set does not have.
    """
    score = teacher.score_threshold if settings.score is None else settings.score
    thresholds = np.full(len(class_names), max(score, LEAST_THRESHOLD), np.float32)
    for name, score in settings.class_scores.items():
        if name not in class_names:
            hint = close_name(name, class_names) or f"the set has {listed(class_names)}"
            raise UsageError(f"score {name}={score}: no such class in the set; {hint}")
        thresholds[class_names.index(name)] = score
    return thresholds
