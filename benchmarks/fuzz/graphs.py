"""Damage to a graph that the parser does not notice: well-formed, but wrong."""

from collections.abc import Callable, Mapping
from random import Random

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from spotlet.manifest import METADATA_KEY

from .operators import add_operators
from .texts import damage_json

SIDES = (
    0,
    1,
    2,
    3,
    -1,
    -2,
    7,
    64,
    65,
    1000,
    4096,
    65_536,
    2**31 - 1,
    2**31,
    2**40,
    2**62,
    -(2**63),
)
"""Numbers that break counting."""

NUMBERS = (0.0, -1.0, 1e-30, 1e30, float("inf"), float("nan"), 2.0, 1000.0)

OPERATORS = (
    *("Add", "Mul", "Div", "Mod", "Pow", "Relu", "Clip", "Sigmoid", "Softmax", "Exp", "Conv"),
    *("ConvTranspose", "ConvInteger", "QLinearConv", "MaxPool", "AveragePool", "GlobalMaxPool"),
    *("LpPool", "MaxUnpool", "MaxRoiPool", "RoiAlign", "Resize", "Upsample", "GridSample", "Pad"),
    *("Concat", "Split", "Slice", "Gather", "GatherElements", "GatherND", "ScatterND", "Scatter"),
    *("ScatterElements", "Tile", "Expand", "Reshape", "Transpose", "Squeeze", "Unsqueeze"),
    *("Flatten", "Shape", "Size", "ConstantOfShape", "Range", "OneHot", "TopK", "NonZero"),
    *("Unique", "NonMaxSuppression", "CumSum", "ReverseSequence", "DepthToSpace", "SpaceToDepth"),
    *("MatMul", "MatMulInteger", "QLinearMatMul", "Gemm", "Einsum", "LSTM", "GRU", "RNN"),
    *("BatchNormalization", "InstanceNormalization", "LayerNormalization", "LRN", "Dropout"),
    *("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Cast", "CastLike", "Where"),
    *("ReduceSum", "ReduceMax", "ReduceMean", "ArgMax", "Compress", "EyeLike", "Trilu", "Det"),
    *("DFT", "STFT", "MelWeightMatrix", "HannWindow", "Col2Im", "CenterCropPad", "BitShift"),
    *("RandomNormal", "RandomUniformLike", "Multinomial", "Bernoulli", "StringNormalizer"),
    *("SequenceConstruct", "SplitToSequence", "ConcatFromSequence", "SequenceAt", "Optional"),
    *("If", "Loop", "Scan", "TfIdfVectorizer", "Hardmax", "DeformConv", "EPContext", "", "Nothing"),
)

Damage = Callable[[onnx.ModelProto, Random], object]


def _tensor(model: onnx.ModelProto, random: Random) -> onnx.TensorProto:
    tensor: onnx.TensorProto = random.choice(model.graph.initializer)
    return tensor


def _node(model: onnx.ModelProto, random: Random) -> onnx.NodeProto:
    node: onnx.NodeProto = random.choice(model.graph.node)
    return node


def _names(model: onnx.ModelProto) -> list[str]:
    graph = model.graph
    names = [name for node in graph.node for name in node.output]
    return [*names, *(tensor.name for tensor in graph.initializer), "image", ""]


def _sides_of_a_tensor(model: onnx.ModelProto, random: Random) -> None:
    tensor = _tensor(model, random)
    dims = list(tensor.dims)
    what = random.randrange(4)
    if what == 0 and dims:
        dims[random.randrange(len(dims))] = random.choice(SIDES)
    elif what == 1:
        dims.append(random.choice(SIDES))
    elif what == 2:
        random.shuffle(dims)
    else:
        dims = [int(np.prod(dims)), 1] if random.random() < 0.7 else []
    del tensor.dims[:]
    tensor.dims.extend(dims)


def _shape_that_fits(model: onnx.ModelProto, random: Random) -> None:
    """Gives a tensor another shape with as many elements, which its bytes cannot reveal."""
    tensor = _tensor(model, random)
    dims = list(tensor.dims)
    random.shuffle(dims)
    if random.random() < 0.5:
        dims.insert(random.randrange(len(dims) + 1), 1)
    del tensor.dims[:]
    tensor.dims.extend(dims)


def _type_of_a_tensor(model: onnx.ModelProto, random: Random) -> None:
    tensor = _tensor(model, random)
    if random.random() < 0.5:
        tensor.data_type = random.choice((*range(28), 99, -1))
        return
    values = numpy_helper.to_array(tensor)
    kind = random.choice((np.float64, np.float16, np.int8, np.uint8, np.int32, np.int64, np.bool_))
    with np.errstate(all="ignore"):
        tensor.CopyFrom(numpy_helper.from_array(values.astype(kind), tensor.name))


