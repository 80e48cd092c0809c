"""The probe: what a network gives for synthetic canvases, recorded and compared elsewhere."""

from pathlib import Path
from typing import Any

import numpy as np

from spotlet.boxes import FloatArray
from spotlet.check.report import CheckRow
from spotlet.errors import ModelFileError
from spotlet.letterbox import ImageArray
from spotlet.model.package import PARITY_FILE
from spotlet.session import ModelSession

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

Tensors = tuple[FloatArray, FloatArray]
"""Boxes (N, K, 4) and scores (N, K, C)."""


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
        for boxes, scores in zip(*run_each(session, canvases), strict=True)
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


def check_probe(outputs: Tensors, recorded: Any, tolerance: float, path: Path) -> CheckRow:
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
    return difference_row(rule, float(np.max(differences)), tolerance, from_export=True)


def probe_tolerance(
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


def run_each(session: ModelSession, canvases: ImageArray) -> Tensors:
    """Returns the outputs for all canvases, run one after the other."""
    boxes, scores = zip(*(session.run(canvas[None]) for canvas in canvases), strict=True)
    return np.concatenate(boxes), np.concatenate(scores)


def largest_difference(one: Tensors, other: Tensors) -> float:
    """Returns the largest |Δ| of two results of one shape; NaN where one is in it."""
    # Not max() of Python, which would pass over a NaN.
    return float(
        np.max(
            [
                np.max(np.abs(mine - theirs), initial=0)
                for mine, theirs in zip(one, other, strict=True)
            ]
        )
    )


def difference_row(
    rule: str, largest: float, limit: float, *, from_export: bool = False
) -> CheckRow:
    """Returns the row of a difference that may be `limit`; `from_export`, if from its record."""
    measured = f"largest difference {largest:.2g}, allowed {limit:g}"
    return CheckRow(rule, largest <= limit, measured, largest if from_export else None)


def synthetic_canvases(size_hw: tuple[int, int]) -> ImageArray:
    """Returns canvases that test a network at its edges, the same on every machine.

    Black, white, noise, a horizontal ramp and vertical stripes, by integer arithmetic alone.

    Args:
        size_hw: height and width, pixels.

    Returns:
        (5, H, W, 3) uint8.
    """
    height, width = size_hw
    black, white, noise, ramp, stripes = canvases = np.empty((5, height, width, 3), np.uint8)
    black[:], white[:] = 0, 255
    # Knuth's multiplicative hash, TAOCP vol. 3, section 6.4: bits 24..31 look random. Numbers of
    # 32 bits drop what is over, as its modulus does.
    index = np.arange(height * width * 3, dtype=np.uint32)
    noise[:] = ((index * np.uint32(2654435761)) >> np.uint32(24)).reshape(noise.shape)
    columns = np.arange(width)[:, np.newaxis]
    ramp[:] = columns * 255 // max(width - 1, 1)
    stripes[:] = columns // 8 % 2 * 255
    return canvases
