"""What is in an ONNX file, looked at before onnxruntime opens it.

onnxruntime trusts a graph in much: it follows the names of files in it, computes constants of any
size while it loads, and repeats a loop as often as the graph says. Here the file is walked field by
field, weights passed over by their length, and refused where it breaks a rule. It takes a few
milliseconds, and no memory.

Source: ONNX, "onnx.proto" (field numbers and what they mean):
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

import math
from collections import ChainMap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from spotlet.errors import ModelFileError
from spotlet.model.graph_rules import (
    COMPLEX,
    ELEMENT_BITS,
    INT64,
    MOST_ATTRIBUTES,
    MOST_DEPTH,
    MOST_ELEMENTS,
    MOST_NODES,
    MOST_RANK,
    MOST_TENSORS,
    STRING,
    Constant,
    check_attribute,
    check_growth,
    check_operator,
)
from spotlet.model.wire import BYTES, VARINT, Field, fields, integers, signed
from spotlet.text.plain import plain_line

SMALL_BYTES = 256
"""Of a tensor whose values are kept: shapes, pads, scales. Weights are larger."""

MODEL_GRAPH, MODEL_TRAINING, MODEL_FUNCTIONS = 7, 20, 25
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_INPUT, GRAPH_SPARSE = 1, 5, 11, 15
VALUE_NAME = 1
NODE_INPUT, NODE_OUTPUT, NODE_OPERATOR, NODE_ATTRIBUTE, NODE_DOMAIN = 1, 2, 4, 5, 7
ATTRIBUTE_NAME, ATTRIBUTE_INT, ATTRIBUTE_TENSOR, ATTRIBUTE_GRAPH, ATTRIBUTE_INTS = 1, 3, 5, 6, 8
ATTRIBUTE_TENSORS, ATTRIBUTE_GRAPHS, ATTRIBUTE_SPARSE = 10, 11, (22, 23)
TENSOR_DIMS, TENSOR_TYPE, TENSOR_SEGMENT, TENSOR_STRINGS, TENSOR_NAME = 1, 2, 3, 6, 8
TENSOR_RAW, TENSOR_EXTERNAL, TENSOR_LOCATION = 9, 13, 14
TENSOR_TYPED = (4, 5, 6, 7, 10, 11)
FLOAT_WIDTHS = {4: 4, 10: 8}
"""Bytes of an element in `float_data` and `double_data`; the others are varints."""

SHAPE_OPERATORS = frozenset({"Shape", "Size", "Constant"})
"""Give a constant though their input may be none, where the input's shape is known."""


VARIES = Constant((), 0, ())
"""Stands for what depends on the picture."""

Names = ChainMap[str, Constant | None]
"""What a graph sees by name, of its own and of those around it: `VARIES`, a small stored tensor, or
None for any other constant."""


@dataclass(slots=True)
class GraphFacts:
    """What the walk counted.

    Attributes:
        nodes: in the graph and all its subgraphs.
        tensors: stored ones, initialisers and attributes.
        constant_nodes: that onnxruntime may compute while it loads, since they follow from stored
            tensors and from shapes alone. Never fewer than it does.
    """

    nodes: int = 0
    tensors: int = 0
    constant_nodes: int = 0


def check_graph_file(content: bytes) -> GraphFacts:
    """Does nothing but count where a model file keeps the rules.

    Args:
        content: of the `.onnx` file.

    Raises:
        ModelFileError: it is no ONNX, cut short, or breaks a rule of `spotlet.model.graph_rules`.
    """
    facts = GraphFacts()
    try:
        graphs = []
        for item in fields(content, 0, len(content)):
            if item[0] in (MODEL_TRAINING, MODEL_FUNCTIONS):
                what = "functions of its own" if item[0] == MODEL_FUNCTIONS else "training"
                raise ModelFileError(f"holds {what}; export the model with its functions inlined")
            if item[0] == MODEL_GRAPH:
                graphs.append(_message(item))
        if len(graphs) != 1:
            raise ValueError(f"it holds {len(graphs)} graphs")
        _walk_graph(content, *graphs[0], facts, ChainMap(), depth=0)
    except ValueError as error:
        raise ModelFileError(f"no whole ONNX file ({error}); copy or export it again") from error
    return facts


