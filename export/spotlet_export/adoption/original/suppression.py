"""Finds the boxes and scores of all cells that enter a suppression within a graph."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from spotlet_export.graph.dependence import Dependence
from spotlet_export.graph.editing import read_by

Run = Callable[[onnx.ModelProto], Mapping[str, npt.NDArray[Any]]]
"""Runs a model on some picture; returns its outputs by name."""

RAW_BOXES, RAW_SCORES = "raw_boxes", "raw_scores"
"""Names of the outputs where a graph was cut."""

LEAST_CELLS = 20
"""Fewer are not the cells of a detector."""

NEAREST = 200
"""Tensors before the suppression that are looked at: decoding and activation take some fifty."""

REORDERING = frozenset({"TopK", "NonMaxSuppression", "NonZero", "Compress", "Unique"})
"""Operators after which a row no longer belongs to the cell with its number."""

GATHERS = frozenset({"Gather", "GatherElements", "GatherND", "ScatterND", "ScatterElements"})


def cut_before(
    model: onnx.ModelProto, place: int, image: str, run: Run
) -> list[onnx.ValueInfoProto]:
    """Writes the boxes and scores of all cells that enter a loop as new tensors; returns these.

    Args:
        model: with sorted nodes; its graph gets nodes.
        place: of the loop among the nodes.
        image: the input with the picture.
        run: runs a model on some picture.

    Returns:
        `RAW_BOXES` (1, K, 4) and `RAW_SCORES` (1, K, C); empty if there are none, or it is not
        certain that they belong together.
    """
    graph = model.graph
    if place >= len(graph.node):
        return []
    tensors = _tensors(model, place, _in_cell_order(graph, place, image)[-NEAREST:], run)
    boxes = {name: cells for name, (cells, columns, _) in tensors.items() if columns == 4}
    if not boxes:  # the same for every picture
        stored = _stored(graph, place)
        tensors |= stored
        boxes = {name: cells for name, (cells, columns, _) in stored.items() if columns == 4}
        if len(boxes) > 1:
            return []
    most = max(boxes.values(), default=0)
    if most < LEAST_CELLS:
        return []
    of_boxes = [name for name, cells in boxes.items() if cells == most]
    behind_boxes = ancestors(graph, of_boxes[-1])
    columns = {
        name: columns
        for name, (cells, columns, _) in tensors.items()
        if cells == most
        and name not in behind_boxes
        and ancestors(graph, name).isdisjoint(of_boxes)
    }
    of_scores = [name for name in columns if columns[name] > 1] or list(columns)
    if (
        not of_scores
        or not behind_boxes.issuperset(of_boxes)
        or not ancestors(graph, of_scores[-1]).issuperset(of_scores)
    ):
        return []
    ports = []
    for name, made in ((of_boxes[-1], RAW_BOXES), (of_scores[-1], RAW_SCORES)):
        cells, width, kind = tensors[name]
        shape = numpy_helper.from_array(np.array([1, cells, width]), f"{made}_shape")
        graph.initializer.append(shape)
        graph.node.insert(place, helper.make_node("Reshape", [name, shape.name], [made]))
        ports.append(helper.make_tensor_value_info(made, kind, [1, cells, width]))
    return ports


def _tensors(
    model: onnx.ModelProto, place: int, names: Sequence[str], run: Run
) -> dict[str, tuple[int, int, int]]:
    """Returns cells, columns and ONNX's type of the tensors that have these sides, of numbers."""
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:], probe.graph.node[place:]
    probe.graph.output.extend(map(helper.make_empty_tensor_value_info, names))
    found = {name: _rows(tensor) for name, tensor in run(probe).items()}
    return {name: rows for name, rows in found.items() if rows is not None}


def _stored(graph: onnx.GraphProto, place: int) -> dict[str, tuple[int, int, int]]:
    """Returns the same of constants that enter a node."""
    needed = set().union(*(ancestors(graph, name) for name in read_by(graph.node[place])))
    found = {
        each.name: _rows(numpy_helper.to_array(each))
        for each in graph.initializer
        if each.name in needed
    }
    return {name: rows for name, rows in found.items() if rows is not None}


def _rows(tensor: npt.NDArray[Any]) -> tuple[int, int, int] | None:
    sides = [side for side in tensor.shape[:-1] if side != 1] + list(tensor.shape[-1:])
    if not np.issubdtype(tensor.dtype, np.floating) or len(sides) != 2:
        return None
    return sides[0], sides[1], helper.np_dtype_to_tensor_dtype(tensor.dtype)


def ancestors(graph: onnx.GraphProto, name: str) -> set[str]:
    """Returns a tensor and those that it is made of."""
    names = {name}
    for node in reversed(graph.node):
        if not names.isdisjoint(node.output):
            names |= read_by(node)
    return names


def _in_cell_order(graph: onnx.GraphProto, place: int, image: str) -> list[str]:
    """Returns the tensors that enter a node and depend on the pixels, in the order of their making.

    Those whose rows were sorted or selected are left out.
    """
    pixels = Dependence(graph, [image])
    needed, moved = set(read_by(graph.node[place])), set[str]()
    for node in graph.node[:place]:
        picks = node.op_type in GATHERS and not pixels.values.isdisjoint(node.input[1:2])
        if node.op_type in REORDERING or picks or not moved.isdisjoint(read_by(node)):
            moved.update(node.output)
    for node in reversed(graph.node[:place]):
        if not needed.isdisjoint(node.output):
            needed |= read_by(node)
    return [
        name
        for node in graph.node[:place]
        for name in node.output
        if name in needed and name in pixels.values - pixels.shapes - moved
    ]
