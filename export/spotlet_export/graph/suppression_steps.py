"""The steps of suppression in ONNX operators: the bodies are translated, never run.

Parameters and results are tensors of the graph, by name: constants of `suppression.py`, or results
of an earlier step. N frames, K cells, C classes, M most detections; k candidates, as many as the
frame of the batch with the most of them, and at least 1. After the first pass over the cells, the
cost depends on k alone.
"""
# mypy: disable-error-code="untyped-decorator, no-untyped-def"

from typing import Any

from onnxscript import opset18, script

op: Any = opset18  # its types allow tensors only, not the lists that may take their place


@script()
def usable_boxes(cell_boxes, low, high):
    """Returns boxes (N, K, 4), clipped to the canvas, and whether each has an area, (N, K, 1).

    The area is checked before the clip as well: what a clip makes of NaN differs between machines,
    and NaN is never greater.
    """
    clipped = op.Clip(cell_boxes, low, high)
    corner, opposite = op.Split(cell_boxes, [2, 2], axis=2)
    clipped_corner, clipped_opposite = op.Split(clipped, [2, 2], axis=2)
    longer = op.And(op.Greater(opposite, corner), op.Greater(clipped_opposite, clipped_corner))
    wide, high_enough = op.Split(op.Cast(longer, to=6), [1, 1], axis=2)
    has_area = op.And(op.Cast(wide, to=9), op.Cast(high_enough, to=9))
    return clipped, has_area


@script()
def best_of_cell(cell_scores, has_area, least_score, no_score, most_candidates, one):
    """Returns scores, cells and classes (N, k) of the candidates: each cell's best class.

    Of equal scores, TopK takes the first, among classes and among cells.
    """
    best, best_class = op.TopK(cell_scores, one, axis=2)
    fired = op.And(op.GreaterOrEqual(best, least_score), has_area)
    scores = op.Squeeze(op.Where(fired, best, no_score), [2])
    firing = op.ReduceSum(op.Cast(fired, to=7), [1, 2], keepdims=0)
    k = op.Min(op.Max(op.Reshape(op.ReduceMax(firing), [1]), one), most_candidates)
    candidate_scores, candidate_cells = op.TopK(scores, k, axis=1)
    classes = op.GatherElements(op.Squeeze(best_class, [2]), candidate_cells, axis=1)
    return candidate_scores, candidate_cells, classes


@script()
def every_of_cell(cell_scores, has_area, least_score, no_score, most_candidates, one, class_count):
    """Returns scores, cells and classes (N, k) of the candidates: every class that fired."""
    fired = op.And(op.GreaterOrEqual(cell_scores, least_score), has_area)
    scores = op.Reshape(op.Where(fired, cell_scores, no_score), [0, -1])
    firing = op.ReduceSum(op.Cast(fired, to=7), [1, 2], keepdims=0)
    k = op.Min(op.Max(op.Reshape(op.ReduceMax(firing), [1]), one), most_candidates)
    candidate_scores, places = op.TopK(scores, k, axis=1)
    return candidate_scores, op.Div(places, class_count), op.Mod(places, class_count)


@script()
def suppressed(
    boxes,
    scores,
    cells,
    classes,
    class_numbers,
    iou_threshold,
    most_detections,
    no_score,
    no_class,
    low,
):
    """Returns boxes (N, M, 4), scores (N, M), class ids (N, M) and count (N,).

    NonMaxSuppression has a lane for each class. Instead of a candidate's score it takes the rank,
    counted from the end: ranks have no ties, and all above 0 take part. Other rows than candidates
    come last and would drop none; they are left out to save their time.
    """
    boxes = op.GatherND(boxes, op.Unsqueeze(cells, [2]), batch_dims=1)
    k = op.Squeeze(op.Slice(op.Shape(scores), [1], [2]), [0])
    ranks = op.Cast(op.Range(k, no_class, op.Constant(value_int=-1)), to=1)
    entered = op.Unsqueeze(op.Greater(scores, low), [1])
    mine = op.And(op.Equal(op.Unsqueeze(classes, [1]), class_numbers), entered)
    lanes = op.Where(mine, ranks, low)
    most = op.Squeeze(most_detections, [0])  # no lane can hold more of the best
    picked = op.NonMaxSuppression(boxes, lanes, most, iou_threshold, low)
    places = op.Gather(picked, [0, 2], axis=1)
    none = op.Expand(no_score, op.Shape(scores))
    kept = op.ScatterND(none, places, op.GatherND(scores, places))
    rows = op.Min(op.Reshape(k, [1]), most_detections)
    row_scores, order = op.TopK(kept, rows, axis=1)
    filled = op.Greater(row_scores, low)
    order_deep = op.Unsqueeze(order, [2])
    row_boxes = op.Where(
        op.Unsqueeze(filled, [2]), op.GatherND(boxes, order_deep, batch_dims=1), low
    )
    row_classes = op.Where(filled, op.GatherElements(classes, order, axis=1), no_class)
    rest = op.Sub(most_detections, rows)
    # As constants: opset 13 lacks the operator that a list among tensors would become.
    flat_pads = op.Concat(op.Constant(value_ints=[0, 0, 0]), rest, axis=0)
    before, after = op.Constant(value_ints=[0, 0, 0, 0]), op.Constant(value_ints=[0])
    deep_pads = op.Concat(before, rest, after, axis=0)
    return (
        op.Pad(row_boxes, deep_pads),
        op.Pad(op.Where(filled, row_scores, low), flat_pads),
        op.Pad(row_classes, flat_pads),
        op.ReduceSum(op.Cast(filled, to=7), [1], keepdims=0),
    )
