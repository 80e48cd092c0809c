"""A picture that says "as before", for MPEG-4 video: a handful of bytes and no work.

Encoding a picture again costs most of what the first time did. In MPEG-4 every block of a
predicted picture may be marked as not coded, and is then a copy of the picture before.

Source: ISO/IEC 14496-2, 6.2.3 (video object layer), 6.2.5 (plane), 6.2.6 (macroblock); 14496-1,
7.2.6 (the descriptors in which an MP4 keeps the layer's header), 8.3.3 (their lengths).
"""

_LAYER_START = b"\0\0\1\x20"
_PLANE_START = b"\0\0\1\xb6"
_BLOCK_PIXELS = 16
_LONGEST_LAYER_BYTES = 32  # of what is read here; the rest of the layer may follow


def repeated_picture(description: bytes, size_hw: tuple[int, int]) -> bytes:
    """Returns a predicted picture that leaves every pixel as it was.

    Args:
        description: holds the header of the layer, see `mp4.Encoded`.
        size_hw: height and width of the pictures, pixels.

    Raises:
        ValueError: the description is none of plain MPEG-4 video.
    """
    height, width = size_hw
    blocks = -(-height // _BLOCK_PIXELS) * -(-width // _BLOCK_PIXELS)
    bits = "".join(
        (
            "01",  # predicted
            "0",  # within the same second
            "1",
            "0" * time_bits(description),
            "1",
            "1",  # coded
            "0",  # rounding
            "000",  # threshold of the intra table
            "00001",  # quantiser; nothing is quantised
            "001",  # range of motion; nothing moves
            "1" * blocks,  # not coded, each
            "0",
        )
    )
    bits += "1" * (-len(bits) % 8)
    return _PLANE_START + int(bits, 2).to_bytes(len(bits) // 8, "big")


def time_bits(description: bytes) -> int:
    """Returns how many bits a picture's time within its second takes.

    Raises:
        ValueError: the description is none of plain MPEG-4 video.
    """
    _, found, layer = _decoder_settings(description).partition(_LAYER_START)
    if not found:
        raise ValueError("no header of an MPEG-4 video layer")
    layer = layer[:_LONGEST_LAYER_BYTES].ljust(_LONGEST_LAYER_BYTES, b"\0")
    bits = "".join(f"{byte:08b}" for byte in layer)
    place = 1 + 8  # whether it can be entered anywhere, and its type
    place += 8 if bits[place] == "1" else 1  # version and priority
    place += 4 + 16 if bits[place : place + 4] == "1111" else 4  # shape of a pixel
    if bits[place] == "1":  # colours and delay, then perhaps the decoder's buffer
        place += 1 + 3
        place += 79 if bits[place] == "1" else 0
    place += 1
    if bits[place : place + 3] != "001":
        raise ValueError("an MPEG-4 video layer that is not rectangular")
    resolution = int(bits[place + 3 : place + 19], 2)
    if resolution == 0:
        raise ValueError("an MPEG-4 video layer without a clock")
    return max((resolution - 1).bit_length(), 1)


def _decoder_settings(description: bytes) -> bytes:
    """Returns what an MPEG-4 decoder is told before the first picture."""
    _, found, rest = description.partition(b"esds")
    rest = rest[4:]  # version and flags
    for tag, fixed_bytes in ((3, 3), (4, 13), (5, 0)):  # stream, decoder, its settings
        if not found or rest[:1] != bytes([tag]):
            raise ValueError("no description of an MPEG-4 stream")
        length_bytes = 1
        while rest[length_bytes : length_bytes + 1] >= b"\x80":
            length_bytes += 1
        rest = rest[1 + length_bytes + fixed_bytes :]
    return rest
