"""The size that a picture states in plain bytes: a packet in, height and width out.

Source: ISO/IEC 15444-1 (JPEG 2000) A.5.1; RDD 36 (ProRes) 5.1; SMPTE ST 2019-1 (DNxHD); FFmpeg's
flvdec.c for the header of Sorenson H.263.
"""

import struct

SizeHw = tuple[int, int]

_JPEG2000_SIZE = b"\xff\x4f\xff\x51"
_SORENSON_SIZES: dict[int, SizeHw] = {
    2: (288, 352),
    3: (144, 176),
    4: (96, 128),
    5: (240, 320),
    6: (120, 160),
}


def read_jpeg2000(packet: bytes) -> SizeHw | None:
    """Returns the size of a JPEG 2000 picture, in its own file or not."""
    place = packet.find(_JPEG2000_SIZE)
    if place < 0 or len(packet) < place + 24:
        return None
    right, bottom, left, top = struct.unpack_from(">4I", packet, place + 8)
    return bottom - top, right - left


def read_prores(packet: bytes) -> SizeHw | None:
    """Returns the size of a ProRes frame."""
    size_hw = _sides(packet, ">2H", 16) if packet[4:8] == b"icpf" else None
    return size_hw and size_hw[::-1]


def read_dnxhd(packet: bytes) -> SizeHw | None:
    """Returns the size of a DNxHD or DNxHR frame."""
    return _sides(packet, ">2H", 24) if packet[:4] == b"\0\0\2\x80" else None


def read_sorenson(packet: bytes) -> SizeHw | None:
    """Returns the size of a picture of Flash's H.263."""
    bits = int.from_bytes(packet[:9].ljust(9, b"\0"), "big")  # 72 of them
    if len(packet) < 9 or bits >> 55 != 1:
        return None
    code = bits >> 39 & 7
    if code > 1:
        return _SORENSON_SIZES.get(code)
    count = 8 << code
    sides = bits >> 39 - 2 * count & (1 << 2 * count) - 1
    return sides & (1 << count) - 1, sides >> count


def _sides(packet: bytes, form: str, place: int) -> SizeHw | None:
    if len(packet) < place + struct.calcsize(form):
        return None
    first, second = struct.unpack_from(form, packet, place)
    return first, second
