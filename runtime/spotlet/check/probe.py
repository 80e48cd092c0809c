"""The probe: a network's outputs for synthetic canvases, recorded at export and compared later."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spotlet.check.report import CheckRow, difference_row
from spotlet.detector import Detector, Outputs
from spotlet.errors import ModelFileError
from spotlet.letterbox import ImageArray
from spotlet.model.package import PARITY_FILE

SHA256_KEY = "sha256"
"""Key in `parity.json` of a model file's checksum, in hexadecimal."""

PROBE_KEY = "probe"
"""Key in `parity.json` of what `record_probe` returned at the export."""

PROBE_TOLERANCE_KEY = "probe_tolerance"
"""Key in `parity.json` of the probe's tolerance; `PROBE_TOLERANCE` without it."""

PROBE_TOLERANCE = 1e-3
"""Between machines and onnxruntime versions, float32 networks agree to about 1e-5; a wrong kernel
or a damaged weight differs by far more."""

PROBE_CELLS = 20
"""How many of each canvas's best cells a probe records."""

PROBE_RULE = "synthetic canvases match the export"


def record_probe(detector: Detector) -> list[dict[str, Any]]:
    """Returns what the export records of a model, for `check_probe` on other machines.

    Returns:
        For each of `synthetic_canvases`, in order, a dict for JSON: the numbers of
        `_summary`, and `cells`, the `PROBE_CELLS` highest scores as [cell, class, score, x1, y1,
        x2, y2].
    """
    probe = []
    for canvas in synthetic_canvases(detector.manifest.input.size_hw):
        outputs = detector.outputs(canvas, canvas=canvas)
        boxes, scores = outputs.boxes, outputs.scores
        best = np.argsort(-scores, axis=None, kind="stable")[:PROBE_CELLS]
        cells = [
            [int(cell), int(class_id), float(scores[cell, class_id]), *boxes[cell].tolist()]
            for cell, class_id in zip(*np.unravel_index(best, scores.shape), strict=True)
        ]
        probe.append({**_summary(outputs), "cells": cells})
    return probe


def _summary(outputs: Outputs) -> dict[str, float]:
    boxes, scores = outputs.boxes, outputs.scores
    return {
        "boxes_mean": float(boxes.mean(dtype=np.float64)),
        "boxes_std": float(boxes.std(dtype=np.float64)),
        "scores_mean": float(scores.mean(dtype=np.float64)),
        "scores_max": float(scores.max()),
    }


def check_probe(
    outputs: Sequence[Outputs], recorded: Any, tolerance: float, path: Path
) -> CheckRow:
    """Returns the comparison with the export, at its recorded cells so that ties do not matter.

    Args:
        outputs: for each of `synthetic_canvases`.
        recorded: by `record_probe`, read from JSON.
        tolerance: greatest |Δ| of a number.
        path: of the model file.

    Raises:
        ModelFileError: the record does not fit the model.
    """
    differences = []
    try:
        for each, row in zip(outputs, recorded, strict=True):
            for key, value in _summary(each).items():
                differences.append(abs(value - float(row[key])))
            for cell, class_id, score, *box in row["cells"]:
                differences.append(abs(float(each.scores[cell, class_id]) - score))
                differences.extend(np.abs(each.boxes[cell] - np.array(box)).tolist())
    except IndexError:
        fewer = "fewer cells or classes: not the same model"
        return CheckRow(PROBE_RULE, False, fewer, float("inf"))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"{path.parent / PARITY_FILE}: {PROBE_KEY} does not fit {path.name}; export it again"
        ) from error
    # Python's max() could skip a NaN.
    largest = float(np.max(differences))
    return difference_row(PROBE_RULE, largest, tolerance, from_export=True)


def synthetic_canvases(size_hw: tuple[int, int]) -> ImageArray:
    """Returns canvases that test a network's extremes, the same on every machine.

    Black, white, noise, a horizontal ramp and vertical stripes, by integer arithmetic alone.

    Args:
        size_hw: height and width, pixels.

    Returns:
        (5, H, W, 3) uint8.
    """
    height, width = size_hw
    black, white, noise, ramp, stripes = canvases = np.empty((5, height, width, 3), np.uint8)
    black[:], white[:] = 0, 255
    # Knuth's multiplicative hash, TAOCP vol. 3, section 6.4: bits 24..31 look random. uint32
    # wraps around, as its modulus requires.
    index = np.arange(height * width * 3, dtype=np.uint32)
    noise[:] = ((index * np.uint32(2654435761)) >> np.uint32(24)).reshape(noise.shape)
    columns = np.arange(width)[:, np.newaxis]
    ramp[:] = columns * 255 // max(width - 1, 1)
    stripes[:] = columns // 8 % 2 * 255
    return canvases
