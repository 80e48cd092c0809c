"""What is wrong with B on the face of it: signs that need no cause to be tried."""

from collections.abc import Sequence

import numpy as np

from spotlet.detections import Detections
from spotlet_export.judging.changes import AS_IS
from spotlet_export.judging.pairs import B, Pair

OFTEN = 5
"""Detections of a class by A, none of which B finds: no chance."""

FEW_LEVELS = 8
"""Different scores; a network of eight bits has up to 256."""

MOST_LISTED = 5


def symptoms(pair: Pair, found: tuple[Sequence[Detections], Sequence[Detections]]) -> list[str]:
    """Returns what is conspicuous about B's results, as sentences.

    Args:
        pair: the models and frames.
        found: by A and by B in each frame, with A's class ids.
    """
    cells = [
        each
        for frame in pair.frames
        if frame.real and (each := pair.cells(B, frame, AS_IS)) is not None
    ]
    told = []
    for name in ("boxes", "scores"):
        wrong = sum(not np.isfinite(getattr(each, name)).all() for each in cells)
        if wrong:
            told.append(f"B's {name} are NaN or infinite in {wrong} of {len(cells)} pictures")
    levels = np.unique(np.concatenate([each.scores.ravel() for each in cells]))
    if 0 < len(levels) <= FEW_LEVELS:
        listed = ", ".join(f"{level:.3g}" for level in levels)
        told.append(
            f"B's scores are only ever {listed}: one 8-bit scale for boxes and scores does that"
        )
    first = cells[0]
    if (
        len(cells) > 1
        and len(first.scores)
        and all(
            np.array_equal(first.scores, each.scores) and np.array_equal(first.boxes, each.boxes)
            for each in cells[1:]
        )
    ):
        told.append("B returns the same for every picture: the picture does not reach its network")
    counts = [
        np.bincount(
            np.concatenate([each.class_ids for each in side]).astype(np.int64),
            minlength=len(pair.subjects[0].side.classes),
        )
        for side in found
    ]
    silent = np.flatnonzero((counts[0] >= OFTEN) & (counts[1] == 0))
    if len(silent) and counts[1].any():
        names = pair.subjects[0].side.classes
        listed = ", ".join(f"{names[n]} (A {counts[0][n]} times)" for n in silent[:MOST_LISTED])
        told.append(f"B never finds {listed}")
    return told
