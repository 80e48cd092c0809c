"""Reads from a graph with which thresholds it suppresses, where it is cut off before that."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from spotlet_export.adoption.original.suppression import RAW_BOXES, RAW_SCORES, ancestors
from spotlet_export.graph.dependence import loop_body
from spotlet_export.graph.editing import read_by, subgraphs

SUPPRESSION = "NonMaxSuppression"
MOST, IOU, SCORE = 2, 3, 4
"""Inputs of `SUPPRESSION`: rows for each class, IoU threshold, score threshold."""

COMPARISONS = frozenset({"Greater", "GreaterOrEqual", "Less", "LessOrEqual"})

PASSING = frozenset({"Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze"})
"""Operators that leave a number what it is."""

MOVING = PASSING | {"Transpose", "Slice"}
"""Operators that leave scores what they are."""

LEAST_SCORE = 0.1
"""Lower thresholds of a graph are for measuring accuracy, or say that it has none."""

Scalars = Mapping[str, float]
"""Numbers that are the same for every picture, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionRule:
    """How the original suppresses.

    Attributes:
        iou_threshold: over which a box is dropped; None if it is not certain.
        score_threshold: under which one is dropped; None if it is not certain, or very low.
        max_detections: that it returns; None if that is not certain.
        over_classes: whether a box also suppresses those of other classes.
    """

    iou_threshold: float | None = None
    score_threshold: float | None = None
    max_detections: int | None = None
    over_classes: bool = False

    def __str__(self) -> str:
        if self.iou_threshold is None:
            text = "with its own IoU threshold, since the file's is not certain: if you know it, "
            text += "give --iou"
        else:
            text = f"with the file's IoU threshold {self.iou_threshold:g}"
            if self.score_threshold is not None:
                text += f" and score threshold {self.score_threshold:g}"
            text += " unless --iou and --score say otherwise"
        if self.over_classes:
            text += (
                "; the file suppresses over all classes, Spotlet within each: of overlapping boxes "
                "of different classes, both stay"
            )
        return text


def suppression_rule(graph: onnx.GraphProto, place: int) -> SuppressionRule:
    """Returns how a graph suppresses.

    Args:
        graph: of `cut_before`, with the nodes that it was cut off from.
        place: of the loop among its nodes, before which it is cut.
    """
    cuts = {
        node.output[0]: node for node in graph.node if node.output[0] in (RAW_BOXES, RAW_SCORES)
    }
    shape = next(each for each in graph.initializer if each.name == cuts[RAW_SCORES].input[1])
    classes = int(numpy_helper.to_array(shape)[-1])
    scores = {cuts[RAW_SCORES].input[0]}  # and as they were before they were moved
    for node in reversed(graph.node[:place]):
        if node.op_type in MOVING and not scores.isdisjoint(node.output):
            scores.add(node.input[0])
    known = _scalars(graph, {})
    of_scores = _forward(graph, scores)
    at_work = [node for node in graph.node if not read_by(node).isdisjoint(of_scores)]
    operators = [node for node in at_work if _is_suppression(node)]
    of_classes = scores - ancestors(graph, cuts[RAW_BOXES].input[0])
    over_classes = classes > 1 and _are_over_classes(
        graph, operators or [graph.node[place]], of_classes
    )
    if operators:
        iou, least, most = (_only(_inputs(operators, known, at)) for at in (IOU, SCORE, MOST))
    else:
        iou, least = map(_only, _compared(graph, known, scores))
        most = None
    return SuppressionRule(
        iou_threshold=iou if iou is not None and 0 < iou < 1 else None,
        score_threshold=least if least is not None and LEAST_SCORE <= least < 1 else None,
        max_detections=int(most) if most and most >= 1 and (over_classes or classes == 1) else None,
        over_classes=over_classes,
    )


def _only(found: Iterable[float]) -> float | None:
    """Returns the number if all are the same."""
    numbers = {float(f"{number:.6g}") for number in found}
    return numbers.pop() if len(numbers) == 1 else None


def _scalars(graph: onnx.GraphProto, outer: Scalars) -> dict[str, float]:
    """Returns the numbers that a graph, or one within another, knows."""
    known = dict(outer)
    for each in graph.initializer:
        _note(known, each.name, numpy_helper.to_array(each))
    for node in graph.node:
        if node.op_type == "Constant":
            value = helper.get_attribute_value(node.attribute[0])
            is_tensor = isinstance(value, onnx.TensorProto)
            number = numpy_helper.to_array(value) if is_tensor else np.asarray(value)
            _note(known, node.output[0], number)
        elif node.op_type in PASSING and node.input[0] in known:
            known[node.output[0]] = known[node.input[0]]
    return known


def _note(known: dict[str, float], name: str, value: npt.NDArray[Any]) -> None:
    if value.size == 1 and np.issubdtype(value.dtype, np.number):
        known[name] = float(value.item())