def _values_of_a_tensor(model: onnx.ModelProto, random: Random) -> None:
    small = [t for t in model.graph.initializer if np.prod(t.dims) <= 64]
    tensor = random.choice(small or list(model.graph.initializer))
    values = numpy_helper.to_array(tensor).copy()
    if values.size == 0 or values.dtype.kind not in "fiu":
        return
    with np.errstate(all="ignore"):
        number = random.choice(NUMBERS if values.dtype.kind == "f" else SIDES)
        values.flat[random.randrange(values.size)] = np.array(number).astype(values.dtype)
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def _tensors_swapped(model: onnx.ModelProto, random: Random) -> None:
    one, other = _tensor(model, random), _tensor(model, random)
    one.name, other.name = other.name, one.name


def _tensor_missing(model: onnx.ModelProto, random: Random) -> None:
    del model.graph.initializer[random.randrange(len(model.graph.initializer))]


def _operator(model: onnx.ModelProto, random: Random) -> None:
    node = _node(model, random)
    node.op_type = random.choice(OPERATORS)
    if random.random() < 0.5:
        del node.attribute[:]


def _attribute(model: onnx.ModelProto, random: Random) -> None:
    nodes = [node for node in model.graph.node if node.attribute]
    attribute = random.choice(random.choice(nodes).attribute)
    if attribute.type == AttributeProto.INTS and attribute.ints:
        what = random.randrange(3)
        if what == 0:
            attribute.ints[random.randrange(len(attribute.ints))] = random.choice(SIDES)
        elif what == 1:
            attribute.ints.append(random.choice(SIDES))
        else:
            del attribute.ints[random.randrange(len(attribute.ints))]
    elif attribute.type == AttributeProto.INT:
        attribute.i = random.choice(SIDES)
    elif attribute.type == AttributeProto.STRING:
        attribute.s = random.choice((b"", b"nonsense", b"\xff", b"linear", b"tf_crop_and_resize"))
    else:
        attribute.type = random.randrange(15)


def _attribute_added(model: onnx.ModelProto, random: Random) -> None:
    node = _node(model, random)
    names = ("axis", "axes", "group", "kernel_shape", "pads", "strides", "dilations", "perm", "to")
    more = ("blocksize", "keepdims", "num_outputs", "auto_pad", "mode", "output_shape", "value")
    value = random.choice((random.choice(SIDES), [random.choice(SIDES) for _ in range(4)], "x"))
    node.attribute.append(helper.make_attribute(random.choice((*names, *more)), value))


def _attribute_missing(model: onnx.ModelProto, random: Random) -> None:
    node = random.choice([node for node in model.graph.node if node.attribute])
    del node.attribute[random.randrange(len(node.attribute))]


def _wiring(model: onnx.ModelProto, random: Random) -> None:
    """Connects an input elsewhere: another shape or type, or a later node, which makes a cycle."""
    node = _node(model, random)
    if node.input:
        node.input[random.randrange(len(node.input))] = random.choice(_names(model))


def _wiring_from_before(model: onnx.ModelProto, random: Random) -> None:
    at = random.randrange(len(model.graph.node))
    node = model.graph.node[at]
    before = [name for earlier in model.graph.node[:at] for name in earlier.output]
    if node.input and before:
        node.input[random.randrange(len(node.input))] = random.choice(before)


def _arity(model: onnx.ModelProto, random: Random) -> None:
    node = _node(model, random)
    side = random.choice((node.input, node.output))
    if side and random.random() < 0.5:
        del side[random.randrange(len(side))]
    else:
        count = random.choice((1, 3, 1000))
        side.extend([random.choice(("", _names(model)[0], "new"))] * count)


def _name_twice(model: onnx.ModelProto, random: Random) -> None:
    node = _node(model, random)
    if node.output:
        node.output[0] = random.choice(_names(model))


def _node_missing(model: onnx.ModelProto, random: Random) -> None:
    del model.graph.node[random.randrange(len(model.graph.node))]


