"""Is a model, on this machine, the network that was exported?"""

import hashlib
from pathlib import Path

import numpy as np

from spotlet.boxes import FloatArray
from spotlet.check.agreement import agree
from spotlet.check.cross_checks import compare_with_cpu
from spotlet.check.end_to_end import check_suppression
from spotlet.check.golden import (
    FP32_TOLERANCE,
    INT8_PROVIDER_TOLERANCE,
    INT8_TOLERANCE,
    MOST_FRAMES,
    GoldenTolerance,
    read_golden_frame,
)
from spotlet.check.golden_rows import check_golden
from spotlet.check.probe import (
    PROBE_KEY,
    PROBE_TOLERANCE,
    PROBE_TOLERANCE_KEY,
    SHA256_KEY,
    Tensors,
    check_probe,
    difference_row,
    largest_difference,
    probe_tolerance,
    run_each,
    synthetic_canvases,
)
from spotlet.check.report import CheckReport, CheckRow
from spotlet.detector import Detector
from spotlet.errors import ModelFileError
from spotlet.model.files import MOST_MODEL_BYTES, is_folder, package_member, read_bounded
from spotlet.model.package import (
    GOLDEN_FOLDER,
    INT8_VARIANTS,
    PARITY_FILE,
    cells_file,
    locate_model,
    read_parity,
)
from spotlet.model.providers import CPU_PROVIDER
from spotlet.session import ModelSession, SessionSettings
from spotlet.text.plain import plain_line

BATCH_TOLERANCE = 1e-4
"""Between a canvas alone and the same one in a batch."""

BATCH_RULE = "a batch gives what single canvases give"

RANGE_SLACK = 1e-5
"""What float32 may leave the range [0, 1] by."""


def check_model(
    model: str | Path,
    settings: SessionSettings = SessionSettings(),  # noqa: B008
    *,
    variant: str | None = None,
) -> CheckReport:
    """Returns whether a model file computes here what it computed where it was exported.

    That its manifest fits its graph, that its file is the one of its package, that what it
    gives for five synthetic canvases lies in its range, is repeatable and does not depend on
    the batch, that it is what `parity.json` recorded for them, and that the golden frames give
    what they gave. A file with suppression in it gives rows whose order near ties is the machine's:
    it is held to its detections, of batches and of the golden frames, and to those of the
    package's file without, where that is there. Another provider than the CPU is held against the
    CPU of this machine where nothing was recorded. All providers are held to one tolerance, but for
    int8 networks (`INT8_PROVIDER_TOLERANCE`).

    Args:
        model: a bundled name, a package folder, or an `.onnx` file.
        settings: threads and execution provider.
        variant: which file of a package; `fp32` where None.

    Raises:
        ModelFileError: there is no such model, it cannot be loaded, its manifest does not fit
            it, or its `parity.json` cannot be read or has nothing of it. A file that is not the
            one of its package is a rule that does not hold, whether it loads or not.
        UsageError: there can be no such variant.
    """
    path = locate_model(model, variant)
    parity, golden = read_parity(path), package_member(path.parent, GOLDEN_FOLDER)
    file_rows = [] if parity is None else [_check_file(path, parity.get(SHA256_KEY))]
    try:
        detector = Detector(path, session=settings)
    except ModelFileError as error:
        if all(row.passed for row in file_rows):
            raise
        rows = [*file_rows, CheckRow("it can be loaded", False, str(error))]
        return CheckReport(path, "nothing", tuple(rows), recorded=True)
    session = detector.session
    variants = (session.manifest.parity.get("variant"), (parity or {}).get("variant"))
    int8 = any(name in INT8_VARIANTS for name in variants)
    suppressed = session.manifest.output.form == "detections"
    usual = INT8_TOLERANCE.tensors if int8 else PROBE_TOLERANCE
    tolerance = probe_tolerance(parity, path, usual, probed=not suppressed)
    # Sums in another order may leave a value of eight bits on the other side of a step.
    batch_tolerance = tolerance if int8 else BATCH_TOLERANCE
    elsewhere = session.provider != CPU_PROVIDER
    loosened = INT8_PROVIDER_TOLERANCE if int8 and elsewhere else None
    if loosened is not None:
        tolerance = max(tolerance, loosened.tensors)
    elif parity is None and elsewhere:  # one machine, not two
        tolerance = FP32_TOLERANCE.tensors
    canvases = synthetic_canvases(session.manifest.input.size_hw)
    rows = [CheckRow("the manifest fits the graph", True, "names, types and sides agree")]
    rows += file_rows
    with np.errstate(invalid="ignore"):  # infinities of a broken model: the rows tell of them
        outputs = run_each(session, canvases)
        again = largest_difference(outputs, run_each(session, canvases))
        batch = session.run(canvases)
        if suppressed:
            batched = _check_batch_of_detections(detector, outputs, batch, int8)
        else:
            difference = largest_difference(outputs, batch)
            batched = difference_row(BATCH_RULE, difference, batch_tolerance)
        rows += [
            _check_range(*outputs),
            difference_row("the same input gives the same output", again, 0.0),
            batched,
        ]
        if parity is not None and not suppressed:
            rows.append(check_probe(outputs, parity[PROBE_KEY], tolerance, path))
        elif elsewhere:
            rows += compare_with_cpu(detector, outputs, loosened or FP32_TOLERANCE)
    expected = parity is not None and PROBE_TOLERANCE_KEY in parity  # schema 2 has golden frames
    cells = cells_file(path) if suppressed else None
    if cells is not None:
        pictures = [
            read_golden_frame(golden, file.stem)
            for file in sorted(golden.glob("*.png"))[:MOST_FRAMES]
        ]
        source = Detector(cells, session=settings)
        rows.append(check_suppression(detector, source, [*canvases, *pictures]))
    if is_folder(golden) or expected:
        rows += check_golden(detector, golden, loosened)
    return CheckReport(
        path,
        session.provider,
        tuple(rows),
        recorded=parity is not None,
        notes=_notes(session, tolerance, loosened),
    )


