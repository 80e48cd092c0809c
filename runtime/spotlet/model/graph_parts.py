"""An ONNX graph in parts: a copy that also returns intermediate tensors, or a few of its nodes.

Nodes and weights are copied byte for byte. Devices have no `onnx` package: this needs none, only
the wire format.

Source: ONNX, "onnx.proto" (field numbers and their meaning):
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from spotlet.errors import ModelFileError
from spotlet.model.graph_file import (
    ATTRIBUTE_GRAPHS,
    GRAPH_INITIALIZER,
    GRAPH_INPUT,
    GRAPH_NODE,
    MODEL_GRAPH,
    NODE_ATTRIBUTE,
    NODE_INPUT,
    NODE_OPERATOR,
    NODE_OUTPUT,
    VALUE_NAME,
    check_graph_file,
)
from spotlet.model.graph_tensors import NAME as TENSOR_NAME
from spotlet.model.graph_tensors import Array, describe_tensor, value_info
from spotlet.model.wire import (
    BYTES,
    Span,
    encode,
    fields,
    gather,
    message,
    only,
    text,
)

MODEL_VERSION, MODEL_OPSETS, GRAPH_NAME, GRAPH_OUTPUT, NODE_NAME = 1, 8, 2, 12, 3


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the graph.

    Attributes:
        place: in the file's order, from 0.
        name: empty if the exporter gave none.
        operator: such as `Conv`.
        reads: names of tensors: its inputs, and those that its subgraphs take from outside.
        writes: names of tensors.
        span: where its bytes lie in the file.
    """

    place: int
    name: str
    operator: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class GraphParts:
    """A model file in parts.

    Attributes:
        content: of the file.
        nodes: in the file's order, in which each follows those whose tensors it reads.
        stored: where the weights' bytes lie in the file, by name.
        inputs: names of the tensors that a caller gives.
        outputs: names of the tensors that the graph returns.
        makers: the place of the node that writes a tensor, by the tensor's name.
        graph: where the graph's bytes lie in the file.
    """

    content: bytes
    nodes: tuple[Node, ...]
    stored: Mapping[str, Span]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    makers: Mapping[str, int]
    graph: Span

    @classmethod
    def of(cls, content: bytes) -> "GraphParts":
        """Returns a file's parts; raises ModelFileError as `check_graph_file` does."""
        check_graph_file(content)
        try:
            return cls._of(content)
        except ValueError as error:
            raise ModelFileError(
                f"not a complete ONNX file ({error}); copy or export it again"
            ) from error

    @classmethod
    def _of(cls, content: bytes) -> "GraphParts":
        graph = message(gather(content, (0, len(content)), (MODEL_GRAPH,))[MODEL_GRAPH][0])
        found = _spans(content, graph)
        nodes = tuple(_node(content, place, span) for place, span in enumerate(found[GRAPH_NODE]))
        stored = {_text(content, span, TENSOR_NAME): span for span in found[GRAPH_INITIALIZER]}
        inputs, outputs = (
            [_text(content, span, VALUE_NAME) for span in found[of]]
            for of in (GRAPH_INPUT, GRAPH_OUTPUT)
        )
        return cls(
            content=content,
            nodes=nodes,
            stored=stored,
            inputs=tuple(name for name in inputs if name not in stored),
            outputs=tuple(outputs),
            makers={name: node.place for node in nodes for name in node.writes},
            graph=graph,
        )

    def before(self, places: Iterable[int]) -> set[int]:
        """Returns the places of the nodes that write what these nodes read."""
        reads = {name for place in places for name in self.nodes[place].reads}
        return {self.makers[name] for name in reads if name in self.makers}

    def ancestors(self, names: Iterable[str]) -> list[int]:
        """Returns the places of all nodes that some tensors depend on, in order."""
        found: set[int] = set()
        front = {self.makers[name] for name in names if name in self.makers}
        while front:
            found |= front
            front = self.before(front) - found
        return sorted(found)

    def varying(self) -> frozenset[str]:
        """Returns the names of the tensors that depend on what a caller gives."""
        names = set(self.inputs)
        for node in self.nodes:
            if names.intersection(node.reads):
                names.update(node.writes)
        return frozenset(names)

    def describe(self, name: str) -> str:
        """Returns the name, type and shape of a stored tensor, as text."""
        return describe_tensor(self.content, self.stored[name])

    def exposing(self, names: Iterable[str]) -> bytes:
        """Returns a copy of the file that also returns these tensors, which nodes write."""
        more = dict.fromkeys(name for name in names if name not in self.outputs)
        added = b"".join(encode(GRAPH_OUTPUT, encode(VALUE_NAME, each.encode())) for each in more)
        return self._beside_graph() + encode(MODEL_GRAPH, self._bytes(self.graph) + added)

    def extract(
        self, places: Collection[int], feeds: Mapping[str, Array], outputs: Mapping[str, Array]
    ) -> bytes:
        """Returns a model of some of the nodes and the weights that they read.

        Args:
            places: of the nodes.
            feeds: what they read from other nodes, or the caller: an example of each tensor.
            outputs: what the model is to return, likewise.

        Raises:
            ModelFileError: a tensor is of a type that numpy does not have.
        """
        nodes = [self.nodes[place] for place in sorted(places)]
        read = {name for node in nodes for name in node.reads}
        graph = [encode(GRAPH_NODE, self._bytes(node.span)) for node in nodes]
        graph.append(encode(GRAPH_NAME, b"part"))
        weights = (span for name, span in self.stored.items() if name in read)
        graph += [encode(GRAPH_INITIALIZER, self._bytes(span)) for span in weights]
        for of, tensors in ((GRAPH_INPUT, feeds), (GRAPH_OUTPUT, outputs)):
            graph += [encode(of, value_info(name, each)) for name, each in tensors.items()]
        versions = self._beside_graph((MODEL_VERSION, MODEL_OPSETS))
        return versions + encode(MODEL_GRAPH, b"".join(graph))

    def _beside_graph(self, numbers: Collection[int] | None = None) -> bytes:
        """Returns the file's fields beside the graph, or those with these numbers."""
        return b"".join(
            encode(of, self.content[value:end] if kind == BYTES else value)
            for of, kind, value, end in fields(self.content, 0, len(self.content))
            if of != MODEL_GRAPH and (numbers is None or of in numbers)
        )

    def _bytes(self, span: Span) -> bytes:
        return self.content[slice(*span)]