def _walk_graph(
    content: bytes,
    start: int,
    end: int,
    facts: GraphFacts,
    outer: Names,
    depth: int,
) -> None:
    """Looks at a graph; `outer` is what the graphs around it hold."""
    if depth > MOST_DEPTH:
        raise ModelFileError(f"graphs within graphs, deeper than {MOST_DEPTH}; export it flat")
    nodes = []
    names = outer.new_child()
    for item in fields(content, start, end):
        number = item[0]
        if number == GRAPH_NODE:
            nodes.append(_message(item))
        elif number == GRAPH_INITIALIZER:
            name, constant = _walk_tensor(content, *_message(item), facts)
            names[name] = constant
        elif number == GRAPH_INPUT:
            inputs = fields(content, *_message(item))
            for name in [_text(content, each) for each in inputs if each[0] == VALUE_NAME]:
                names.maps[0].setdefault(name, VARIES)  # in old files initialisers are inputs too
        elif number == GRAPH_SPARSE:
            raise ModelFileError("holds sparse tensors; export the model with dense ones")
    facts.nodes += len(nodes)
    if facts.nodes > MOST_NODES:
        raise ModelFileError(f"holds over {MOST_NODES} nodes, the most that are loaded")
    for node in nodes:
        _walk_node(content, *node, facts, names, depth)


def _walk_node(
    content: bytes,
    start: int,
    end: int,
    facts: GraphFacts,
    names: Names,
    depth: int,
) -> None:
    inputs: list[str] = []
    outputs: list[str] = []
    attributes = []
    operator = domain = None
    for item in fields(content, start, end):
        number = item[0]
        if number == NODE_INPUT:
            inputs.append(_text(content, item))
        elif number == NODE_OUTPUT:
            outputs.append(_text(content, item))
        elif number == NODE_ATTRIBUTE:
            attributes.append(_message(item))
        elif number == NODE_OPERATOR:
            operator = _once(operator, _text(content, item))
        elif number == NODE_DOMAIN:
            domain = _once(domain, _text(content, item))
    if len(attributes) > MOST_ATTRIBUTES:
        raise ModelFileError(
            f"a node has over {MOST_ATTRIBUTES} attributes; export the model again"
        )
    operator = operator or ""
    check_operator(operator, domain or "")
    held = None
    for attribute in attributes:
        tensor = _walk_attribute(content, *attribute, operator, facts, names, depth)
        held = tensor or held
    for name in inputs:
        if name and name not in names:
            raise ModelFileError(
                f"{plain_line(operator, 60)} takes {plain_line(name, 60)!r}, which nothing before "
                "it gives; copy or export the model again"
            )
    known = [names[name] if name else None for name in inputs]
    constant = depth > 0 or operator in SHAPE_OPERATORS or VARIES not in known
    facts.constant_nodes += constant
    check_growth(operator, [None if each is VARIES else each for each in known])
    for name in outputs:
        names[name] = (held if operator == "Constant" else None) if constant else VARIES


def _walk_attribute(
    content: bytes,
    start: int,
    end: int,
    operator: str,
    facts: GraphFacts,
    names: Names,
    depth: int,
) -> Constant | None:
    """Returns the small tensor that the attribute holds, if it holds one."""
    name = ""
    numbers: list[int] = []
    tensors = []
    graphs = []
    for item in fields(content, start, end):
        number = item[0]
        if number == ATTRIBUTE_NAME:
            name = _once(name or None, _text(content, item))
        elif number in (ATTRIBUTE_INT, ATTRIBUTE_INTS):
            numbers += integers(content, item)
        elif number in (ATTRIBUTE_TENSOR, ATTRIBUTE_TENSORS):
            tensors.append(_message(item))
        elif number in (ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS):
            graphs.append(_message(item))
        elif number in ATTRIBUTE_SPARSE:
            raise ModelFileError("holds sparse tensors; export the model with dense ones")
    check_attribute(operator, name, numbers)
    held = None
    for tensor in tensors:
        _, held = _walk_tensor(content, *tensor, facts)
    for graph in graphs:
        _walk_graph(content, *graph, facts, names, depth + 1)
    if held is None and operator == "Constant" and name in ("value_int", "value_ints"):
        held = Constant((len(numbers),), INT64, tuple(numbers))
    return held


