"""Brings a graph to an older or newer set of operators, where that changes nothing it computes."""

from collections.abc import Iterator

import onnx
from onnx import defs, helper, inliner, shape_inference, version_converter

from spotlet_export.graph.editing import subgraphs

ONNX_DOMAINS = ("", "ai.onnx")


def opset_of(model: onnx.ModelProto) -> int:
    """Returns the version of ONNX's own operators; 0 if it has none."""
    return next((each.version for each in model.opset_import if each.domain in ONNX_DOMAINS), 0)


def with_opset(model: onnx.ModelProto, oldest: int, newest: int) -> onnx.ModelProto:
    """Returns a model whose opset is in a range: the same one, if its opset is already.

    An older one goes through onnx's converter. A newer one only gets another number, if each of its
    nodes could be one of the older set; operators that are new and defined by others are replaced
    by those first. Later versions of an operator mostly add types and optional attributes.

    Precondition: no functions in the model.

    Raises:
        ValueError: it cannot be done; the text says which operator is why.
    """
    opset = opset_of(model)
    if opset > newest:
        return _lowered(model, newest)
    if opset >= oldest:
        return model
    try:
        return version_converter.convert_version(model, oldest)
    except Exception as error:  # the converter raises RuntimeError and others
        raise ValueError(str(error).splitlines()[0]) from error


def _lowered(model: onnx.ModelProto, newest: int) -> onnx.ModelProto:
    opset, known = opset_of(model), defs.onnx_opset_version()
    if opset > known:
        raise ValueError(f"onnx {onnx.__version__} knows opsets up to {known}, upgrade it")
    new = sorted({node.op_type for node in _nodes(model.graph) if _schema(node, newest) is None})
    if new:
        try:
            model = inliner.inline_selected_functions(
                _typed(model), [("", name) for name in new], inline_schema_functions=True
            )
        except Exception as error:  # onnx's, or a TypeError of one that is too old for this
            raise ValueError(f"operator {new[0]} is newer") from error
    lowered = onnx.ModelProto()
    lowered.CopyFrom(model)
    for node in _nodes(lowered.graph):
        schema = _schema(node, newest)
        if schema is None:
            raise ValueError(f"operator {node.op_type} is newer")
        unknown = [each.name for each in node.attribute if each.name not in schema.attributes]
        if unknown:
            raise ValueError(f"attribute {unknown[0]} of {node.op_type} is newer")
        if len(node.input) > schema.max_input or len(node.output) > schema.max_output:
            raise ValueError(f"inputs or outputs of {node.op_type} are newer")
    for each in lowered.opset_import:
        if each.domain in ONNX_DOMAINS:
            each.version = newest
    return lowered


def _typed(model: onnx.ModelProto) -> onnx.ModelProto:
    """Returns a copy with types and shapes, on which some operators' definitions depend."""
    typed = shape_inference.infer_shapes(model, data_prop=True)
    known = {each.name for part in (typed.graph.input, typed.graph.value_info) for each in part}
    typed.graph.value_info.extend(
        helper.make_tensor_value_info(each.name, each.data_type, each.dims)
        for each in typed.graph.initializer
        if each.name not in known
    )
    return typed


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Yields the nodes of ONNX's own operators, in subgraphs too."""
    for node in graph.node:
        if node.domain in ONNX_DOMAINS:
            yield node
        for inner in subgraphs(node):
            yield from _nodes(inner)


def _schema(node: onnx.NodeProto, opset: int) -> defs.OpSchema | None:
    try:
        return defs.get_schema(node.op_type, opset, "")
    except defs.SchemaError:
        return None
