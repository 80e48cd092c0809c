"""Takes the outputs of one canvas apart, a second, slow and obvious way.

As `original.decoder`, it imports nothing of the rewriting.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from spotlet_export.adoption.signature import ROWS, OutputSignature

Wide = npt.NDArray[np.float64]


def parts_of(tensors: Mapping[str, npt.NDArray[Any]], rule: OutputSignature) -> list[Wide]:
    """Returns the outputs that are used, of one canvas: without a batch, unless of grids."""
    whole = rule.grids is not None or not rule.batch_axis
    chosen = [tensors[name] if whole else tensors[name][0] for name in rule.outputs]
    return [part.astype(np.float64) for part in chosen]


def split_rows(parts: list[Wide], rule: OutputSignature) -> list[Wide]:
    """Returns boxes (K, 4 or more), scores (K,) and class ids (K,) of a suppressed layout.

    The id of a row of no picture is -1.
    """
    if rule.layout == "dets+labels":
        return [parts[0], parts[0][:, 4], parts[1]]
    if rule.layout not in ROWS:
        return parts
    rows, layout = parts[0], rule.layout
    found: dict[str, list[Any]] = {"box": [], "score": [], "id": [], "batch": []}
    for row in rows.reshape(-1, rows.shape[-1]):
        numbers = list(row)
        for name in ROWS[layout]:
            taken = [numbers.pop(0) for _ in range(4 if name == "box" else 1)]
            found[name].append(taken if name == "box" else taken[0])
    ids = np.array(found["id"])
    if found["batch"]:
        ids = np.where(np.array(found["batch"]).astype(int) == 0, ids, -1)
    return [np.array(found["box"]).reshape(-1, 4), np.array(found["score"]), ids]
