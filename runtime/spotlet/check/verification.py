"""The check of a model file on this machine, as a list of rules."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from spotlet.check.agreement import agree
from spotlet.check.cross_checks import check_suppression, compare_with_cpu, largest_difference
from spotlet.check.golden import MOST_FRAMES, read_golden_frame
from spotlet.check.golden_rows import GOLDEN_RULE, canvas_rows, detection_rows, golden_row
from spotlet.check.probe import (
    PROBE_KEY,
    PROBE_TOLERANCE_KEY,
    SHA256_KEY,
    check_probe,
    synthetic_canvases,
)
from spotlet.check.replay import replay_golden
from spotlet.check.report import CheckReport, CheckRow, difference_row
from spotlet.check.tolerances import Tolerances, choose_tolerances
from spotlet.detector import Detector, Outputs
from spotlet.errors import ModelFileError
from spotlet.model.files import MOST_MODEL_BYTES, is_folder, package_member, read_bounded
from spotlet.model.package import GOLDEN_FOLDER, PARITY_FILE, cells_file, locate_model, read_parity
from spotlet.model.providers import CPU_PROVIDER
from spotlet.session import SessionSettings
from spotlet.text.plain import plain_line

BATCH_RULE = "a batch matches single canvases"
RANGE_RULE = "outputs are finite and in [0, 1]"

RANGE_SLACK = 1e-5
"""How far outside [0, 1] float32 rounding may lead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A loaded model under check.

    Attributes:
        detector: of the file, with the model's own rule.
        suppresses: whether its graph suppresses: the order of tied rows then differs by machine.
        parity: the file's record in `parity.json`; None without one.
        golden: folder of the golden frames, whether it exists or not.
        tolerances: of this check.
        outputs: for each synthetic canvas.
    """

    detector: Detector
    suppresses: bool
    parity: dict[str, Any] | None
    golden: Path
    tolerances: Tolerances
    outputs: tuple[Outputs, ...]


def check_model(
    model: str | Path,
    settings: SessionSettings = SessionSettings(),  # noqa: B008
    *,
    variant: str | None = None,
) -> CheckReport:
    """Returns a report on whether a model file computes here what it computed at its export.

    The manifest must fit the graph, and the file must be its package's. Outputs for five synthetic
    canvases must be in range, repeatable and independent of the batch, and match `parity.json`;
    results for the golden frames must match their record. A graph that suppresses is compared by
    its detections, also with the package's file without suppression, if there is one. If no golden
    frame holds a detection, the verdict is `WARN`: nothing is proven about detections. Without a
    record of its tensors, a provider other than the CPU must match this machine's CPU, within the
    same tolerance except for int8 networks.

    Args:
        model: a bundled name, a package folder, or an `.onnx` file.
        settings: threads and execution provider.
        variant: which file of a package; `fp32` if None.

    Raises:
        ModelFileError: there is no such model, it cannot be loaded, its manifest does not fit
            it, or its `parity.json` cannot be read or has no record of it. A file that is not its
            package's fails a rule instead, whether it loads or not.
        UsageError: the variant is unknown.
    """
    path = locate_model(model, variant)
    parity, golden = read_parity(path), package_member(path.parent, GOLDEN_FOLDER)
    file_rows = [] if parity is None else [_check_file(path, parity.get(SHA256_KEY))]
    try:
        detector = Detector(path, session=settings)
    except ModelFileError as error:
        if all(row.passed for row in file_rows):
            raise
        rows = [*file_rows, CheckRow("the model can be loaded", False, str(error))]
        return CheckReport(path, "nothing", tuple(rows), recorded=True)
    tolerances = choose_tolerances(detector.session, parity)
    canvases = synthetic_canvases(detector.manifest.input.size_hw)
    with np.errstate(invalid="ignore"):  # the rows report the infinities of a broken model
        subject = Subject(
            detector=detector,
            suppresses=detector.manifest.output.form == "detections",
            parity=parity,
            golden=golden,
            tolerances=tolerances,
            outputs=tuple(detector.outputs(canvas, canvas=canvas) for canvas in canvases),
        )
        rows = [
            # Opening the session tested this.
            CheckRow("the manifest fits the graph", True, "names, types and sides agree"),
            *file_rows,
            *(row for check in CHECKS for row in check(subject)),
        ]
    notes: tuple[str, ...] = ()
    provider = detector.session.provider_use
    if provider.asked != CPU_PROVIDER:
        reduced = "; reduced precision is allowed, without further tolerance"
        allowed = f"{tolerances.text}{reduced * settings.reduced_precision}"
        notes = f"provider: {provider.text}", f"tolerance: {allowed}"
    recorded = parity is not None
    return CheckReport(path, detector.session.provider, tuple(rows), recorded=recorded, notes=notes)


def _check_file(path: Path, expected: object) -> CheckRow:
    found = hashlib.sha256(read_bounded(path, MOST_MODEL_BYTES)).hexdigest()
    same = found == expected
    other = "" if same else f", not {plain_line(str(expected), 64)}"
    return CheckRow(f"the file is the one in {PARITY_FILE}", same, f"sha256 {found[:12]}…{other}")


def _check_range(subject: Subject) -> list[CheckRow]:
    boxes = np.stack([each.boxes for each in subject.outputs])
    scores = np.stack([each.scores for each in subject.outputs])
    if boxes.size == 0:
        return [CheckRow(RANGE_RULE, True, "no cells")]
    low, high = -RANGE_SLACK, 1 + RANGE_SLACK
    inside = all(bool(np.all((low <= each) & (each <= high))) for each in (boxes, scores))
    measured = (
        f"boxes {boxes.min():.4g} to {boxes.max():.4g}, "
        f"scores {scores.min():.4g} to {scores.max():.4g}"
    )
    return [CheckRow(RANGE_RULE, inside, measured)]


def _check_repetition(subject: Subject) -> list[CheckRow]:
    canvases = [each.canvas for each in subject.outputs]
    again = [subject.detector.outputs(canvas, canvas=canvas) for canvas in canvases]
    difference = largest_difference(subject.outputs, again)
    return [difference_row("the same input gives the same output", difference, 0.0)]


def _check_batch(subject: Subject) -> list[CheckRow]:
    """Compares a batch with single canvases: tensors, or detections if the graph suppresses."""
    tensors = subject.detector.session.run(np.stack([each.canvas for each in subject.outputs]))
    batch = [
        replace(each, boxes=boxes, scores=scores)
        for each, boxes, scores in zip(subject.outputs, *tensors, strict=True)
    ]
    if not subject.suppresses:
        difference = largest_difference(subject.outputs, batch)
        return [difference_row(BATCH_RULE, difference, subject.tolerances.batch)]
    detector, allowed = subject.detector, subject.tolerances.same_machine.scores
    least_score = detector.rule.score_threshold + allowed
    agreements = [
        agree(detector.found_in(one), detector.found_in(many), least_score=least_score)
        for one, many in zip(subject.outputs, batch, strict=True)
    ]
    differing = sum(not each.within(0.0, allowed) for each in agreements)
    return [CheckRow(BATCH_RULE, differing == 0, f"{differing} of {len(batch)} canvases differ")]


def _check_record(subject: Subject) -> list[CheckRow]:
    """Compares with the export's record; without one, compares another provider with the CPU."""
    session, tolerances = subject.detector.session, subject.tolerances
    if subject.parity is not None and not subject.suppresses:
        probe = subject.parity[PROBE_KEY]
        return [check_probe(subject.outputs, probe, tolerances.probe, session.path)]
    if session.provider == CPU_PROVIDER:
        return []
    allowed = tolerances.floor or tolerances.same_machine
    return compare_with_cpu(subject.detector, subject.outputs, allowed)