def _within(node: onnx.NodeProto, known: Scalars) -> Iterator[tuple[onnx.NodeProto, Scalars]]:
    """Yields a node and all within it, with the numbers that are known there."""
    yield node, known
    for inner in subgraphs(node):
        outer = dict(known)
        if node.op_type == "Loop":
            body = loop_body(node)
            ends = dict(zip((each.name for each in body.input[1:]), body.output, strict=False))
            same = {each.output[0]: each.input[0] for each in inner.node if each.op_type in PASSING}
            for start, port in zip(node.input[1:], body.input[1:], strict=False):
                end = ends[port.name].name
                if start in known and port.name in (end, same.get(end)):
                    outer[port.name] = known[start]
        there = _scalars(inner, outer)
        for each in inner.node:
            yield from _within(each, there)


def _is_suppression(node: onnx.NodeProto) -> bool:
    return any(each.op_type == SUPPRESSION for each, _ in _within(node, {}))


def _inputs(nodes: Iterable[onnx.NodeProto], known: Scalars, at: int) -> Iterator[float]:
    """Yields an input of the suppressions among nodes and within them; nan if it is not known."""
    for node in nodes:
        for each, numbers in _within(node, known):
            if each.op_type == SUPPRESSION:
                yield numbers.get(each.input[at], np.nan) if at < len(each.input) else np.nan


def _compared(
    graph: onnx.GraphProto, known: Scalars, scores: set[str]
) -> tuple[list[float], list[float]]:
    """Returns the fractions that a graph compares with overlaps, and with the scores.

    What was divided on the way is an overlap: that of two boxes, by the area of both.
    """
    nodes = [pair for node in graph.node for pair in _within(node, known)]
    sources = _sources([node for node, _ in nodes])
    divided = {name for node, _ in nodes if node.op_type == "Div" for name in node.output}
    of_overlaps, of_scores = list[float](), list[float]()
    for node, numbers in nodes:
        if node.op_type not in COMPARISONS:
            continue
        fractions = [numbers[name] for name in node.input if 0 < numbers.get(name, 0) < 1]
        behind, ahead = set[str](), [name for name in node.input if name not in numbers]
        while ahead:
            name = ahead.pop()
            if name not in behind:
                behind.add(name)
                ahead.extend(() if name in scores else sources.get(name, ()))
        if not behind.isdisjoint(divided):
            of_overlaps += fractions
        elif not behind.isdisjoint(scores):
            of_scores += fractions
    return of_overlaps, of_scores


def _sources(nodes: Iterable[onnx.NodeProto]) -> dict[str, set[str]]:
    """Returns what each tensor is made of, but for comparisons: these make no numbers."""
    sources: dict[str, set[str]] = {}
    for node in nodes:
        if node.op_type in COMPARISONS:
            continue
        inputs = () if next(subgraphs(node), None) is not None else node.input
        for name in node.output:
            sources.setdefault(name, set()).update(inputs)
        for inner in subgraphs(node):
            ends = [each.name for each in inner.output]
            ports = [each.name for each in inner.input]
            if node.op_type == "Loop":  # the number of the turn comes in, whether to go on goes out
                for port, start in zip(ports[1:], node.input[1:], strict=False):
                    sources.setdefault(port, set()).add(start)
                for port, end in zip(ports[1:], ends, strict=False):
                    sources.setdefault(port, set()).add(end)
                ends = ends[1:]
            for name, end in zip(node.output, ends, strict=False):
                sources[name].add(end)
    return sources


def _forward(graph: onnx.GraphProto, names: Iterable[str]) -> set[str]:
    """Returns tensors and all that are made of them."""
    found = set(names)
    for node in graph.node:
        if not read_by(node).isdisjoint(found):
            found.update(node.output)
    return found


def _are_over_classes(
    graph: onnx.GraphProto, consumers: Iterable[onnx.NodeProto], scores: set[str]
) -> bool:
    """Returns whether the scores reach a suppression only as the best of each cell.

    If the number of the best class reaches it too, boxes are moved apart by it.
    """
    known = _scalars(graph, {})
    by_class, numbers = set(scores), set[str]()
    for node in graph.node:
        if read_by(node).isdisjoint(by_class):
            continue
        if node.op_type == "ArgMax":
            numbers.update(node.output)
        elif node.op_type == "TopK" and known.get(node.input[1]) == 1:
            numbers.add(node.output[1])
        elif not _is_best_of_columns(node, known):
            by_class.update(node.output)
    beyond = by_class | _forward(graph, numbers)
    return all(read_by(node).isdisjoint(beyond) for node in consumers)


def _is_best_of_columns(node: onnx.NodeProto, known: Scalars) -> bool:
    if node.op_type != "ReduceMax":
        return False
    axes = next((list(each.ints) for each in node.attribute if each.name == "axes"), [])
    axes = axes or [known[name] for name in node.input[1:] if name in known]
    return len(axes) == 1 and axes[0] != 0
