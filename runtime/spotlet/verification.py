"""Is a model, on this machine, the network that was exported?"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from spotlet.agreement import agree
from spotlet.boxes import FloatArray
from spotlet.check_report import CheckReport, CheckRow
from spotlet.detector import Detector
from spotlet.end_to_end import check_suppression
from spotlet.errors import ModelFileError
from spotlet.golden import FP32_TOLERANCE, INT8_TOLERANCE
from spotlet.image_files import read_image
from spotlet.letterbox import ImageArray
from spotlet.package import (
    GOLDEN_FOLDER,
    INT8_VARIANTS,
    PARITY_FILE,
    cells_file,
    locate_model,
    read_parity,
)
from spotlet.replay import check_golden
from spotlet.session import ModelSession, SessionSettings, synthetic_canvases

SHA256_KEY = "sha256"
"""Where `parity.json` holds the checksum of a model file, in hexadecimal."""

PROBE_KEY = "probe"
"""Where `parity.json` holds what `probe` gave at the export."""

PROBE_TOLERANCE_KEY = "probe_tolerance"
"""Where `parity.json` holds how far from the probe a machine may be; `PROBE_TOLERANCE` without."""

PROBE_CELLS = 20
"""The best cells that a probe records of each canvas."""

PROBE_TOLERANCE = 1e-3
"""Between machines and onnxruntime versions, float32 networks agree to about 1e-5; what a wrong
kernel or a damaged weight does is far larger."""

BATCH_TOLERANCE = 1e-4
"""Between a canvas alone and the same one in a batch."""

BATCH_RULE = "a batch gives what single canvases give"

RANGE_SLACK = 1e-5
"""What float32 may leave the range [0, 1] by."""


Tensors = tuple[FloatArray, FloatArray]
"""Boxes (N, K, 4) and scores (N, K, C)."""


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
    package's file without, where that is there.

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
    parity, golden = read_parity(path), path.parent / GOLDEN_FOLDER
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
    tolerance = _probe_tolerance(parity, path, usual, probed=not suppressed)
    # Sums in another order may leave a value of eight bits on the other side of a step.
    batch_tolerance = tolerance if int8 else BATCH_TOLERANCE
    canvases = synthetic_canvases(session.manifest.input.size_hw)
    rows = [CheckRow("the manifest fits the graph", True, "names, types and sides agree")]
    rows += file_rows
    with np.errstate(invalid="ignore"):  # infinities of a broken model: the rows tell of them
        outputs = _run_each(session, canvases)
        again = _largest_difference(outputs, _run_each(session, canvases))
        batch = session.run(canvases)
        if suppressed:
            batched = _check_batch_of_detections(detector, outputs, batch, int8)
        else:
            difference = _largest_difference(outputs, batch)
            batched = _difference_row(BATCH_RULE, difference, batch_tolerance)
        rows += [
            _check_range(*outputs),
            _difference_row("the same input gives the same output", again, 0.0),
            batched,
        ]
        if parity is not None and not suppressed:
            rows.append(_check_probe(outputs, parity[PROBE_KEY], tolerance, path))
    expected = parity is not None and PROBE_TOLERANCE_KEY in parity  # schema 2 has golden frames
    cells = cells_file(path) if suppressed else None
    if cells is not None:
        pictures = [read_image(file) for file in sorted(golden.glob("*.png"))]
        source = Detector(cells, session=settings)
        rows.append(check_suppression(detector, source, [*canvases, *pictures]))
    if golden.is_dir() or expected:
        rows.append(check_golden(detector, golden))
    return CheckReport(path, session.provider, tuple(rows), recorded=parity is not None)


def probe(session: ModelSession) -> list[dict[str, Any]]:
    """Returns what the export records for `check_model` to compare on other machines.

    Args:
        session: the exported model.

    Returns:
        For each of `synthetic_canvases`, in order, a dict that JSON can hold: `boxes_mean`,
        `boxes_std`, `scores_mean`, `scores_max`, and `cells`, the `PROBE_CELLS` highest scores
        as [cell, class, score, x1, y1, x2, y2].
    """
    canvases = synthetic_canvases(session.manifest.input.size_hw)
    return [
        {**_summary(boxes, scores), "cells": _best_cells(boxes, scores)}
        for boxes, scores in zip(*_run_each(session, canvases), strict=True)
    ]


def _summary(boxes: FloatArray, scores: FloatArray) -> dict[str, float]:
    return {
        "boxes_mean": float(boxes.mean(dtype=np.float64)),
        "boxes_std": float(boxes.std(dtype=np.float64)),
        "scores_mean": float(scores.mean(dtype=np.float64)),
        "scores_max": float(scores.max()),
    }


def _best_cells(boxes: FloatArray, scores: FloatArray) -> list[list[float]]:
    best = np.argsort(-scores, axis=None, kind="stable")[:PROBE_CELLS]
    cells, classes = np.unravel_index(best, scores.shape)
    return [
        [int(cell), int(class_id), float(scores[cell, class_id]), *boxes[cell].tolist()]
        for cell, class_id in zip(cells, classes, strict=True)
    ]


def _run_each(session: ModelSession, canvases: ImageArray) -> tuple[FloatArray, FloatArray]:
    """Returns the outputs for all canvases, run one after the other."""
    boxes, scores = zip(*(session.run(canvas[None]) for canvas in canvases), strict=True)
    return np.concatenate(boxes), np.concatenate(scores)


def _check_file(path: Path, expected: object) -> CheckRow:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    same = found == expected
    measured = f"sha256 {found[:12]}…" if same else f"sha256 {found[:12]}…, not {expected}"
    return CheckRow(f"the file is the one in {PARITY_FILE}", same, measured)


def _check_range(boxes: FloatArray, scores: FloatArray) -> CheckRow:
    low, high = -RANGE_SLACK, 1 + RANGE_SLACK
    ranges = [
        f"{name} {values.min():.4g} to {values.max():.4g}"
        for name, values in (("boxes", boxes), ("scores", scores))
    ]
    inside = all(bool(np.all((low <= values) & (values <= high))) for values in (boxes, scores))
    return CheckRow("outputs are finite and in [0, 1]", inside, ", ".join(ranges))


def _probe_tolerance(
    parity: dict[str, Any] | None, path: Path, default: float, *, probed: bool
) -> float:
    """Returns how far from the probe a machine may be, of a record that is whole."""
    if parity is None:
        return default
    missing = {SHA256_KEY, *([PROBE_KEY] if probed else [])} - set(parity)
    tolerance = parity.get(PROBE_TOLERANCE_KEY, default)
    if missing or type(tolerance) not in (int, float) or not 0 <= tolerance <= 1:
        why = f"no {min(missing)}" if missing else f"{PROBE_TOLERANCE_KEY} {tolerance!r}"
        raise ModelFileError(
            f"{path.parent / PARITY_FILE}: {why} of {path.name}; export the model again"
        )
    return float(tolerance)


def _check_probe(
    outputs: tuple[FloatArray, FloatArray], recorded: Any, tolerance: float, path: Path
) -> CheckRow:
    """Compares with the export at the cells that it recorded, so that ties do not matter."""
    rule = "synthetic canvases give what they gave at the export"
    differences = []
    try:
        for boxes, scores, row in zip(*outputs, recorded, strict=True):
            for key, value in _summary(boxes, scores).items():
                differences.append(abs(value - float(row[key])))
            for cell, class_id, score, *box in row["cells"]:
                differences.append(abs(float(scores[cell, class_id]) - score))
                differences.extend(np.abs(boxes[cell] - np.array(box)).tolist())
    except IndexError:
        return CheckRow(rule, False, "fewer cells or classes: this is another model", float("inf"))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"{path.parent / PARITY_FILE}: {PROBE_KEY} does not fit {path.name}; export it again"
        ) from error
    # max() of Python would pass over a NaN that is not the first.
    return _difference_row(rule, float(np.max(differences)), tolerance, from_export=True)


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


def _largest_difference(
    one: tuple[FloatArray, FloatArray], other: tuple[FloatArray, FloatArray]
) -> float:
    # Not max() of Python, which would pass over a NaN.
    return float(
        np.max([np.max(np.abs(mine - theirs)) for mine, theirs in zip(one, other, strict=True)])
    )


def _difference_row(
    rule: str, largest: float, limit: float, *, from_export: bool = False
) -> CheckRow:
    measured = f"largest difference {largest:.2g}, allowed {limit:g}"
    return CheckRow(rule, largest <= limit, measured, largest if from_export else None)
