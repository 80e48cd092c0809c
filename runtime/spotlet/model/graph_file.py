"""What an ONNX file contains, checked before onnxruntime opens it.

onnxruntime trusts a graph too much: it follows the names of files in it, computes constants of any
size while it loads, and repeats a loop as often as the graph says. Here the file is read field by
field, its weights skipped by their length, and refused if it breaks a rule. That takes a few
milliseconds and hardly any memory.

Source: ONNX, "onnx.proto" (field numbers and their meaning):
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from collections import ChainMap
from dataclasses import dataclass

from spotlet.errors import ModelFileError
from spotlet.model.graph_rules import (
    INT64,
    MOST_ATTRIBUTES,
    MOST_DEPTH,
    MOST_NODES,
    MOST_TENSORS,
    Constant,
    check_attribute,
    check_growth,
    check_operator,
)
from spotlet.model.graph_tensors import read_tensor
from spotlet.model.wire import Span, gather, integers, message, only, text
from spotlet.text.plain import plain_line

MODEL = MODEL_GRAPH, MODEL_TRAINING, MODEL_FUNCTIONS = 7, 20, 25
GRAPH = GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_INPUT, GRAPH_SPARSE = 1, 5, 11, 15
VALUE_NAME = 1
NODE = NODE_INPUT, NODE_OUTPUT, NODE_OPERATOR, NODE_ATTRIBUTE, NODE_DOMAIN = 1, 2, 4, 5, 7
ATTRIBUTE_NAME, ATTRIBUTE_INTS, ATTRIBUTE_TENSORS = 1, (3, 8), (5, 10)
ATTRIBUTE_GRAPHS, ATTRIBUTE_SPARSE = (6, 11), (22, 23)
ATTRIBUTE = (ATTRIBUTE_NAME, *ATTRIBUTE_INTS, *ATTRIBUTE_TENSORS, *ATTRIBUTE_GRAPHS)

SHAPE_OPERATORS = frozenset({"Shape", "Size", "Constant"})
"""Their output can be constant even if only the shape of their input is known."""

VARIES = Constant((), 0, ())
"""Marks a value that depends on the picture."""

Names = ChainMap[str, Constant | None]
"""The values that a graph can name, its own and those of the graphs around it: `VARIES`, a small
stored tensor, or None for any other constant."""


@dataclass(slots=True)
class GraphFacts:
    """What the file contains.

    Attributes:
        nodes: in the graph and all its subgraphs.
        tensors: stored ones, initialisers and attributes.
        constant_nodes: those that onnxruntime may compute while it loads, since they depend on
            stored tensors and shapes alone. Never fewer than it does.
    """

    nodes: int = 0
    tensors: int = 0
    constant_nodes: int = 0


def check_graph_file(content: bytes) -> GraphFacts:
    """Checks an ONNX file against the rules; returns what it contains.

    Args:
        content: of the `.onnx` file.

    Raises:
        ModelFileError: not ONNX, cut short, or against a rule of `spotlet.model.graph_rules`.
    """
    walk = _Walk(content)
    try:
        model = gather(content, (0, len(content)), MODEL)
        for number, what in ((MODEL_TRAINING, "training"), (MODEL_FUNCTIONS, "its own functions")):
            if model[number]:
                raise ModelFileError(
                    f"contains {what}; export the model with its functions inlined"
                )
        if len(model[MODEL_GRAPH]) != 1:
            raise ValueError(f"it holds {len(model[MODEL_GRAPH])} graphs")
        walk.graph(message(model[MODEL_GRAPH][0]), ChainMap())
    except ValueError as error:
        raise ModelFileError(
            f"not a complete ONNX file ({error}); copy or export it again"
        ) from error
    return walk.facts


class _Walk:
    """The walk through the messages of one file."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.facts = GraphFacts()

    def graph(self, span: Span, outer: Names, depth: int = 0) -> None:
        """Checks a graph; `outer` holds the values of the graphs around it."""
        if depth > MOST_DEPTH:
            raise ModelFileError(f"nests graphs deeper than {MOST_DEPTH}; export it flat")
        found = gather(self.content, span, GRAPH)
        if found[GRAPH_SPARSE]:
            raise ModelFileError("contains sparse tensors; export the model with dense ones")
        self.facts.nodes += len(found[GRAPH_NODE])
        if self.facts.nodes > MOST_NODES:
            raise ModelFileError(f"contains over {MOST_NODES} nodes, the most that are loaded")
        names = outer.new_child()
        names.update(self.tensor(message(each)) for each in found[GRAPH_INITIALIZER])
        for value in found[GRAPH_INPUT]:
            for name in gather(self.content, message(value), (VALUE_NAME,))[VALUE_NAME]:
                # In old files initialisers are inputs too.
                names.maps[0].setdefault(text(self.content, name), VARIES)
        for node in found[GRAPH_NODE]:
            self.node(message(node), names, depth)

    def node(self, span: Span, names: Names, depth: int) -> None:
        found = gather(self.content, span, NODE)
        if len(found[NODE_ATTRIBUTE]) > MOST_ATTRIBUTES:
            raise ModelFileError(
                f"a node has over {MOST_ATTRIBUTES} attributes; export the model again"
            )
        operator, domain, inputs, outputs = (
            [text(self.content, each) for each in found[number]]
            for number in (NODE_OPERATOR, NODE_DOMAIN, NODE_INPUT, NODE_OUTPUT)
        )
        kind = only(operator, "")
        check_operator(kind, only(domain, ""))
        held = None
        for attribute in found[NODE_ATTRIBUTE]:
            held = self.attribute(message(attribute), kind, names, depth) or held
        for name in inputs:
            if name and name not in names:
                raise ModelFileError(
                    f"{plain_line(kind, 60)} has the input {plain_line(name, 60)!r}, which nothing "
                    "before it produces; copy or export the model again"
                )
        known = [names[name] if name else None for name in inputs]
        constant = depth > 0 or kind in SHAPE_OPERATORS or VARIES not in known
        self.facts.constant_nodes += constant
        check_growth(kind, [None if each is VARIES else each for each in known])
        for name in outputs:
            names[name] = (held if kind == "Constant" else None) if constant else VARIES

    def attribute(self, span: Span, operator: str, names: Names, depth: int) -> Constant | None:
        """Returns the small tensor that the attribute holds, if it holds one."""
        found = gather(self.content, span, ATTRIBUTE + ATTRIBUTE_SPARSE)
        ints, tensors, graphs, sparse = (
            [field for number in numbers for field in found[number]]
            for numbers in (ATTRIBUTE_INTS, ATTRIBUTE_TENSORS, ATTRIBUTE_GRAPHS, ATTRIBUTE_SPARSE)
        )
        if sparse:
            raise ModelFileError("contains sparse tensors; export the model with dense ones")
        name = only([text(self.content, each) for each in found[ATTRIBUTE_NAME]], "")
        values = [value for field in ints for value in integers(self.content, field)]
        check_attribute(operator, name, values)
        held = None
        for tensor in tensors:
            _, held = self.tensor(message(tensor))
        for graph in graphs:
            self.graph(message(graph), names, depth + 1)
        if held is None and operator == "Constant" and name in ("value_int", "value_ints"):
            held = Constant((len(values),), INT64, tuple(values))
        return held

    def tensor(self, span: Span) -> tuple[str, Constant | None]:
        """Returns a stored tensor's name, and its values if they are few."""
        self.facts.tensors += 1
        if self.facts.tensors > MOST_TENSORS:
            raise ModelFileError(f"contains over {MOST_TENSORS} tensors, the most that are loaded")
        return read_tensor(self.content, span)
