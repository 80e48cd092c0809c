"""Edits that any ONNX graph takes: sort, rename, remove what is unused, remove export traces."""

import heapq
from collections import defaultdict
from collections.abc import Iterator, Mapping

import onnx
from onnx import numpy_helper


def sort_nodes(graph: onnx.GraphProto) -> bool:
    """Sorts nodes so that each follows those whose results it reads, in subgraphs too.

    Stable: of the nodes that could come next, it takes the first. onnxruntime loads unsorted graphs
    and exporters write them, though ONNX forbids them.

    Args:
        graph: is changed, unless it is sorted.

    Returns:
        Whether it changed.

    Raises:
        ValueError: nodes wait for each other in a circle.

    Source: Kahn 1962, "Topological sorting of large networks".
    """
    nodes = list(graph.node)
    changed = sum(sort_nodes(inner) for node in nodes for inner in subgraphs(node)) > 0
    makers = {name: place for place, node in enumerate(nodes) for name in node.output if name}
    readers: dict[int, list[int]] = defaultdict(list)
    waits = [0] * len(nodes)
    for place, node in enumerate(nodes):
        for maker in {makers[name] for name in read_by(node) if name in makers}:
            readers[maker].append(place)
            waits[place] += 1
    ready = [place for place, count in enumerate(waits) if not count]
    order = []
    while ready:
        order.append(heapq.heappop(ready))
        for reader in readers[order[-1]]:
            waits[reader] -= 1
            if not waits[reader]:
                heapq.heappush(ready, reader)
    if len(order) < len(nodes):
        stuck = next(node for place, node in enumerate(nodes) if waits[place])
        raise ValueError(f"{stuck.op_type} {stuck.name!r} waits for its own result")
    if order != sorted(order):
        del graph.node[:]
        graph.node.extend(nodes[place] for place in order)
        changed = True
    return changed


def rename_tensors(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    """Renames tensors of a graph, in its subgraphs too.

    Args:
        graph: is changed.
        names: new names by old ones; other tensors keep theirs.
    """
    for part in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
        part.name = names.get(part.name, part.name)
    for sparse in graph.sparse_initializer:
        sparse.values.name = names.get(sparse.values.name, sparse.values.name)
    for node in graph.node:
        rename_in_node(node, names)


def rename_in_node(node: onnx.NodeProto, names: Mapping[str, str]) -> None:
    """Renames tensors that a node reads and writes, in its subgraphs too."""
    node.input[:] = [names.get(name, name) for name in node.input]
    node.output[:] = [names.get(name, name) for name in node.output]
    for inner in subgraphs(node):
        rename_tensors(inner, names)


def prune(graph: onnx.GraphProto) -> None:
    """Removes nodes and constants that no output of the graph needs."""
    needed = {output.name for output in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            kept.append(node)
            needed |= read_by(node)
    constants = [each for each in graph.initializer if each.name in needed]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(reversed(kept))
    graph.initializer.extend(constants)


def strip_traces(model: onnx.ModelProto) -> None:
    """Removes what describes the machine that exported: source lines, paths, module names.

    The metadata of the model itself goes too.
    """
    model.doc_string = ""
    del model.metadata_props[:]
    graphs = [model.graph]
    while graphs:
        graph = graphs.pop()
        tensors = (*graph.input, *graph.output, *graph.value_info, *graph.initializer)
        for part in (graph, *graph.node):
            part.doc_string = ""  # written, though empty: a model's bytes stay what they were
        for part in tensors:
            part.ClearField("doc_string")
        for part in (graph, *graph.node, *tensors):
            del part.metadata_props[:]
        for node in graph.node:
            graphs.extend(subgraphs(node))


def subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Yields the graphs that are attributes of a node, such as the branches of an If."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def read_by(node: onnx.NodeProto) -> set[str]:
    """Returns the names that a node reads: its inputs, and what its subgraphs take from outside."""
    names = {name for name in node.input if name}
    for inner in subgraphs(node):
        own = {each.name for part in (inner.input, inner.initializer) for each in part}
        own |= {name for each in inner.node for name in each.output}
        read = {name for each in inner.node for name in read_by(each)}
        names |= (read | {each.name for each in inner.output}) - own
    return names


def spread_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Returns a copy with each product of two constants as a constant, for what needs weights."""
    spread = onnx.ModelProto()
    spread.CopyFrom(model)
    graph = spread.graph
    values = {each.name: each for each in graph.initializer}
    for node in list(graph.node):
        if node.op_type == "Mul" and all(name in values for name in node.input):
            one, other = (numpy_helper.to_array(values[name]) for name in node.input)
            graph.initializer.append(numpy_helper.from_array(one * other, node.output[0]))
            graph.node.remove(node)
    prune(graph)
    return spread