def _nodes_out_of_order(model: onnx.ModelProto, random: Random) -> None:
    nodes = list(model.graph.node)
    random.shuffle(nodes)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _node_between(model: onnx.ModelProto, random: Random) -> None:
    """Inserts a node of another kind, with its own constants, into a tensor's path."""
    node = _node(model, random)
    if not node.input:
        return
    sides = [random.choice(SIDES) for _ in range(random.randrange(1, 6))]
    kinds = (np.array(sides, np.int64), np.array([random.choice(NUMBERS)] * 4, np.float32))
    model.graph.initializer.append(numpy_helper.from_array(random.choice(kinds), "odd"))
    inputs = ["odd"] if random.random() < 0.2 else [node.input[0], "odd"]
    made = helper.make_node(random.choice(OPERATORS), inputs, ["between"])
    at = list(model.graph.node).index(node)
    node.input[0] = "between"
    model.graph.node.insert(at, made)


def _huge(model: onnx.ModelProto, random: Random) -> None:
    """Inflates memory by constants, repetitions and enlargements, each within its bounds."""
    shape = [random.choice((1, 64, 4096, 16_384, 65_536, 2**28, 2**40)) for _ in range(3)]
    model.graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), "huge"))
    operator = random.choice(("ConstantOfShape", "Expand", "Tile", "Reshape", "Range"))
    source = random.choice(_names(model)[:-1])
    inputs = {"ConstantOfShape": ["huge"], "Range": ["huge"] * 3}.get(operator, [source, "huge"])
    made = [helper.make_node(operator, inputs, ["swollen_0"])]
    for step in range(random.choice((0, 1, 8))):
        before = f"swollen_{step}"
        made.append(helper.make_node("Concat", [before] * 8, [f"swollen_{step + 1}"], axis=0))
    last = made[-1].output[0]
    made.append(helper.make_node("ReduceMax", [last], ["peak"], keepdims=0))
    node = _node(model, random)
    at = list(model.graph.node).index(node)
    if node.input:
        made.append(helper.make_node("Add", [node.input[0], "peak"], ["sum_with_peak"]))
        node.input[0] = "sum_with_peak"
    for each in reversed(made):
        model.graph.node.insert(at, each)


def _subgraph(model: onnx.ModelProto, random: Random) -> None:
    depth = random.choice((1, 2, 4, 6))
    body = helper.make_graph([], "body", [], [])
    for level in range(depth):
        inner = onnx.GraphProto()
        inner.CopyFrom(body)
        operator = random.choice(("If", "If", "Loop", "Scan"))
        given = {"If": ("then_branch", "else_branch")}.get(operator, ("body",))
        node = helper.make_node(operator, [random.choice(_names(model))], [f"out_{level}"])
        for name in given:
            node.attribute.append(helper.make_attribute(name, inner))
        body = helper.make_graph(
            [node], f"level_{level}", [],
            [helper.make_tensor_value_info(f"out_{level}", TensorProto.FLOAT, None)],
        )  # fmt: skip
    at = random.randrange(len(model.graph.node))
    for node in body.node:
        model.graph.node.insert(at, node)
    if random.random() < 0.5 and model.graph.node[at + 1].input:
        model.graph.node[at + 1].input[0] = f"out_{depth - 1}"


def _elsewhere(model: onnx.ModelProto, random: Random) -> None:
    """Refers weights to another file, or to an address in memory."""
    tensor = _tensor(model, random)
    place = random.choice(
        ("weights.bin", "../../../../etc/passwd", "/etc/passwd", "/dev/zero", "/proc/self/mem",
         "*/_ORT_MEM_ADDR_/*", "")
    )  # fmt: skip
    for key, value in (("location", place), ("offset", "4096"), ("length", "64")):
        tensor.external_data.add(key=key, value=value)
    if random.random() < 0.7:
        tensor.ClearField("raw_data")
    if random.random() < 0.8:
        tensor.data_location = TensorProto.EXTERNAL


def _sparse(model: onnx.ModelProto, random: Random) -> None:
    sparse = model.graph.sparse_initializer.add()
    sparse.values.CopyFrom(_tensor(model, random))
    sparse.dims.extend([random.choice(SIDES), 4])


def _function(model: onnx.ModelProto, random: Random) -> None:
    name = random.choice(("Own", "Conv"))
    model.functions.add(name=name, domain=random.choice(("own", "")), output=["y"])
    _node(model, random).domain = "own"


def _domain(model: onnx.ModelProto, random: Random) -> None:
    node = _node(model, random)
    node.domain = random.choice(("com.microsoft", "ai.onnx.ml", "com.evil", "ai.onnx"))
    node.op_type = random.choice((node.op_type, "EPContext", "FusedConv", "QLinearAdd", "PyOp"))
    model.opset_import.add(domain=node.domain, version=random.choice((0, 1, 99)))