def _check_suppression(subject: Subject) -> list[CheckRow]:
    """Compares a graph that suppresses with the package's file without suppression."""
    session = subject.detector.session
    cells = cells_file(session.path) if subject.suppresses else None
    if cells is None:
        return []
    files = sorted(subject.golden.glob("*.png"))[:MOST_FRAMES]
    pictures = [read_golden_frame(subject.golden, file.stem) for file in files]
    images = [*(each.canvas for each in subject.outputs), *pictures]
    source = Detector(cells, session=session.settings)
    return [check_suppression(subject.detector, source, images)]


def _check_golden(subject: Subject) -> list[CheckRow]:
    """Replays the golden frames, which a record of schema 2 requires."""
    required = subject.parity is not None and PROBE_TOLERANCE_KEY in subject.parity
    if not required and not is_folder(subject.golden):
        return []
    try:
        results = replay_golden(subject.detector, subject.golden, subject.tolerances.floor)
    except ModelFileError as error:
        return [CheckRow(GOLDEN_RULE, False, str(error), float("inf"))]
    return [*detection_rows(results), *canvas_rows(results), golden_row(results)]


CHECKS = (
    _check_range,
    _check_repetition,
    _check_batch,
    _check_record,
    _check_suppression,
    _check_golden,
)
"""In the order of the report."""
