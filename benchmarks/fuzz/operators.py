"""Nodes of any ONNX operator, wired according to its schema, with absurd numbers.

Damage to valid graphs stays within their operators, and mostly breaks types. These
nodes pass the checks of shape and type often enough to reach the code that computes.
"""

from random import Random
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, defs, helper, numpy_helper

OPSET = 18

SCHEMAS = tuple(
    defs.get_schema(schema.name, OPSET, "")
    for schema in {each.name: each for each in defs.get_all_schemas() if each.domain == ""}.values()
    if schema.since_version <= OPSET and not schema.deprecated
)

TYPES = {
    "tensor(float)": np.float32,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(bool)": np.bool_,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
}

SHAPES = ((), (1,), (2,), (4,), (0,), (3, 4), (1, 1), (1, 3, 8), (1, 3, 8, 8), (2, 1, 5, 5), (4, 0))
KERNELS = ((4, 3, 3, 3), (3, 1, 3, 3), (6, 3, 1, 1), (1, 4, 4), (1, 3, 4))
WORDS = (
    *("linear", "nearest", "cubic", "constant", "reflect", "edge", "SAME_UPPER", "max", "avg"),
    *("forward", "bidirectional", "asymmetric", "ij,jk->ik", "ii->i", "..."),
)
WHOLE = (0, 1, 2, 3, -1, -2, 4, 5, 8, 100, -100, 65_536, 2**31, 2**40, 2**62, -(2**63))


def _values(kind: Any, random: Random) -> Any:
    generator = np.random.default_rng(random.randrange(2**32))
    shape = random.choice(SHAPES + KERNELS)
    if kind in (np.int64, np.int32) and random.random() < 0.7:
        shape = random.choice(((), (1,), (2,), (3,), (4,), (8,)))
        numbers = [random.choice(WHOLE if random.random() < 0.3 else WHOLE[:9]) for _ in range(8)]
        count = int(np.prod(shape))
        return np.array(numbers[:count], np.int64).astype(kind).reshape(shape)
    with np.errstate(all="ignore"):
        scale = random.choice((1, 1, 1, 100, 1e30, np.nan))
        return np.asarray(generator.standard_normal(shape) * scale).astype(kind)


def _attribute(attribute: Any, random: Random) -> Any:
    kind = attribute.type
    whole = [random.choice(WHOLE if random.random() < 0.3 else WHOLE[:9]) for _ in range(8)]
    if kind == AttributeProto.INT:
        return whole[0]
    if kind == AttributeProto.INTS:
        return whole[: random.choice((1, 2, 2, 3, 4, 8))]
    if kind == AttributeProto.FLOAT:
        return random.choice((0.0, 1.0, -1.0, 1e30, float("nan"), 0.5))
    if kind == AttributeProto.FLOATS:
        return [random.choice((0.0, 1.0, -5.0, 1e30)) for _ in range(random.choice((1, 4)))]
    if kind == AttributeProto.STRING:
        return random.choice(WORDS)
    if kind == AttributeProto.TENSOR:
        return numpy_helper.from_array(_values(np.float32, random))
    return None


def add_operators(model: onnx.ModelProto, random: Random) -> None:
    """Puts one to three nodes in front of a model, which uses their results."""
    graph = model.graph
    made: list[onnx.NodeProto] = []
    results: list[str] = []
    for _ in range(random.choice((1, 1, 2, 3))):
        schema = random.choice(SCHEMAS)
        inputs = []
        for at in range(random.randint(schema.min_input, max(min(schema.max_input, 6), 1))):
            formal = schema.inputs[min(at, len(schema.inputs) - 1)] if schema.inputs else None
            if formal is None:
                break
            kinds = [TYPES[each] for each in sorted(formal.types) if each in TYPES]
            if results and random.random() < 0.2:
                inputs.append(random.choice(results))
            elif kinds:
                name = f"odd_{len(graph.initializer)}"
                kind = np.float32 if np.float32 in kinds else random.choice(kinds)
                graph.initializer.append(numpy_helper.from_array(_values(kind, random), name))
                inputs.append(name)
                if random.random() < 0.3:  # not a constant: it is computed when the model runs
                    made.append(helper.make_node("Add", [name, "nothing"], [f"{name}_now"]))
                    inputs[-1] = f"{name}_now" if kind == np.float32 else name
        outputs = [f"made_{len(made)}_{at}" for at in range(max(schema.min_output, 1))]
        node = helper.make_node(schema.name, inputs, outputs)
        for name, attribute in schema.attributes.items():
            value = _attribute(attribute, random)
            if value is not None and (attribute.required or random.random() < 0.4):
                node.attribute.append(helper.make_attribute(name, value))
        made.append(node)
        results += outputs
    first = graph.node[0]
    nothing = [
        helper.make_node("Cast", ["image"], ["image_float"], to=1),
        helper.make_node("ReduceMin", ["image_float"], ["darkest"], keepdims=0),
        helper.make_node("Sub", ["darkest", "darkest"], ["nothing"]),
    ]
    after = []
    taken = "nothing"
    for at, result in enumerate(results):
        after.append(helper.make_node("Shape", [result], [f"shape_{at}"]))
        after.append(helper.make_node("Cast", [f"shape_{at}"], [f"sides_{at}"], to=1))
        after.append(helper.make_node("ReduceSum", [f"sides_{at}"], [f"sum_{at}"], keepdims=0))
        after.append(helper.make_node("Add", [taken, f"sum_{at}"], [f"taken_{at}"]))
        taken = f"taken_{at}"
    after.append(helper.make_node("Cast", [taken], ["taken_byte"], to=2))
    after.append(helper.make_node("BitwiseOr", ["image", "taken_byte"], ["image_too"]))
    first.input[:] = ["image_too" if name == "image" else name for name in first.input]
    for node in reversed([*nothing, *made, *after]):
        graph.node.insert(0, node)
