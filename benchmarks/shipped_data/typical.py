"""Finds garments that people would name as their label does.

Fashion-MNIST's labels come from a shop's catalogue: what it calls a shirt may look like a dress.
People agree with them in 83.5 % of cases (Xiao et al. 2017, arXiv:1708.07747, and the set's own
page). A clip that people look at should show garments that they can name.
"""

import numpy as np
import numpy.typing as npt

from spotlet_training.scenes.fashion import FashionObjects

NEIGHBOURS = 20
"""Neighbours that must agree about a garment of the demo's clip."""

_CHUNK = 500  # objects at a time, to bound the matrix of distances


def is_typical(
    objects: FashionObjects, known: FashionObjects, neighbours: int = NEIGHBOURS
) -> npt.NDArray[np.bool_]:
    """Returns (N,): whether the nearest known photos of each object are all of its class.

    Distance is Euclidean, between pixels; no network is involved.

    Args:
        objects: N, to judge.
        known: the reference, without any of `objects`; more than `neighbours`.
        neighbours: number that must agree.
    """
    references = known.photos.reshape(len(known), -1).astype(np.float32) / 255
    half_norms = (references**2).sum(axis=1) / 2
    agree = []
    for start in range(0, len(objects), _CHUNK):
        photos = objects.photos[start : start + _CHUNK]
        asked = photos.reshape(len(photos), -1).astype(np.float32) / 255
        # |a - b|² without |a|², which is the same for all b, and halved.
        distances = half_norms - asked @ references.T
        nearest = np.argpartition(distances, neighbours, axis=1)[:, :neighbours]
        own = objects.class_ids[start : start + _CHUNK, None]
        agree.append((known.class_ids[nearest] == own).all(axis=1))
    return np.concatenate(agree) if agree else np.zeros(0, np.bool_)
