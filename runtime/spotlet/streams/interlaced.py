"""Packets of interlaced video as of progressive video: the pictures of both fields are the same.

OpenCV since 4.13 converts no picture that is marked as interlaced, and says nothing: it returns a
buffer that was never written. Without the mark it converts them, as before: both fields in one
picture, one in every other row.

Source: ISO/IEC 14496-10 (H.264) 7.3.2.1, D.1.3, E.1.1; 13818-2 (MPEG-2) 6.2.2.3, 6.2.3.1;
14496-2 (MPEG-4) 6.2.3; 23008-2 (HEVC) 7.3.3; SMPTE 314M (DV), ST 2019-1 (DNxHD),
RDD 36 (ProRes) 5.1.
"""

import re
from collections.abc import Callable

import cv2

from spotlet.streams.picture_size import Bits, codec_name, nal_units, read_h264, read_mpeg4

Rewrite = Callable[[bytes], bytes]

_VERSION = tuple(int(part) for part in re.findall(r"\d+", cv2.__version__)[:2])
LOSES_INTERLACED = _VERSION >= (4, 13)
"""Whether this OpenCV returns buffers that were never written."""

_SPS, _SLICES = 7, (1, 2, 5)
_HEVC_SPS, _HEVC_MESSAGES = 33, 39
_FRAME = b"\0\0\1\x06\1\1\x04\x80"  # the message: this picture is a frame
_DIF_HEADER = b"\x1f\x07\0"
_PRORES_FRAME = b"icpf"
_DNX_HEADER = re.compile(b"\0\0\2\x80[\1-\3]")
MARKED_BY_CONTAINER = frozenset({"\0\0\0\0", "v210", "ffv1"})
"""Codecs (the first is raw pictures) whose decoder marks what its container calls interlaced."""


def is_interlaced(fourcc: str, packet: bytes) -> bool:
    """Returns whether the pictures from a key frame on may be interlaced."""
    if packet.startswith(_DIF_HEADER):
        return True
    if packet[4:8] == _PRORES_FRAME:
        return bool(packet[20:21] and packet[20] >> 2 & 3)
    if _DNX_HEADER.match(packet):
        return bool(packet[5:6] and packet[5] & 2)
    name = codec_name(fourcc)
    try:
        if name == "V_MPEG4/ISO/AVC":
            return any(
                not read_h264(Bits(unit[1:]))[2] for unit in _parameters(packet, 31, 0, _SPS)
            )
        if name == "V_MPEGH/ISO/HEVC":
            return any(unit[8] & 0x40 for unit in _parameters(packet, 63, 1, _HEVC_SPS))
        if name == "V_MPEG4/ISO/ASP":
            found = read_mpeg4(packet)
            return found is not None and found[2]
    except (IndexError, ValueError):
        return False
    found_at = re.search(rb"\x00\x00\x01\xb5[\x10-\x1f](.)", packet, re.DOTALL)
    return name == "V_MPEG2" and found_at is not None and not found_at[1][0] & 8


def progressive_rewrite(fourcc: str) -> Rewrite | None:
    """Returns what removes the mark from a codec's packets; None if its decoder needs it."""
    return {
        "V_MPEG4/ISO/AVC": _rewrite_h264,
        "V_MPEGH/ISO/HEVC": _rewrite_hevc,
        "V_MPEG2": _rewrite_mpeg2,
    }.get(codec_name(fourcc))


def explain_refusal(fourcc: str) -> str:
    """Returns why a codec's interlaced pictures cannot be read, and what helps."""
    name = fourcc.strip("\0") or "raw"
    return (
        f"interlaced video ({name}), which OpenCV {cv2.__version__} cannot convert; convert it "
        "with: ffmpeg -i IN -vf bwdif OUT.mp4, or install opencv-python-headless 4.12"
    )


def _parameters(packet: bytes, mask: int, shift: int, kind: int) -> list[bytes]:
    return [unit for unit in nal_units(packet) if unit and unit[0] >> shift & mask == kind]


def _rewrite_h264(packet: bytes) -> bytes:
    """Says before each picture that it is a frame, which counts more than how it is stored."""
    start, *units = packet.split(b"\0\0\1")
    content = [start]
    for unit in units:
        kind = unit[0] & 31 if unit else 0
        if kind in _SLICES and unit[1:2] >= b"\x80":  # the first of a picture
            content.append(_FRAME)
        content += [b"\0\0\1", _with_messages(unit) if kind == _SPS else unit]
    return b"".join(content)


def _with_messages(unit: bytes) -> bytes:
    """Returns parameters that allow for that message, and for no other in its place."""
    content = nal_units(b"\0\0\1" + unit.rstrip(b"\0"))[0]
    bits = Bits(content[1:])
    try:
        read_h264(bits)
        usage = _usage(bits)
    except ValueError:
        return unit
    before = f"{int.from_bytes(content[1:], 'big'):0{8 * len(content) - 8}b}"
    text = before[: usage[0]] + usage[1] + before[usage[2] :].rstrip("0")
    text += "0" * (-len(text) % 8)
    rewritten = content[:1] + int(text, 2).to_bytes(len(text) // 8, "big")
    return re.sub(b"\0\0(?=[\0-\3])", b"\0\0\3", rewritten)


def _usage(bits: Bits) -> tuple[int, str, int]:
    """Returns which bits are replaced: from the first, by these, up to the second."""
    if not bits.take(1):  # nothing was said of how the pictures are used
        return bits.place - 1, "1" + "00000" + "001" + "0", bits.place
    if bits.take(1) and bits.take(8) == 255:  # the shape of a pixel
        bits.take(32)
    if bits.take(1):
        bits.take(1)
    if bits.take(1):  # colours
        bits.take(4)
        if bits.take(1):
            bits.take(24)
    if bits.take(1):
        bits.number()
        bits.number()
    if bits.take(1):  # a clock
        bits.take(65)
    first = bits.place
    models = [_skip_buffer_model(bits) for _ in range(2) if bits.take(1)]
    bits.take(1 + bool(models))
    return first, "001", bits.place


def _skip_buffer_model(bits: Bits) -> bool:
    count = bits.number() + 1
    bits.take(8)
    for _ in range(count):
        bits.number()
        bits.number()
        bits.take(1)
    bits.take(20)
    return True


def _rewrite_hevc(packet: bytes) -> bytes:
    start, *units = packet.split(b"\0\0\1")
    kept = [unit for unit in units if not unit or unit[0] >> 1 & 63 != _HEVC_MESSAGES]
    return b"\0\0\1".join([start, *kept])


def _rewrite_mpeg2(packet: bytes) -> bytes:
    content = bytearray(packet)
    for found in re.finditer(b"\0\0\1\xb5[\x80-\x8f]", packet):
        if found.end() + 3 < len(content):
            content[found.end() + 3] |= 0x80  # the picture is progressive
    return bytes(content)
