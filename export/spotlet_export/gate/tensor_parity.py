"""The first comparison of the gate: tensors on the same canvases."""

import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray
from spotlet.letterbox import ImageArray
from spotlet.session import ModelSession
from spotlet_export.gate.reference import Reference, Tensors
from spotlet_export.gate.report import Row
from spotlet_export.gate.variants import Limits

BATCH = 8

TENSORS = ("boxes", "scores")

OBJECT_SCORE = 0.1
"""From which a cell of PyTorch's tensors is looked at, in a variant that need not be exact."""


def compare_tensors(
    reference: Reference, session: ModelSession, limits: Limits, variant: str
) -> list[Row]:
    """Returns the rows for PyTorch against onnxruntime on the same canvases.

    Args:
        reference: PyTorch's side.
        session: of the exported file.
        limits: how near it must come.
        variant: its name, for the report.
    """
    rows = []
    for group in reference.groups:
        over = f"{len(group.canvases)} {group.name}"
        single = in_batches(session, group.canvases, 1)
        for name, want, one in zip(TENSORS, group.tensors, single, strict=True):
            if limits.exact:
                rows.append(
                    Row(
                        variant=variant,
                        name=f"tensor {name}, max |Δ|",
                        over=over,
                        measured=difference(want, one, "max"),
                        limit=limits.tensors,
                    )
                )
            elif group.natural:  # beyond what it was calibrated on, eight bits promise nothing
                rows.append(
                    Row(
                        variant=variant,
                        name=f"tensor {name}, mean |Δ| where there is an object",
                        over=over,
                        measured=difference(want, one, "mean", objects(group.tensors[1])),
                        limit=limits.tensors,
                    )
                )
        rows += batch_rows(session, group.canvases, single, over, limits, variant)
    return rows


def batch_rows(
    session: ModelSession,
    canvases: ImageArray,
    single: Tensors,
    over: str,
    limits: Limits,
    variant: str,
) -> list[Row]:
    """Returns the rows for canvases together against each for itself.

    Args:
        session: of the file.
        canvases: (N, H, W, 3) uint8 BGR.
        single: what the file gave for each.
        over: on what, for a person.
        limits: how near it must come.
        variant: its name, for the report.
    """
    together = in_batches(session, canvases, BATCH)
    return [
        Row(
            variant=variant,
            name=f"tensor {name}, batch {BATCH} against 1, max |Δ|",
            over=over,
            measured=difference(one, many, "max"),
            limit=limits.golden.tensors,
        )
        for name, one, many in zip(TENSORS, single, together, strict=True)
    ]


def objects(scores: FloatArray) -> npt.NDArray[np.bool_]:
    """Returns in which cells (N, K) PyTorch sees an object; all where it sees none.

    Of scores near zero the mean difference is near zero, whatever became of the others.
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

    Infinite where shapes differ or a value is not finite.

    Args:
        wanted: (N, K, D).
        got: (N, K, D).
        statistic: `max` or `mean`.
        cells: (N, K), where it is looked at; everywhere where None.
    """
    if wanted.shape != got.shape or not (np.isfinite(wanted).all() and np.isfinite(got).all()):
        return float("inf")
    apart = np.abs(wanted - got)
    if cells is not None:
        apart = apart[cells]
    return float(apart.max() if statistic == "max" else apart.mean(dtype=np.float64))


def in_batches(session: ModelSession, canvases: ImageArray, size: int) -> Tensors:
    """Returns what a file gives for canvases (N, H, W, 3), so many at a time."""
    parts = [session.run(canvases[i : i + size]) for i in range(0, len(canvases), size)]
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