def _notes(
    session: ModelSession, tolerance: float, loosened: GoldenTolerance | None
) -> tuple[str, ...]:
    """Returns which provider computed and what it is held to, in words; none of the CPU."""
    if session.provider_use.asked == CPU_PROVIDER:
        return ()
    held = f"as on the CPU, tensors within {tolerance:g}"
    if loosened is not None:
        held = f"of int8 on another provider than the CPU, {loosened.text}"
    reduced = "; reduced precision is allowed to it, and has no tolerance of its own"
    return (
        f"provider: {session.provider_use.text}",
        f"tolerance: {held}{reduced * session.settings.reduced_precision}",
    )


def _check_file(path: Path, expected: object) -> CheckRow:
    found = hashlib.sha256(read_bounded(path, MOST_MODEL_BYTES)).hexdigest()
    same = found == expected
    measured = (
        f"sha256 {found[:12]}…"
        if same
        else f"sha256 {found[:12]}…, not {plain_line(str(expected), 64)}"
    )
    return CheckRow(f"the file is the one in {PARITY_FILE}", same, measured)


def _check_range(boxes: FloatArray, scores: FloatArray) -> CheckRow:
    if boxes.size == 0:
        return CheckRow("outputs are finite and in [0, 1]", True, "no cells")
    low, high = -RANGE_SLACK, 1 + RANGE_SLACK
    ranges = [
        f"{name} {values.min():.4g} to {values.max():.4g}"
        for name, values in (("boxes", boxes), ("scores", scores))
    ]
    inside = all(bool(np.all((low <= values) & (values <= high))) for values in (boxes, scores))
    return CheckRow("outputs are finite and in [0, 1]", inside, ", ".join(ranges))


def _check_batch_of_detections(
    detector: Detector, single: Tensors, batch: Tensors, int8: bool
) -> CheckRow:
    """Compares as detections: of scores that are nearly equal either may be the first row."""
    allowed = INT8_TOLERANCE if int8 else FP32_TOLERANCE
    rule = detector.manifest.input
    letterbox = rule.letterbox(rule.size_hw)
    unlike = 0
    for one, many in zip(zip(*single, strict=True), zip(*batch, strict=True), strict=True):
        want, got = (detector.found_in(*outputs, letterbox) for outputs in (one, many))
        agreement = agree(want, got, least_score=detector.rule.score_threshold + allowed.scores)
        unlike += agreement.unmatched > 0 or agreement.score_difference > allowed.scores
    return CheckRow(BATCH_RULE, unlike == 0, f"{unlike} of {len(batch[0])} canvases differ")