def _version(model: onnx.ModelProto, random: Random) -> None:
    if random.random() < 0.5:
        model.ir_version = random.choice((0, 1, 3, 7, 12, 99, -1))
    else:
        model.opset_import[0].version = random.choice((-1, 0, 1, 6, 7, 9, 11, 13, 17, 22, 99))


def _declared(model: onnx.ModelProto, random: Random) -> None:
    """Changes the declarations of the graph's input and outputs."""
    value = random.choice([*model.graph.input, *model.graph.output])
    if random.random() < 0.3:
        value.type.tensor_type.elem_type = random.randrange(27)
    elif random.random() < 0.3:
        value.name = random.choice(("image", "boxes", "scores", "", "other"))
    elif value.type.tensor_type.shape.dim:
        side = random.choice(value.type.tensor_type.shape.dim)
        side.dim_value = random.choice(SIDES)


def _known_shapes(model: onnx.ModelProto, random: Random) -> None:
    """Changes the declaration of an intermediate tensor."""
    value = model.graph.value_info.add(name=random.choice(_names(model)))
    value.type.tensor_type.elem_type = random.randrange(24)
    for _ in range(random.randrange(6)):
        value.type.tensor_type.shape.dim.add(dim_value=random.choice(SIDES))


def _manifest(model: onnx.ModelProto, random: Random) -> None:
    for item in model.metadata_props:
        if item.key == METADATA_KEY:
            text = damage_json(item.value, random)
            item.value = text.encode("utf-8", "replace").decode()


def _large_manifest(model: onnx.ModelProto, random: Random) -> None:
    for item in model.metadata_props:
        if item.key == METADATA_KEY:
            classes = ", ".join(f'"{n}"' for n in range(random.choice((1000, 65_536, 300_000))))
            start, end = item.value.index('"classes": ['), item.value.index("]")
            item.value = f'{item.value[:start]}"classes": [{classes}{item.value[end:]}'


GRAPH_DAMAGES: Mapping[str, Damage] = {
    "sides of a tensor": _sides_of_a_tensor,
    "another shape of as many elements": _shape_that_fits,
    "type of a tensor": _type_of_a_tensor,
    "values of a small tensor": _values_of_a_tensor,
    "tensors swapped": _tensors_swapped,
    "tensor missing": _tensor_missing,
    "another operator": _operator,
    "attribute": _attribute,
    "attribute added": _attribute_added,
    "attribute missing": _attribute_missing,
    "wiring, rings": _wiring,
    "wiring, from before": _wiring_from_before,
    "inputs or outputs too many, too few": _arity,
    "name given twice": _name_twice,
    "node missing": _node_missing,
    "nodes out of order": _nodes_out_of_order,
    "node put between": _node_between,
    "any operator, odd numbers": add_operators,
    "memory out of nothing": _huge,
    "If, Loop, Scan, nested": _subgraph,
    "weights elsewhere": _elsewhere,
    "sparse tensor": _sparse,
    "function": _function,
    "domain": _domain,
    "versions": _version,
    "input and outputs declared": _declared,
    "shapes declared on the way": _known_shapes,
    "manifest": _manifest,
    "large manifest": _large_manifest,
}
"""Kinds of damage, by name."""


NESTED = "graphs in graphs, by hand"
GRAPH_KINDS = (*GRAPH_DAMAGES, NESTED)
"""All kinds; the last nests deeper than the library that writes models can."""


def damage_graph(model: onnx.ModelProto, kind: str, random: Random) -> bytes:
    """Returns a model's bytes after one kind of damage, once or a few times."""
    if kind == NESTED:
        return _nested(model, random)
    damaged = onnx.ModelProto()
    damaged.CopyFrom(model)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        GRAPH_DAMAGES[kind](damaged, random)
    content: bytes = damaged.SerializeToString()
    return content


def _nested(model: onnx.ModelProto, random: Random) -> bytes:
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    bare.ClearField("graph")
    inner = b""
    for _ in range(random.choice((3, 30, 300, 3000))):
        # A graph's node (1), of the operator (4) If, with an attribute (5) that is a graph (6).
        attribute = _field(1, b"then_branch") + _field(6, inner)
        inner = _field(1, _field(4, b"If") + _field(5, attribute))
    graph: bytes = model.graph.SerializeToString()
    head: bytes = bare.SerializeToString()
    return head + _field(7, inner + graph if random.random() < 0.5 else graph + inner)


def _field(number: int, content: bytes) -> bytes:
    length, size = b"", len(content)
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content
