"""From the graph's two tensors to the detections of one frame."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray
from spotlet.detections import Detections
from spotlet.letterbox import Letterbox
from spotlet.manifest import DetectionRule

MAX_CANDIDATES = 3000
"""How many of the best candidates enter suppression: bounds its time when every cell fires."""

EVERY_SCORE = -1.0
"""OpenCV's own threshold, set below every score: the candidates are chosen before."""

LEAST_SCORE = 1e-6
"""A lower score never counts, whatever the threshold: a threshold of 0 means all that fire."""


def detections_from_outputs(
    boxes: FloatArray,
    scores: FloatArray,
    letterbox: Letterbox,
    class_names: tuple[str, ...],
    rule: DetectionRule,
) -> Detections:
    """Returns the objects of one frame.

    A cell whose score reaches the threshold is a candidate for its best class, or for every
    such class if the rule says so; greedy non-maximum suppression (NMS) then acts within
    each class.

    Args:
        boxes: (K, 4) xyxy in [0, 1] of the canvas, clipped to it; a box that is then empty or not
            finite is not a candidate, so that it cannot suppress a good one.
        scores: (K, C) in [0, 1].
        letterbox: how the frame lay on the canvas.
        class_names: C names.
        rule: thresholds and limits.

    Returns:
        Best score first; boxes in frame pixels, clipped, none of them empty.
    """
    cells, class_ids = _candidates(scores, rule)
    if len(cells) == 0:
        return Detections.none(class_names)
    boxes = np.clip(boxes[cells], 0.0, 1.0)
    has_area = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    if not has_area.all():
        boxes, cells, class_ids = boxes[has_area], cells[has_area], class_ids[has_area]
        if len(cells) == 0:
            return Detections.none(class_names)
    candidate_scores = scores[cells, class_ids]
    if len(cells) > MAX_CANDIDATES:
        best = _best(candidate_scores, MAX_CANDIDATES)
        boxes, class_ids, candidate_scores = boxes[best], class_ids[best], candidate_scores[best]
    height, width = letterbox.canvas_hw
    canvas_boxes = boxes * np.array([width, height, width, height], np.float32)
    kept = suppress(canvas_boxes, candidate_scores, class_ids, rule.iou_threshold)
    frame_boxes = letterbox.to_frame(canvas_boxes[kept])
    found = Detections(frame_boxes, candidate_scores[kept], class_ids[kept], class_names)
    on_frame = np.all(frame_boxes[:, 2:] > frame_boxes[:, :2], axis=1)
    return found.select(np.flatnonzero(on_frame)[: rule.max_detections])


def _candidates(
    scores: FloatArray, rule: DetectionRule
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Returns the cell and the class of each candidate, (M,) each, ordered by cell, then class.

    Only this step reads every cell; the rest costs time per candidate.
    """
    at = np.flatnonzero(scores >= max(rule.score_threshold, LEAST_SCORE))
    cells, class_ids = np.divmod(at, scores.shape[1])
    if rule.every_class or len(at) == 0:
        return cells, class_ids
    is_first = np.ones(len(cells), np.bool_)
    np.not_equal(cells[1:], cells[:-1], out=is_first[1:])
    cells = cells[is_first]
    return cells, scores[cells].argmax(axis=1)


def _best(scores: FloatArray, most: int) -> npt.NDArray[np.int64]:
    """Returns the indices of the `most` best scores, ascending; of equal scores, the first.

    Precondition: there are more than `most` scores.
    """
    least = np.partition(scores, len(scores) - most)[len(scores) - most]
    over = np.flatnonzero(scores > least)
    equal = np.flatnonzero(scores == least)[: most - len(over)]
    return np.sort(np.concatenate([over, equal]))


def cells_from_detections(
    scores: FloatArray, class_ids: npt.NDArray[np.int64], count: npt.NDArray[np.int64], classes: int
) -> FloatArray:
    """Converts suppressed detections to the scores (N, M, C) of cells.

    Each row becomes a cell with one class, so that one decoder reads graphs with and without
    suppression; suppressed again, they all stay. Rows of an unknown class or beyond the count
    score 0.

    Args:
        scores: (N, M) in [0, 1].
        class_ids: (N, M).
        count: (N,), how many rows of each frame are detections.
        classes: C.
    """
    rows = np.arange(scores.shape[1]) < count[:, np.newaxis]
    cells = np.zeros((*scores.shape, classes), np.float32)
    np.copyto(
        cells,
        scores[..., np.newaxis],
        where=(class_ids[..., np.newaxis] == np.arange(classes)) & rows[..., np.newaxis],
    )
    return cells


def suppress(
    boxes_xyxy: FloatArray,
    scores: FloatArray,
    class_ids: npt.NDArray[np.int64],
    iou_threshold: float,
) -> npt.NDArray[np.int64]:
    """Returns the indices that greedy NMS within each class keeps, best score first.

    Args:
        boxes_xyxy: (N, 4) pixels, each with an area.
        scores: (N,), in [0, 1].
        class_ids: (N,).
        iou_threshold: a box that overlaps a kept one of its class by more is dropped.

    Returns:
        (M,) int64 indices; equal scores keep their order.
    """
    if len(scores) == 0:
        return np.zeros(0, np.int64)
    order = np.argsort(-scores, kind="stable")
    # OpenCV shifts each class's boxes by the greatest coordinate, so the least must be 0.
    boxes_xywh = boxes_xyxy - boxes_xyxy.min()
    boxes_xywh[:, 2:] -= boxes_xywh[:, :2]
    # OpenCV's type stubs accept only sequences, but it converts arrays fastest.
    nms: Any = cv2.dnn.NMSBoxesBatched
    kept = nms(
        boxes_xywh[order].astype(np.float64),
        scores[order],
        class_ids[order].astype(np.int32),
        EVERY_SCORE,
        iou_threshold,
    )
    ranks = np.array(kept, np.int64).ravel()
    ranks.sort()
    return order[ranks].astype(np.int64, copy=False)
