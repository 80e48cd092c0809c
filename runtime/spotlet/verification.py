"""Is a model, on this machine, the network that was exported?"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spotlet.boxes import FloatArray
from spotlet.errors import ModelFileError
from spotlet.letterbox import ImageArray
from spotlet.package import PARITY_FILE, locate_model
from spotlet.session import ModelSession, SessionSettings, synthetic_canvases

SHA256_KEY = "sha256"
"""Where `parity.json` holds the checksum of `model.onnx`, in hexadecimal."""

PROBE_KEY = "probe"
"""Where `parity.json` holds what `probe` gave at the export."""

PROBE_CELLS = 20
"""The best cells that a probe records of each canvas."""

PROBE_TOLERANCE = 1e-3
"""Between machines and onnxruntime versions, float32 networks agree to about 1e-5; what a wrong
kernel or a damaged weight does is far larger."""

BATCH_TOLERANCE = 1e-4
"""Between a canvas alone and the same one in a batch."""

RANGE_SLACK = 1e-5
"""What float32 may leave the range [0, 1] by."""


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One rule, and whether the model keeps it.

    Attributes:
        rule: in words.
        passed: whether it holds.
        measured: what was found, in words.
    """

    rule: str
    passed: bool
    measured: str


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What the check of a model found.

    Attributes:
        path: of the `.onnx` file.
        provider: the execution provider that computed.
        rows: one for each rule that could be tested.
        recorded: whether there was a `parity.json` to compare with; without it only the
            model's own consistency was tested.
    """

    path: Path
    provider: str
    rows: tuple[CheckRow, ...]
    recorded: bool

    @property
    def passed(self) -> bool:
        """Whether every rule holds."""
        return all(row.passed for row in self.rows)


def check_model(
    model: str | Path,
    settings: SessionSettings = SessionSettings(),  # noqa: B008
) -> CheckReport:
    """Returns whether a model computes here what it computed where it was exported.

    That its manifest fits its graph, that its file is the one of its package, that what it
    gives for five synthetic canvases lies in its range, is repeatable and does not depend on
    the batch, and that it is what `parity.json` recorded for them.

    Args:
        model: a bundled name, a package folder, or an `.onnx` file.
        settings: threads and execution provider.

    Raises:
        ModelFileError: there is no such model, it cannot be loaded, its manifest does not fit
            it, or its `parity.json` cannot be read.
    """
    path = locate_model(model)
    session = ModelSession(path, settings)
    parity = _read_parity(path)
    canvases = synthetic_canvases(session.manifest.input.size_hw)
    outputs = _run_each(session, canvases)
    rows = [CheckRow("the manifest fits the graph", True, "names, types and sides agree")]
    if SHA256_KEY in parity:
        rows.append(_check_file(path, parity[SHA256_KEY]))
    rows.append(_check_range(*outputs))
    again = _largest_difference(outputs, _run_each(session, canvases))
    rows.append(CheckRow("the same input gives the same output", again == 0, _differ(again)))
    batched = _largest_difference(outputs, session.run(canvases))
    rows.append(
        CheckRow(
            "a batch gives what single canvases give",
            batched <= BATCH_TOLERANCE,
            _differ(batched, BATCH_TOLERANCE),
        )
    )
    if PROBE_KEY in parity:
        rows.append(_check_probe(outputs, parity[PROBE_KEY], path))
    return CheckReport(path, session.provider, tuple(rows), bool(parity))


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


def _read_parity(path: Path) -> dict[str, Any]:
    """Returns the package's `parity.json`; empty where there is none."""
    parity_path = path.parent / PARITY_FILE
    if not parity_path.is_file():
        return {}
    try:
        content = json.loads(parity_path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{parity_path}: not JSON; export the model again") from error
    if not isinstance(content, dict):
        raise ModelFileError(f"{parity_path}: must be a JSON object; export the model again")
    return content


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


def _check_probe(outputs: tuple[FloatArray, FloatArray], recorded: Any, path: Path) -> CheckRow:
    """Compares with the export at the cells that it recorded, so that ties do not matter."""
    differences = []
    try:
        for boxes, scores, row in zip(*outputs, recorded, strict=True):
            for key, value in _summary(boxes, scores).items():
                differences.append(abs(value - float(row[key])))
            for cell, class_id, score, *box in row["cells"]:
                differences.append(abs(float(scores[cell, class_id]) - score))
                differences.extend(np.abs(boxes[cell] - np.array(box)).tolist())
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"{path.parent / PARITY_FILE}: {PROBE_KEY} does not fit this model; export it again"
        ) from error
    # max() of Python would pass over a NaN that is not the first.
    largest = float(np.max(differences))
    return CheckRow(
        "synthetic canvases give what they gave at the export",
        largest <= PROBE_TOLERANCE,
        _differ(largest, PROBE_TOLERANCE),
    )


def _largest_difference(
    one: tuple[FloatArray, FloatArray], other: tuple[FloatArray, FloatArray]
) -> float:
    # Not max() of Python, which would pass over a NaN.
    return float(
        np.max([np.max(np.abs(mine - theirs)) for mine, theirs in zip(one, other, strict=True)])
    )


def _differ(largest: float, limit: float = 0.0) -> str:
    return f"largest difference {largest:.2g}, allowed {limit:g}"