def _node(content: bytes, place: int, span: Span) -> Node:
    found = gather(content, span, (NODE_NAME, NODE_OPERATOR, NODE_OUTPUT))
    name, operator = (
        only([text(content, each) for each in found[number]], "")
        for number in (NODE_NAME, NODE_OPERATOR)
    )
    writes = tuple(filter(None, (text(content, each) for each in found[NODE_OUTPUT])))
    return Node(place, name, operator, tuple(sorted(_read_by(content, span))), writes, span)


def _read_by(content: bytes, node: Span) -> set[str]:
    """Returns what a node reads: its inputs, and what its subgraphs take from outside."""
    found = gather(content, node, (NODE_INPUT, NODE_ATTRIBUTE))
    names = {text(content, each) for each in found[NODE_INPUT]} - {""}
    for attribute in found[NODE_ATTRIBUTE]:
        graphs = gather(content, message(attribute), ATTRIBUTE_GRAPHS)
        for graph in (message(field) for of in graphs.values() for field in of):
            inner = _spans(content, graph)
            own = {_text(content, each, TENSOR_NAME) for each in inner[GRAPH_INITIALIZER]}
            own |= {_text(content, each, VALUE_NAME) for each in inner[GRAPH_INPUT]}
            read = {_text(content, each, VALUE_NAME) for each in inner[GRAPH_OUTPUT]}
            for each in inner[GRAPH_NODE]:
                read |= _read_by(content, each)
                outputs = gather(content, each, (NODE_OUTPUT,))[NODE_OUTPUT]
                own |= {text(content, name) for name in outputs}
            names |= read - own
    return names


def _spans(content: bytes, graph: Span) -> dict[int, list[Span]]:
    """Returns where a graph's nodes, weights, inputs and outputs lie, by the field's number."""
    numbers = (GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_INPUT, GRAPH_OUTPUT)
    return {key: list(map(message, of)) for key, of in gather(content, graph, numbers).items()}


def _text(content: bytes, span: Span, of: int) -> str:
    return only([text(content, each) for each in gather(content, span, (of,))[of]], "")
