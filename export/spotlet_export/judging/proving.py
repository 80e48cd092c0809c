"""Proves that two models are the same, or says where they part, and why."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from spotlet.atomic import check_replaceable, check_writable
from spotlet.errors import UsageError
from spotlet.image_files import read_image
from spotlet.letterbox import ImageArray
from spotlet.model.files import is_folder
from spotlet.model.package import GOLDEN_FOLDER
from spotlet_export.gate.frames import CheckFrame, Load, check_frames
from spotlet_export.gate.report import Report, Row
from spotlet_export.gate.variants import Limits
from spotlet_export.judging.changes import PRECISION
from spotlet_export.judging.comparing import (
    RULE_ROW,
    accuracy_row,
    compare_found,
    compared_rule,
    evaluate_side,
    rule_rows,
)
from spotlet_export.judging.explaining import Explanation, explain, rounding
from spotlet_export.judging.likeness import shared_ids
from spotlet_export.judging.opening import LIMITS, open_side
from spotlet_export.judging.pairs import A, B, Pair
from spotlet_export.judging.pictures import worst_pictures
from spotlet_export.judging.proof import Proof, ProveSettings
from spotlet_export.judging.record import JSON_FILE, PAGE_FILE, write_proof
from spotlet_export.judging.sides import Side
from spotlet_export.judging.subjects import Subject
from spotlet_export.judging.symptoms import symptoms
from spotlet_export.judging.tensors import tensor_rows
from spotlet_export.judging.weights import differing_nodes, differing_weights, overflow
from spotlet_training.datasets import Dataset
from spotlet_training.datasets.class_order import in_class_order

CLASS_ROW = "classes that only one has"

MOST_LISTED = 5

VARIANT = "B"
"""The name of B in rows, where a report of an export has a file's."""


