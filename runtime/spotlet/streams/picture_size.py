"""The size that a key frame's own headers state: bytes in, height and width out.

Source: ISO/IEC 14496-10 (H.264) 7.3.2.1.1; 23008-2 (HEVC) 7.3.2.2; 14496-2 (MPEG-4) 6.2.3;
13818-2 (MPEG-2) 6.2.2.1; RFC 6386 (VP8) 9.1;
VP9 bitstream specification 0.6, 6.2.
"""

import re
from collections.abc import Callable

from spotlet.image_files.headers import stored_size_hw
from spotlet.streams import plain_size
from spotlet.streams.plain_size import SizeHw

PRORES_CODES = ("apch", "apcn", "apcs", "apco", "ap4h", "ap4x")

_START = b"\0\0\1"
_H264_WITH_CHROMA = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_H264_SPS, _HEVC_SPS = 7, 33
_PARAMETER_BYTES = 1024  # the size is within these


class Bits:
    """Reads numbers of some bits each, the highest first."""

    def __init__(self, content: bytes) -> None:
        self._value = int.from_bytes(content, "big")
        self._left = len(content) * 8
        self.place = 0

    def take(self, count: int) -> int:
        """Returns the next number."""
        self._left -= count
        self.place += count
        if self._left < 0:
            raise ValueError("the header is cut short")
        return self._value >> self._left & (1 << count) - 1

    def number(self) -> int:
        """Returns an unsigned Exp-Golomb number."""
        zeros = 0
        while not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)


def size_reader(fourcc: str) -> Callable[[bytes], SizeHw | None] | None:
    """Returns what reads the size in a key frame of a codec; None for an unknown codec.

    Args:
        fourcc: the codec as OpenCV names it, in any case.
    """
    name = _NAMES.get(fourcc.lower())
    return None if name is None else _CODECS[name][1]


def codec_name(fourcc: str) -> str:
    """Returns the name in Matroska of a codec that `size_reader` knows; empty for others."""
    return _NAMES.get(fourcc.lower(), "")


def is_shown(fourcc: str, packet: bytes) -> bool:
    """Returns whether a packet is a picture that is shown; those of VP8 may only be referred to."""
    return _NAMES.get(fourcc.lower()) != "V_VP8" or not packet or bool(packet[0] >> 4 & 1)


def nal_units(packet: bytes) -> list[bytes]:
    """Returns the NAL units of a packet without the bytes that keep start codes apart."""
    return [unit.replace(b"\0\0\3", b"\0\0") for unit in packet.split(_START)[1:]]


def _h264(packet: bytes) -> SizeHw | None:
    # The last one counts: FFmpeg puts those of the container before those of the packet.
    units = [unit for unit in nal_units(packet) if unit and unit[0] & 31 == _H264_SPS]
    return read_h264(Bits(units[-1][1:_PARAMETER_BYTES]))[:2] if units else None


def read_h264(bits: Bits) -> tuple[int, int, bool]:
    """Returns height, width, and whether all pictures are frames; the usage of pictures follows."""
    profile, chroma = bits.take(8), 1
    bits.take(16)
    bits.number()
    if profile in _H264_WITH_CHROMA:
        chroma = bits.number()
        if chroma == 3:
            bits.take(1)
        bits.number()
        bits.number()
        bits.take(1)
        if bits.take(1):
            for index in range(12 if chroma == 3 else 8):
                if bits.take(1):
                    _skip_scaling_list(bits, 16 if index < 6 else 64)
    bits.number()
    order = bits.number()
    if order == 0:
        bits.number()
    elif order == 1:
        bits.take(1)
        bits.number()
        bits.number()
        for _ in range(bits.number()):
            bits.number()
    bits.number()
    bits.take(1)
    width, height = 16 * (bits.number() + 1), 16 * (bits.number() + 1)
    fields = 2 - bits.take(1)
    height *= fields
    if fields == 2:
        bits.take(1)
    bits.take(1)
    if bits.take(1):
        step_x, step_y = 2 if chroma in (1, 2) else 1, (2 if chroma == 1 else 1) * fields
        width -= step_x * (bits.number() + bits.number())
        height -= step_y * (bits.number() + bits.number())
    return height, width, fields == 1


