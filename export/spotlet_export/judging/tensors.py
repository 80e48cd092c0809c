"""The comparison of tensors on the same canvases."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from spotlet.check.probe import synthetic_canvases
from spotlet.letterbox import ImageArray
from spotlet_export.gate.report import Row
from spotlet_export.gate.tensor_parity import BATCH, TENSORS, difference, objects
from spotlet_export.gate.variants import Limits
from spotlet_export.judging.changes import Tensors
from spotlet_export.judging.likeness import shared_ids
from spotlet_export.judging.pairs import A, B, Pair
from spotlet_export.judging.sides import Side


def tensor_rows(pair: Pair, limits: Limits, variant: str) -> list[Row]:
    """Returns the rows for tensors on the same canvases; none if the models' cells differ.

    If one has the score of the best class of a cell only, so has the other.
    """
    a, b = (subject.side for subject in pair.subjects)
    if not (a.fixed_cells and b.fixed_cells) or a.input is None or b.input is None:
        return []
    if a.input.size_hw != b.input.size_hw or len(a.classes) != len(b.classes):
        return []
    ids = shared_ids(b.classes, a.classes)
    if sorted(ids.tolist()) != list(range(len(ids))):
        return []
    real = [frame for frame in pair.frames if frame.real]
    synthetic = synthetic_canvases(a.input.size_hw)
    canvases = {
        "real frames": [
            a.input.letterbox(frame.image_bgr.shape[:2]).apply(frame.image_bgr) for frame in real
        ],
        "edge cases": list(synthetic),
    }
    order = np.argsort(ids)
    rows = []
    for name, group in canvases.items():
        ours, theirs = ([side.compute(canvas, 0.0) for canvas in group] for side in (a, b))
        lacking = max(
            abs(len(one[0]) - len(other[0])) for one, other in zip(ours, theirs, strict=True)
        )
        if lacking:
            return [
                Row(
                    variant=variant,
                    name="tensors, cells that only one has",
                    over=f"{len(ours[0][0])} cells of A, {len(theirs[0][0])} of B",
                    measured=lacking,
                    limit=0,
                )
            ]
        rows += batch_rows_of(b, group, theirs, name, limits, variant)
        tensors = []
        for results, columns in ((ours, slice(None)), (theirs, order)):
            scores = np.stack([each[1] for each in results])[..., columns]
            if a.best_only or b.best_only:
                scores = scores.max(axis=2, keepdims=True)
            tensors.append((np.stack([each[0] for each in results]), scores))
        if (places := _other_order(tensors[A], tensors[B], limits)) is not None:
            tensors[B] = (tensors[B][0][:, places], tensors[B][1][:, places])
            group_name = f"{name}, B's cells in another order"
        else:
            group_name = name
        for kind, want, got in zip(TENSORS, *tensors, strict=True):
            if limits.exact:
                compared, measured = "max |Δ|", difference(want, got, "max")
            elif name == "real frames":
                compared = "mean |Δ| where there is an object"
                measured = difference(want, got, "mean", objects(tensors[0][1]))
            else:
                continue
            rows.append(
                Row(
                    variant=variant,
                    name=f"tensor {kind}, {compared}",
                    over=f"{len(group)} {group_name}",
                    measured=measured,
                    limit=limits.tensors,
                )
            )
    return rows


def _other_order(wanted: Tensors, found: Tensors, limits: Limits) -> npt.NDArray[np.int64] | None:
    """Returns the places (K,) of A's cells in B, if B has the same cells in another order.

    Exporters order the levels of a pyramid, or rows and columns, differently.

    Args:
        wanted: boxes (N, K, 4) and scores (N, K, C) of A.
        found: of B.
        limits: within which they are the same.
    """
    if difference(wanted[0], found[0], "max") <= limits.tensors:
        return None
    digits = int(-np.log10(limits.tensors))
    orders = [
        np.lexsort(np.round(np.concatenate([boxes, scores], axis=2)[0], digits).T)
        for boxes, scores in (wanted, found)
    ]
    places = np.empty_like(orders[A])
    places[orders[A]] = orders[B]
    same = all(
        difference(one, other[:, places], "max") <= limits.tensors
        for one, other in zip(wanted, found, strict=True)
    )
    return places if same else None


def batch_rows_of(
    side: Side,
    canvases: Sequence[ImageArray],
    single: Sequence[Tensors],
    name: str,
    limits: Limits,
    variant: str,
) -> list[Row]:
    """Returns the rows for B's canvases in batches against one by one; none for a runner."""
    if side.compute_batch is None:
        return []
    stacked = np.stack(canvases)
    parts = [side.compute_batch(stacked[n : n + BATCH]) for n in range(0, len(stacked), BATCH)]
    return [
        Row(
            variant=variant,
            name=f"tensor {kind}, batch {BATCH} against 1, max |Δ|",
            over=f"{len(canvases)} {name}",
            measured=difference(
                np.stack([each[index] for each in single]),
                np.concatenate([part[index] for part in parts]),
                "max",
            ),
            limit=limits.golden.tensors,
        )
        for index, kind in enumerate(TENSORS)
    ]
