"""What each teacher is asked for, and the folder that it is written to."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np

from spotlet.errors import UsageError
from spotlet_training.labelling.classes import UNWANTED, choose_classes, listed
from spotlet_training.labelling.folder import SetFolder
from spotlet_training.labelling.measured import measured_thresholds
from spotlet_training.labelling.settings import LabelSettings
from spotlet_training.labelling.teachers import (
    Assignment,
    DetectorTeacher,
    Teacher,
    default_thresholds,
)


def assign(
    settings: LabelSettings,
    labelled: Sequence[str],
    teachers: Sequence[Teacher],
    stack: ExitStack,
    on_note: Callable[[str], None],
) -> tuple[SetFolder, list[Assignment]]:
    """Returns the folder, and the teachers with the classes and thresholds they are asked for.

    Args:
        settings: of the labelling.
        labelled: classes of the sets among the pictures.
        teachers: who labels.
        stack: closes the folder.
        on_note: called with lines for the user.

    Raises:
        InputError: the folder or the set to measure on cannot be used.
        UsageError: a setting does not fit the others, or the set that exists.
    """
    named = [(teacher.name, teacher.class_names) for teacher in teachers]
    names, ids = choose_classes(named, settings.classes, labelled)
    folder = SetFolder(settings.out, names, every_class=settings.classes is not None)
    stack.callback(folder.close)
    if folder.content.opened and folder.content.entries:
        on_note(
            f"{settings.out}: {listed(folder.content.opened)}: unknown in the "
            f"{len(folder.content.entries)} pictures that are there"
        )
    order = np.array([folder.class_names.index(name) for name in names], np.int64)
    assignments = []
    for teacher, own in zip(teachers, ids, strict=True):
        own = np.where(own == UNWANTED, UNWANTED, order[own])
        thresholds = default_thresholds(teacher, folder.class_names, settings)
        each = Assignment(teacher, own, thresholds)
        if settings.thresholds_from is not None:
            each = _measured(each, folder.class_names, settings.thresholds_from, settings, on_note)
        _check_graph(each, folder.class_names, on_note)
        assignments.append(each)
    if settings.agree != "any" and (apart := _merged_across(assignments, folder.class_names)):
        on_note(
            f"agree {settings.agree}: {listed(apart)}: put together from different classes of the "
            "models, which must find the same object all the same; with agree any, one is enough"
        )
    return folder, assignments


def _measured(
    assignment: Assignment,
    class_names: tuple[str, ...],
    root: Path,
    settings: LabelSettings,
    on_note: Callable[[str], None],
) -> Assignment:
    """Returns a teacher with the thresholds measured on a set, where none is given."""
    name = assignment.teacher.name
    on_note(f"{name}: measuring thresholds on {root}")
    measured = measured_thresholds(assignment, class_names, root, settings)
    given = np.array([each in settings.class_scores for each in class_names])
    kept = given | np.isnan(measured)
    rest = [class_names[index] for index in np.flatnonzero(kept & ~given & assignment.knows)]
    if rest:
        on_note(
            f"{name}: {listed(rest)}: cannot be measured on {root}, so that the threshold of the "
            "model stays"
        )
    return replace(assignment, thresholds=np.where(kept, assignment.thresholds, measured))


def _merged_across(
    assignments: Sequence[Assignment], class_names: Sequence[str]
) -> tuple[str, ...]:
    """Returns the classes that two teachers know under names of which they share none."""
    return tuple(
        name
        for index, name in enumerate(class_names)
        if any(
            one and other and not one & other
            for one, other in combinations([each.names_of(index) for each in assignments], 2)
        )
    )


def _check_graph(
    assignment: Assignment, class_names: Sequence[str], on_note: Callable[[str], None]
) -> None:
    """Raises, or notes, if a teacher's graph drops what is asked for."""
    teacher = assignment.teacher
    least = teacher.least_score if isinstance(teacher, DetectorTeacher) else 0.0
    low = assignment.knows & (assignment.thresholds < np.float32(least))
    if low.any():
        name = class_names[int(low.argmax())]
        raise UsageError(
            f"score {name}={assignment.thresholds[low][0]:.2f}: the graph of {teacher.name} has "
            f"already suppressed with {least}; use the model's file without suppression"
        )
    if least:
        on_note(
            f"{teacher.name}: its graph drops what scores below {least}, so that less is ignored "
            "as doubtful; the model's file without suppression keeps it"
        )
