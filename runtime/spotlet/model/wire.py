"""Protocol Buffers' wire format: just enough to read a message's fields, and to write some.

Only what is asked for is copied: the bytes of all other fields are skipped by their length.

Source: Protocol Buffers, "Encoding": https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Iterator, Sequence
from typing import TypeVar

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types. Groups, 3 and 4, are older than ONNX."""

MOST_VARINT_BYTES = 10
"""Bytes of 64 bits, seven in each."""

MOST_FIELDS = 2**20
"""Fields of one message; Python takes some 150 bytes for each that is kept."""

Field = tuple[int, int, int, int]
"""Number, wire type, and the value of a varint with 0, or where its bytes begin and end."""

Span = tuple[int, int]
"""Where a message begins and ends."""

_Value = TypeVar("_Value")
_Default = TypeVar("_Default")


def fields(content: bytes, start: int, end: int) -> Iterator[Field]:
    """Yields the fields of the message in `content[start:end]`, in their order.

    Raises:
        ValueError: the bytes are not a message, or a field continues beyond `end`.
    """
    while start < end:
        key = content[start]  # most numbers are one byte: a call for each would double the time
        start += 1
        if key > 127:
            key, start = read_varint(content, start - 1, end)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise ValueError("a field has the number 0")
        if kind in (VARINT, BYTES):
            if start < end and content[start] < 128:
                value, start = content[start], start + 1
            else:
                value, start = read_varint(content, start, end)
            if kind == VARINT:
                yield number, kind, value, 0
                continue
        elif kind in (FIXED32, FIXED64):
            value = 4 if kind == FIXED32 else 8
        else:
            raise ValueError(f"a field has the wire type {kind}")
        if value > end - start:
            raise ValueError("a field is longer than what holds it")
        yield number, kind, start, start + value
        start += value


def gather(content: bytes, span: Span, numbers: Sequence[int]) -> dict[int, list[Field]]:
    """Returns the fields of a message that have these numbers, by number, in their order.

    Raises:
        ValueError: the bytes are not a message, or it has over `MOST_FIELDS`.
    """
    found: dict[int, list[Field]] = {number: [] for number in numbers}
    for count, field in enumerate(fields(content, *span)):
        if count > MOST_FIELDS:
            raise ValueError(f"a message has over {MOST_FIELDS} fields")
        if field[0] in found:
            found[field[0]].append(field)
    return found


def read_varint(content: bytes, start: int, end: int) -> tuple[int, int]:
    r"""Returns the number that begins at `start`, 0 to 2**64 - 1, and where it ends.

    Raises:
        ValueError: it does not end before `end`, or has more than 64 bits.

    Example:
        >>> read_varint(b"\x96\x01", 0, 2)
        (150, 2)
    """
    value = shift = 0
    for at in range(start, min(end, start + MOST_VARINT_BYTES)):
        byte = content[at]
        value |= (byte & 127) << shift
        if byte < 128:
            return value & (2**64 - 1), at + 1
        shift += 7
    raise ValueError("a number does not end")


def encode(of: int, value: bytes | int) -> bytes:
    r"""Returns a field: its number, then bytes with their length, or a varint from 0 on.

    Example:
        >>> encode(1, b"ab"), encode(8, 150)
        (b'\n\x02ab', b'@\x96\x01')
    """
    if isinstance(value, int):
        return _varint(of << 3 | VARINT) + _varint(value)
    return _varint(of << 3 | BYTES) + _varint(len(value)) + value


def message(field: Field) -> Span:
    """Returns where a field's bytes are; raises ValueError if it is of another type."""
    if field[1] != BYTES:
        raise ValueError(f"field {field[0]} is of another type")
    return field[2], field[3]


def text(content: bytes, field: Field) -> str:
    """Returns the text of a field; raises ValueError if it is of another type, or not UTF-8."""
    start, end = message(field)
    return content[start:end].decode("utf-8")


def number(field: Field) -> int:
    """Returns the signed number of a field; raises ValueError if it is of another type."""
    if field[1] != VARINT:
        raise ValueError(f"field {field[0]} is of another type")
    return _signed(field[2])


def integers(content: bytes, field: Field) -> list[int]:
    """Returns the signed numbers of a repeated field: one varint, or many, packed.

    Raises:
        ValueError: the field is of another type, or cut short.
    """
    if field[1] == VARINT:
        return [_signed(field[2])]
    found = []
    start, end = message(field)
    while start < end:
        value, start = read_varint(content, start, end)
        found.append(_signed(value))
    return found


def only(values: Sequence[_Value], default: _Default) -> _Value | _Default:
    """Returns the value of a field that may appear once, or the default without one.

    Raises:
        ValueError: it appears twice, and readers may take either.
    """
    if len(values) > 1:
        raise ValueError("a field that may appear once appears twice")
    return values[0] if values else default


def _varint(value: int) -> bytes:
    """Returns a number from 0 on as a varint: seven bits a byte, the lowest first."""
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def _signed(value: int) -> int:
    """Returns a varint as the signed 64-bit number that it means."""
    return value - 2**64 if value >= 2**63 else value