def _walk_tensor(
    content: bytes, start: int, end: int, facts: GraphFacts
) -> tuple[str, Constant | None]:
    """Returns a stored tensor's name, and its values where they are few."""
    facts.tensors += 1
    if facts.tensors > MOST_TENSORS:
        raise ModelFileError(f"holds over {MOST_TENSORS} tensors, the most that are loaded")
    dims: list[int] = []
    name, kind, raw = "", None, None
    typed: list[Field] = []
    for item in fields(content, start, end):
        number = item[0]
        if number == TENSOR_DIMS:
            dims += integers(content, item)
        elif number == TENSOR_TYPE:
            kind = _once(kind, _number(item))
        elif number == TENSOR_NAME:
            name = _once(name or None, _text(content, item))
        elif number == TENSOR_RAW:
            raw = _once(raw, _message(item))
        elif number in TENSOR_TYPED:
            typed.append(item)
        elif number == TENSOR_EXTERNAL or (number == TENSOR_LOCATION and _number(item) != 0):
            raise ModelFileError(
                f"tensor {plain_line(name, 60)!r} lies in another file; a model is one file: save "
                "it with its weights inside"
            )
        elif number == TENSOR_SEGMENT:
            raise ModelFileError("holds a tensor in pieces; export the model again")
    count = _count(dims, name)
    _check_bytes(content, count, kind, raw, typed, name)
    if raw is None or kind not in (1, INT64) or raw[1] - raw[0] > SMALL_BYTES:
        values = _typed_values(content, typed) if kind == INT64 and count * 8 <= SMALL_BYTES else ()
        return name, Constant(tuple(dims), kind or 0, values) if values else None
    return name, Constant.from_raw(tuple(dims), kind, content[raw[0] : raw[1]])


def _count(dims: list[int], name: str) -> int:
    """Returns how many elements there are of this shape."""
    if len(dims) > MOST_RANK or any(side < 0 for side in dims):
        raise ModelFileError(
            f"tensor {plain_line(name, 60)!r} has the shape {dims[:8]!s}; export it again"
        )
    # Sides beside a 0 count too: onnxruntime multiplies them before it sees the 0.
    if math.prod(max(side, 1) for side in dims) > MOST_ELEMENTS:
        raise ModelFileError(
            f"tensor {plain_line(name, 60)!r} has the shape {dims[:8]!s}: over {MOST_ELEMENTS} "
            "elements"
        )
    return math.prod(dims)


def _check_bytes(
    content: bytes,
    count: int,
    kind: int | None,
    raw: tuple[int, int] | None,
    typed: list[Field],
    name: str,
) -> None:
    """Raises ModelFileError where a tensor's shape and what is stored of it do not agree."""
    bits = ELEMENT_BITS.get(kind or 0)
    if kind == STRING:
        fits = raw is None and sum(item[0] == TENSOR_STRINGS for item in typed) == count
    elif bits is None:
        raise ModelFileError(
            f"tensor {plain_line(name, 60)!r} is of the type {kind}, which is not known"
        )
    elif raw is not None:
        fits = not typed and raw[1] - raw[0] == -(-count * bits // 8)
    else:
        stored = sum(_elements(content, item) for item in typed)
        # Complex numbers are two; of less than a byte, as many share one as go in.
        wanted = 2 * count if kind in COMPLEX else -(-count * min(bits, 8) // 8)
        fits = stored == wanted
    if not fits:
        raise ModelFileError(
            f"tensor {plain_line(name, 60)!r}: its shape and its bytes do not agree; copy or "
            "export the model again"
        )


def _elements(content: bytes, item: Field) -> int:
    """Returns how many elements a field of stored values has."""
    number, kind, start, end = item
    if kind != BYTES:
        return 1
    if number in FLOAT_WIDTHS:
        return (end - start) // FLOAT_WIDTHS[number]
    # A varint ends with a byte below 128; translate() counts without a loop in Python.
    return len(content[start:end].translate(None, _GOES_ON))


_GOES_ON = bytes(range(128, 256))


def _typed_values(content: bytes, typed: Iterable[Field]) -> tuple[int, ...]:
    return tuple(value for item in typed if item[0] == 7 for value in integers(content, item))


def _message(item: Field) -> tuple[int, int]:
    if item[1] != BYTES:
        raise ValueError(f"field {item[0]} is of another type")
    return item[2], item[3]


def _text(content: bytes, item: Field) -> str:
    start, end = _message(item)
    return content[start:end].decode("utf-8")  # a UnicodeDecodeError is a ValueError


def _number(item: Field) -> int:
    if item[1] != VARINT:
        raise ValueError(f"field {item[0]} is of another type")
    return signed(item[2])


_Value = TypeVar("_Value")


def _once(before: _Value | None, value: _Value) -> _Value:
    """Returns a value that a message may give once: of two, readers may take either."""
    if before is not None:
        raise ValueError("something stands twice that may stand once")
    return value
