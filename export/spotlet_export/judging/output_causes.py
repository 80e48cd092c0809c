"""The usual causes after the network: boxes and scores."""

from collections.abc import Callable, Iterator

import numpy as np

from spotlet.boxes import FloatArray
from spotlet_export.judging.changes import BOXES, MISSING, SUPPRESSION, TWICE, UNIT, XY, Change

OVERLAPS = (0.3, 0.4, 0.45, 0.5, 0.6, 0.65, 0.7)
"""From which programs suppress."""

LEAST_LOGIT = 1e-7
"""Scores are held this far from 0 and 1 before a sigmoid is taken back."""


def output_changes(canvas_hw: tuple[int, int] | None, *, many_classes: bool) -> Iterator[Change]:
    """Yields the changes after the network.

    Args:
        canvas_hw: height and width, pixels; None: frames of any size.
        many_classes: whether scores may be shares of a whole.
    """

    def boxes(culprit: str, clause: str, change: Callable[[FloatArray], FloatArray]) -> Change:
        return Change(
            culprit=culprit,
            clause=f"{{x}}'s boxes are {clause}",
            output=lambda given, scores: (change(given), scores),
        )

    def scores(culprit: str, clause: str, change: Callable[[FloatArray], FloatArray]) -> Change:
        return Change(
            culprit=culprit,
            clause=f"{clause} {{x}}'s scores",
            output=lambda given, values: (given, change(values)),
        )

    yield boxes(BOXES, "read as centre and size", _from_centres)
    yield boxes(BOXES, "turned into centre and size", _to_centres)
    yield boxes(BOXES, "read as corner and size", _from_sizes)
    yield boxes(BOXES, "turned into corner and size", _to_sizes)
    yield boxes(XY, "read as y, x, y, x", lambda given: given[:, [1, 0, 3, 2]])
    if canvas_hw is not None:
        height, width = canvas_hw
        size = np.array([width, height, width, height], np.float32)
        yield boxes(UNIT, "read as pixels of the canvas", lambda given: given / size)
        yield boxes(UNIT, "turned into pixels of the canvas", lambda given: given * size)
        if height != width:
            other = size / size[[1, 0, 3, 2]]
            yield boxes(UNIT, "scaled by height / width", lambda given: given * other)
            yield boxes(UNIT, "scaled by width / height", lambda given: given / other)
    for overlap in OVERLAPS:
        for agnostic in (False, True):
            words = ", whatever the class" * agnostic
            clause = f"{{x}}'s boxes suppress others from an overlap of {overlap:g}{words}"
            yield Change(culprit=SUPPRESSION, clause=clause, overlap=overlap, agnostic=agnostic)
    yield scores(MISSING, "a sigmoid is applied to", sigmoid)
    yield scores(TWICE, "a sigmoid is taken back from", logit)
    if many_classes:
        yield scores(MISSING, "a softmax is applied to", softmax)
        yield scores(TWICE, "a softmax is taken back from", unsoftmax)


def sigmoid(values: FloatArray) -> FloatArray:
    """Returns 1 / (1 + e^-x)."""
    made: FloatArray = (1 / (1 + np.exp(-np.clip(values, -80, 80)))).astype(np.float32)
    return made


def logit(values: FloatArray) -> FloatArray:
    """Returns the inverse of the sigmoid, for values in [0, 1]."""
    inside = np.clip(values.astype(np.float64), LEAST_LOGIT, 1 - LEAST_LOGIT)
    made: FloatArray = np.log(inside / (1 - inside)).astype(np.float32)
    return made


def softmax(values: FloatArray) -> FloatArray:
    """Returns each row (K, C) as shares of a whole."""
    raised = np.exp(values - values.max(axis=1, keepdims=True))
    made: FloatArray = (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)
    return made


def unsoftmax(values: FloatArray) -> FloatArray:
    """Returns the rows that sum to 1 and whose softmax these are."""
    logs = np.log(np.maximum(values, LEAST_LOGIT))
    made: FloatArray = (logs + (1 - logs.sum(axis=1, keepdims=True)) / values.shape[1]).astype(
        np.float32
    )
    return made


def _from_centres(given: FloatArray) -> FloatArray:
    half = given[:, 2:] / 2
    return np.hstack([given[:, :2] - half, given[:, :2] + half])


def _to_centres(given: FloatArray) -> FloatArray:
    return np.hstack([(given[:, :2] + given[:, 2:]) / 2, given[:, 2:] - given[:, :2]])


def _from_sizes(given: FloatArray) -> FloatArray:
    return np.hstack([given[:, :2], given[:, :2] + given[:, 2:]])


def _to_sizes(given: FloatArray) -> FloatArray:
    return np.hstack([given[:, :2], given[:, 2:] - given[:, :2]])
