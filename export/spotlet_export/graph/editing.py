"""Edits that any ONNX graph takes: rename tensors, remove what is unused, remove export traces."""

from collections.abc import Iterator, Mapping

import onnx


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
            needed.update(_read_by(node))
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


def _read_by(node: onnx.NodeProto) -> set[str]:
    """Returns the names that a node reads, itself or in its subgraphs."""
    names = set(node.input)
    for inner in subgraphs(node):
        for each in inner.node:
            names |= _read_by(each)
    return names
