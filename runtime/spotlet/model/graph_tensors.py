"""A tensor in an ONNX file: its shape, checked against its bytes, and its values if few.

Source: ONNX, "onnx.proto", `TensorProto`:
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from spotlet.errors import ModelFileError
from spotlet.model.graph_rules import (
    COMPLEX,
    ELEMENT_BITS,
    FLOAT,
    INT64,
    MOST_ELEMENTS,
    MOST_RANK,
    STRING,
    Constant,
)
from spotlet.model.wire import (
    BYTES,
    Field,
    Span,
    encode,
    gather,
    integers,
    message,
    number,
    only,
    text,
)
from spotlet.text.plain import plain_line

SMALL_BYTES = 256
"""Tensors up to this size keep their values: shapes, pads, scales. Weights are larger."""

DIMS, TYPE, SEGMENT, NAME, RAW, EXTERNAL, LOCATION = 1, 2, 3, 8, 9, 13, 14
TYPED = FLOATS, INT32S, STRINGS, INT64S, DOUBLES, UINT64S = 4, 5, 6, 7, 10, 11
TENSOR = (DIMS, TYPE, SEGMENT, NAME, RAW, EXTERNAL, LOCATION, *TYPED)
FLOAT_WIDTHS = {FLOATS: 4, DOUBLES: 8}
"""Bytes of a packed element; the others are varints."""

VALUE_NAME, VALUE_TYPE, TENSOR_TYPE, ELEMENT_TYPE, SHAPE, DIMENSION, SIDE = 1, 2, 1, 1, 2, 1, 1
"""Fields of `ValueInfoProto`, which describes an input or output, and of the messages in it."""

ELEMENT_TYPES = {
    **{"float32": 1, "uint8": 2, "int8": 3, "uint16": 4, "int16": 5, "int32": 6, "int64": 7},
    **{"bool": 9, "float16": 10, "float64": 11, "uint32": 12, "uint64": 13},
}
"""numpy's names of types, and their `TensorProto.DataType`."""

Array = npt.NDArray[Any]

_CONTINUES = bytes(range(128, 256))
"""Bytes of a varint before its last."""


def read_tensor(content: bytes, span: Span) -> tuple[str, Constant | None]:
    """Returns a tensor's name, and its values if they are few.

    Raises:
        ModelFileError: the tensor breaks a rule.
        ValueError: the bytes are not a message.
    """
    found = gather(content, span, TENSOR)
    name = only([text(content, each) for each in found[NAME]], "")
    shown = f"tensor {plain_line(name, 60)!r}"
    if found[EXTERNAL] or any(map(number, found[LOCATION])):
        raise ModelFileError(
            f"{shown} lies in another file; a model is one file: save it with its weights inside"
        )
    if found[SEGMENT]:
        raise ModelFileError("contains a tensor in segments; export the model again")
    dims = [side for field in found[DIMS] for side in integers(content, field)]
    if len(dims) > MOST_RANK or any(side < 0 for side in dims):
        raise ModelFileError(f"{shown} has the shape {dims[:8]!s}; export it again")
    # Sides beside a 0 count too: onnxruntime multiplies them before it sees the 0.
    if math.prod(max(side, 1) for side in dims) > MOST_ELEMENTS:
        raise ModelFileError(f"{shown} has the shape {dims[:8]!s}: over {MOST_ELEMENTS} elements")
    kind = only([number(each) for each in found[TYPE]], 0)
    if kind != STRING and kind not in ELEMENT_BITS:
        raise ModelFileError(f"{shown} has the unknown type {kind}")
    count = math.prod(dims)
    typed = [field for each in TYPED for field in found[each]]
    raw = only([message(each) for each in found[RAW]], None)
    if kind == STRING:
        fits = raw is None and len(found[STRINGS]) == count
    elif raw is not None:
        fits = not typed and raw[1] - raw[0] == -(-count * ELEMENT_BITS[kind] // 8)
    else:
        # A complex number is two elements; types below a byte share one.
        wanted = 2 * count if kind in COMPLEX else -(-count * min(ELEMENT_BITS[kind], 8) // 8)
        fits = sum(_elements(content, field) for field in typed) == wanted
    if not fits:
        raise ModelFileError(
            f"{shown}: its shape and its bytes do not agree; copy or export the model again"
        )
    if raw is not None and kind in (FLOAT, INT64) and raw[1] - raw[0] <= SMALL_BYTES:
        values = np.frombuffer(content[raw[0] : raw[1]], "<i8" if kind == INT64 else "<f4")
        return name, Constant(tuple(dims), kind, tuple(values.tolist()))
    if raw is not None or kind != INT64 or count * 8 > SMALL_BYTES:
        return name, None
    stored = tuple(value for field in found[INT64S] for value in integers(content, field))
    return name, Constant(tuple(dims), kind, stored) if stored else None


def describe_tensor(content: bytes, span: Span) -> str:
    """Returns a stored tensor's name, type and shape, as text for a terminal."""
    found = gather(content, span, (NAME, TYPE, DIMS))
    name = only([text(content, each) for each in found[NAME]], "")
    kind = only([number(each) for each in found[TYPE]], 0)
    known = [dtype for dtype, value in ELEMENT_TYPES.items() if value == kind]
    dims = [side for each in found[DIMS] for side in integers(content, each)]
    return f"{plain_line(name, 60)} {known[0] if known else f'type {kind}'} {dims}"


def value_info(name: str, example: Array) -> bytes:
    """Returns an input's or output's description: a name, and an array's type and shape.

    Raises:
        ModelFileError: the array is of a type that such a file does not have.
    """
    kind = ELEMENT_TYPES.get(example.dtype.name)
    if kind is None:
        raise ModelFileError(
            f"{name}: is of type {example.dtype}, which cannot be written to a file"
        )
    shape = b"".join(encode(DIMENSION, encode(SIDE, side)) for side in example.shape)
    tensor = encode(ELEMENT_TYPE, kind) + encode(SHAPE, shape)
    return encode(VALUE_NAME, name.encode()) + encode(VALUE_TYPE, encode(TENSOR_TYPE, tensor))


def _elements(content: bytes, field: Field) -> int:
    """Returns how many elements a field of stored values has."""
    of, kind, start, end = field
    if kind != BYTES:
        return 1
    if of in FLOAT_WIDTHS:
        return (end - start) // FLOAT_WIDTHS[of]
    # A varint ends with a byte below 128; translate() counts without a loop in Python.
    return len(content[start:end].translate(None, _CONTINUES))