def prove_models(
    a: str,
    b: str,
    out: Path,
    *,
    dataset: Dataset | None = None,
    images: Sequence[Path] = (),
    settings: ProveSettings = ProveSettings(),  # noqa: B008
    on_step: Callable[[str], None] = lambda _: None,
    on_progress: Callable[[int, int], None] = lambda _, __: None,
    on_report: Callable[[Report], None] = lambda _: None,
) -> Proof:
    """Compares two models and writes the proof into a folder, passed or not.

    Args:
        a: the model that is trusted, as `open_side` takes it.
        b: the one in question.
        out: folder for `proof.json`, `proof.html` and the worst pictures; an earlier proof is
            replaced.
        dataset: images to compare on; with labels of the models' classes the AP is compared too.
        images: more of them; with neither, the golden frames of A's package, or of B's.
        settings: precision and limits.
        on_step: called with the step that starts.
        on_progress: called with how much of a long step is done, and of how much.
        on_report: called with the rows before causes are tried.

    Raises:
        UsageError: there is nothing to compare on, or no class is in both models.
        InputError: a model, an image or the set cannot be read, or the folder not be written.
    """
    check_replaceable(out, marker=JSON_FILE)
    check_writable(out.parent)
    with ExitStack() as stack:
        sides = open_side(a, stack), open_side(b, stack)
        notes = _class_notes(*sides)
        precision = settings.precision or max(
            (side.precision for side in sides), key=list(LIMITS).index
        )
        limits = replace(LIMITS[precision], **settings.given)
        names, load = _images(dataset, images, sides)
        frames = check_frames(load, len(names))
        real = [frame.name for frame in frames if frame.real]
        sources = {name: names[n * len(names) // len(real)] for n, name in enumerate(real)}
        subjects = Subject(sides[A]), Subject(sides[B])
        on_step(f"computing A on {len(frames)} pictures")
        rule = compared_rule(sides, subjects, frames)
        pair = Pair(subjects=subjects, rule=rule, frames=frames)
        rows = [*rule_rows(sides, VARIANT), *_class_rows(*sides)]
        on_step("comparing tensors")
        tensors = tensor_rows(pair, limits, VARIANT)
        if not tensors:
            notes.append("tensors: not compared, the models do not have the same cells")
        on_step("comparing detections")
        compared = compare_found(pair, limits, VARIANT)
        rows = [*rows, *tensors, *compared.rows]
        if not (tensors or compared.rows):
            raise UsageError("neither model finds anything: give --data or --image of its objects")
        if not compared.rows:
            notes.append("detections: neither model finds anything; give images of its objects")
        row = _accuracy(sides, subjects, dataset, limits, notes, on_step)
        rows += [] if row is None else [row]
        report = Report(tuple(rows))
        on_report(report)
        explanation = None
        if any(row.name not in (RULE_ROW, CLASS_ROW) for row in report.failures):
            on_step("trying the usual causes")
            explanation = explain(pair, precision, on_progress)
            notes += symptoms(pair, compared.found)
            notes += _where(subjects, explanation, frames)
            if explanation is None and (text := rounding(pair)):
                notes.append(text)
        shown = sides[A].detection.score_threshold
        proof = Proof(
            titles=(a, b),
            report=report,
            explanation=explanation,
            pictures=worst_pictures(frames, sources, compared.found, shown),
            page=out / PAGE_FILE,
            notes=tuple(notes),
        )
        write_proof(proof, sides, limits, precision, rule.score_threshold, frames, out)
    return proof


def _where(
    subjects: tuple[Subject, Subject],
    explanation: Explanation | None,
    frames: Sequence[CheckFrame],
) -> list[str]:
    """Returns where in their graphs the models part, if that shows."""
    a, b = (subject.side for subject in subjects)
    found = []
    if a.make_graph is not None and b.make_graph is not None:
        found += [differing_weights(a.graph, b.graph), differing_nodes(a.graph, b.graph)]
    causes = () if explanation is None else explanation.causes
    for side in {cause.side for cause in causes if cause.culprit == PRECISION}:
        subject = subjects[side].side
        if subject.manifest is not None and subject.input is not None:
            image = frames[0].image_bgr
            canvas = subject.input.letterbox((image.shape[0], image.shape[1])).apply(image)
            found.append(overflow(subject.graph, subject.manifest, canvas))
    return [text for text in found if text]


def _class_notes(a: Side, b: Side) -> list[str]:
    ids = shared_ids(b.classes, a.classes)
    if (ids < 0).all():
        raise UsageError(
            f"A has the classes {', '.join(a.classes[:5])}, B {', '.join(b.classes[:5])}: at "
            "least one must be in both"
        )
    if not set(a.classes) & set(b.classes):
        return ["classes: other names, compared by their order"]
    return []


def _class_rows(a: Side, b: Side) -> list[Row]:
    """Returns the row for classes that one model has alone; none if there are none."""
    ids = shared_ids(b.classes, a.classes)
    alone = [b.classes[n] for n in np.flatnonzero(ids < 0)]
    alone += [name for n, name in enumerate(a.classes) if n not in ids]
    if not alone:
        return []
    listed = ", ".join(alone[:MOST_LISTED])
    return [Row(variant=VARIANT, name=CLASS_ROW, over=listed, measured=len(alone), limit=0)]


def _images(
    dataset: Dataset | None, images: Sequence[Path], sides: tuple[Side, Side]
) -> tuple[Sequence[str], Load]:
    """Returns the names of the images to compare on, and how to load them."""
    if dataset is None and not images:
        folders = [side.path.parent / GOLDEN_FOLDER for side in sides if side.path is not None]
        for folder in filter(is_folder, folders):
            images = images or sorted(folder.glob("*.png"))
        if not images:
            raise UsageError("nothing to compare on: give --data a set, or --image a picture")
    read = [read_image(path) for path in images]
    names = [path.name for path in images]
    if dataset is not None:
        names += [f"image {index} of the set" for index in range(len(dataset))]

    def load(index: int) -> ImageArray:
        if index < len(read):
            return read[index]
        assert dataset is not None
        return dataset.load(index - len(read)).image_bgr

    return names, load


def _accuracy(
    sides: tuple[Side, Side],
    subjects: tuple[Subject, Subject],
    dataset: Dataset | None,
    limits: Limits,
    notes: list[str],
    on_step: Callable[[str], None],
) -> Row | None:
    """Returns the row for the AP; None, with a note, if it cannot be compared."""
    if dataset is None:
        notes.append("AP: not compared; --data with labelled images adds it")
        return None
    if any(side.least_score for side in sides):
        notes.append("AP: not compared; a graph that suppresses has dropped low scores")
        return None
    names = sides[A].classes
    if len(set(shared_ids(sides[B].classes, names)) - {-1}) < len(names):
        notes.append("AP: not compared; B does not have all classes of A")
        return None
    if set(dataset.class_names) - set(names):
        notes.append("AP: not compared; the set has classes that A does not have")
        return None
    dataset = in_class_order(dataset, names)
    on_step(f"measuring the AP of both on {len(dataset)} images")
    ids = np.arange(len(names)), shared_ids(sides[B].classes, names)
    a, b = (
        evaluate_side(subject, new_ids, dataset)
        for subject, new_ids in zip(subjects, ids, strict=True)
    )
    row = accuracy_row((a, b), len(dataset), limits, VARIANT)
    if row is None:
        notes.append("AP: not compared; the set has no labelled object of the models' classes")
    return row
