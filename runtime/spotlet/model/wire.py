"""Protocol Buffers' wire format, as far as one must read it to look at a message's fields.

Nothing is copied but what is asked for: bytes of a length that stands before them are passed over.

Source: Protocol Buffers, "Encoding": https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types. Groups, 3 and 4, are of a time before ONNX."""

MOST_VARINT_BYTES = 10
"""Of 64 bits, seven in each."""

Field = tuple[int, int, int, int]
"""Number, wire type, and the value of a varint with 0, or where its bytes begin and end."""


def fields(content: bytes, start: int, end: int) -> Iterator[Field]:
    """Gives the fields of the message in `content[start:end]`, in their order.

    Raises:
        ValueError: the bytes are no message, or it goes on beyond `end`.
    """
    while start < end:
        key = content[start]  # most keys are one byte: a call for each would double the time
        start += 1
        if key > 127:
            key, start = read_varint(content, start - 1, end)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise ValueError("a field has the number 0")
        if kind == BYTES:
            length, start = read_varint(content, start, end)
            if length > end - start:
                raise ValueError("a field is longer than what holds it")
            yield number, kind, start, start + length
            start += length
        elif kind == VARINT:
            value, start = read_varint(content, start, end)
            yield number, kind, value, 0
        elif kind in (FIXED32, FIXED64):
            width = 4 if kind == FIXED32 else 8
            if width > end - start:
                raise ValueError("a field is longer than what holds it")
            yield number, kind, start, start + width
            start += width
        else:
            raise ValueError(f"a field has the wire type {kind}")


def read_varint(content: bytes, start: int, end: int) -> tuple[int, int]:
    r"""Returns the number that begins at `start`, 0 to 2**64 - 1, and where the next thing begins.

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


def signed(value: int) -> int:
    """Returns a varint as the 64-bit number with a sign that it stands for."""
    return value - 2**64 if value >= 2**63 else value


def integers(content: bytes, field: Field) -> list[int]:
    """Returns the numbers with a sign of a repeated field: one varint, or many, packed.

    Raises:
        ValueError: the field is of another type, or cut short.
    """
    _, kind, start, end = field
    if kind == VARINT:
        return [signed(start)]
    if kind != BYTES:
        raise ValueError("a list of whole numbers is something else")
    found = []
    while start < end:
        value, start = read_varint(content, start, end)
        found.append(signed(value))
    return found
