"""The first comparison of the gate: tensors on the same canvases."""

from functools import partial

import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray
from spotlet.letterbox import ImageArray
from spotlet.session import ModelSession
from spotlet_export.gate.reference import CanvasGroup, Reference, Tensors
from spotlet_export.gate.report import Row
from spotlet_export.gate.systematic import systematic_rows
from spotlet_export.gate.variants import Limits

BATCH = 8
"""Canvases at a time, where batches are compared with single canvases."""

TENSORS = ("boxes", "scores")

OBJECT_SCORE = 0.1
"""Least score of cells that are compared in a variant that is not exact."""


def compare_tensors(
    reference: Reference, session: ModelSession, limits: Limits, variant: str
) -> list[Row]:
    """Returns the rows for the original against onnxruntime on the same canvases.

    Args:
        reference: the original network's results.
        session: of the exported file.
        limits: the largest differences.
        variant: its name, for the report.
    """
    rows = []
    for group in reference.groups:
        row = partial(Row, variant=variant, over=f"{len(group.canvases)} {group.name}")
        single = in_batches(session, group.canvases, 1)
        for name, want, one in zip(TENSORS, group.tensors, single, strict=True):
            if limits.exact:
                compared, measured = "max |Δ|", difference(want, one, "max")
            elif group.natural:  # beyond what it was calibrated on, int8 promises nothing
                compared = "mean |Δ| where there is an object"
                measured = difference(want, one, "mean", objects(group.tensors[1]))
            else:
                continue
            rows.append(
                row(name=f"tensor {name}, {compared}", measured=measured, limit=limits.tensors)
            )
        if group.natural and not limits.exact:
            seen = objects(group.tensors[1])
            rows += systematic_rows(group, single, seen, limits.tensors, variant)
        rows += batch_rows(session, group, single, limits, variant)
    return rows


def batch_rows(
    session: ModelSession, group: CanvasGroup, single: Tensors, limits: Limits, variant: str
) -> list[Row]:
    """Returns the rows for canvases in batches against one by one.

    Args:
        session: of the file.
        group: has the canvases.
        single: the file's results, one by one.
        limits: the largest differences.
        variant: its name, for the report.
    """
    together = in_batches(session, group.canvases, BATCH)
    return [
        Row(
            variant=variant,
            name=f"tensor {name}, batch {BATCH} against 1, max |Δ|",
            over=f"{len(group.canvases)} {group.name}",
            measured=difference(one, many, "max"),
            limit=limits.golden.tensors,
        )
        for name, one, many in zip(TENSORS, single, together, strict=True)
    ]


def objects(scores: FloatArray) -> npt.NDArray[np.bool_]:
    """Returns in which cells (N, K) the original sees an object; all if it sees none.

    Most scores are near zero, and so would be their mean difference, whatever the others are.
    """
    seen: npt.NDArray[np.bool_] = scores.max(axis=2) >= OBJECT_SCORE
    return seen if seen.any() else np.ones_like(seen)


def difference(
    wanted: FloatArray,
    got: FloatArray,
    statistic: str,
    cells: npt.NDArray[np.bool_] | None = None,
) -> float:
    """Returns the `max` or `mean` of |wanted - got|.

    Infinite if shapes differ or a value is not finite.

    Args:
        wanted: (N, K, D).
        got: (N, K, D).
        statistic: `max` or `mean`.
        cells: (N, K), which to compare; None for all.
    """
    if wanted.shape != got.shape or not (np.isfinite(wanted).all() and np.isfinite(got).all()):
        return float("inf")
    apart = np.abs(wanted - got)
    if cells is not None:
        apart = apart[cells]
    return float(apart.max() if statistic == "max" else apart.mean(dtype=np.float64))


def in_batches(session: ModelSession, canvases: ImageArray, size: int) -> Tensors:
    """Returns a file's results for canvases (N, H, W, 3), `size` at a time."""
    parts = [session.run(canvases[i : i + size]) for i in range(0, len(canvases), size)]
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