def _skip_scaling_list(bits: Bits, count: int) -> None:
    last = following = 8
    for _ in range(count):
        if following:
            code = bits.number()
            following = (last + (code + 1) // 2 * (1 if code % 2 else -1)) % 256
        last = following or last


def _hevc(packet: bytes) -> SizeHw | None:
    units = [unit for unit in nal_units(packet) if unit and unit[0] >> 1 & 63 == _HEVC_SPS]
    return _hevc_parameters(units[-1][2:_PARAMETER_BYTES]) if units else None


def _hevc_parameters(content: bytes) -> SizeHw:
    bits = Bits(content)
    bits.take(4)
    layers = bits.take(3)
    bits.take(1 + 96)  # the general profile, tier and level
    present = [(bits.take(1), bits.take(1)) for _ in range(layers)]
    if layers:
        bits.take(2 * (8 - layers))
    for profile, level in present:
        bits.take(88 * profile + 8 * level)
    bits.number()
    chroma = bits.number()
    if chroma == 3:
        bits.take(1)
    width, height = bits.number(), bits.number()
    if bits.take(1):
        width -= (2 if chroma in (1, 2) else 1) * (bits.number() + bits.number())
        height -= (2 if chroma == 1 else 1) * (bits.number() + bits.number())
    return height, width


def _mpeg4(packet: bytes) -> SizeHw | None:
    found = read_mpeg4(packet)
    return None if found is None else found[:2]


def read_mpeg4(packet: bytes) -> tuple[int, int, bool] | None:
    """Returns height, width, and whether pictures are interlaced; None if they are not stated."""
    found = re.search(b"\0\0\1[\x20-\x2f]", packet)
    if found is None:
        return None
    bits = Bits(packet[found.end() : found.end() + 64])
    bits.take(9)
    if bits.take(1):
        bits.take(4)
        bits.take(3)
    if bits.take(4) == 15:
        bits.take(16)
    if bits.take(1):
        bits.take(3)
        if bits.take(1):
            bits.take(79)
    if bits.take(2) != 0:  # another shape than a rectangle
        return None
    bits.take(1)
    resolution = bits.take(16)
    bits.take(1)
    if bits.take(1):
        bits.take(max((resolution - 1).bit_length(), 1))
    bits.take(1)
    width = bits.take(13)
    bits.take(1)
    height = bits.take(13)
    bits.take(1)
    return height, width, bool(bits.take(1))


def _mpeg2(packet: bytes) -> SizeHw | None:
    place = packet.find(b"\0\0\1\xb3")
    if place < 0 or len(packet) < place + 7:
        return None
    sides = int.from_bytes(packet[place + 4 : place + 7], "big")
    return sides & 4095, sides >> 12


def _vp8(packet: bytes) -> SizeHw | None:
    if packet[3:6] != b"\x9d\x01\x2a" or len(packet) < 10:
        return None
    width, height = packet[6] | packet[7] << 8, packet[8] | packet[9] << 8
    return height & 0x3FFF, width & 0x3FFF


def _vp9(packet: bytes) -> SizeHw | None:
    if not packet:
        return None
    bits = Bits(packet[:32])
    bits.take(2)
    profile = bits.take(1) | bits.take(1) << 1
    if profile == 3:
        bits.take(1)
    if bits.take(1) or bits.take(1):  # shown again; no key frame
        return None
    bits.take(2)
    if bits.take(24) != 0x498342:
        return None
    if profile >= 2:
        bits.take(1)
    if bits.take(3) != 7:
        bits.take(1)
        if profile in (1, 3):
            bits.take(3)
    elif profile in (1, 3):
        bits.take(1)
    width = bits.take(16) + 1
    return bits.take(16) + 1, width


_CODECS: dict[str, tuple[tuple[str, ...], Callable[[bytes], SizeHw | None]]] = {
    "V_MPEG4/ISO/AVC": (("h264", "avc1", "avc3", "x264"), _h264),
    "V_MPEGH/ISO/HEVC": (("hevc", "hvc1", "hev1", "h265"), _hevc),
    "V_MPEG4/ISO/ASP": (("mp4v", "fmp4", "xvid", "divx", "dx50"), _mpeg4),
    "V_MPEG2": (("mpg1", "mpg2", "mpeg", "mp2v", "mp1v"), _mpeg2),
    "V_VP8": (("vp80", "vp8 ", "vp08"), _vp8),
    "V_VP9": (("vp90", "vp9 ", "vp09"), _vp9),
    "V_MJPEG": (("mjpg", "jpeg"), stored_size_hw),
    "V_MS/VFW/FOURCC/FLV1": (("flv1",), plain_size.read_sorenson),
    "V_MS/VFW/FOURCC/MPNG": (("mpng",), stored_size_hw),
    "V_MS/VFW/FOURCC/apch": (PRORES_CODES, plain_size.read_prores),
    "V_MS/VFW/FOURCC/AVdn": (("avdn",), plain_size.read_dnxhd),
    "V_MS/VFW/FOURCC/mjp2": (("mjp2",), plain_size.read_jpeg2000),
}
_NAMES = {code: name for name, (codes, _) in _CODECS.items() for code in codes}
