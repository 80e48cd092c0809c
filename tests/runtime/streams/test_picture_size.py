import pytest

from spotlet.streams.picture_size import codec_name, is_shown, size_reader

# The headers of a test picture by x264, x265, libvpx-vp9 and FFmpeg's mpeg4.
H264 = bytes.fromhex("0000000109f0000000016742c01eda0280f6c044000003000400000300c83c58ba80")
HEVC = bytes.fromhex(
    "0000014201010408000003009e0800000300003c90014901f39ef2cacd24995e02dc080800100000030010000003"
    "00a08000"
)
VP9 = bytes.fromhex("a2498342e014100f560838241c184a00")
MPEG4 = bytes.fromhex("000001b001000001b58913000001000000012000c48d8800550a141ed443000001b2")


@pytest.mark.parametrize(
    ("fourcc", "packet", "size_hw"),
    [
        ("h264", H264, (480, 640)),
        ("hevc", HEVC, (246, 322)),
        ("VP90", VP9, (246, 322)),
        ("FMP4", MPEG4, (246, 322)),
        ("mpg2", b"\0\0\1\xb3" + ((720 << 12) | 576).to_bytes(3, "big") + bytes(5), (576, 720)),
        ("VP80", b"\x10\0\0\x9d\x01\x2a" + (322).to_bytes(2, "little") + b"\xf6\0", (246, 322)),
        ("FLV1", bytes.fromhex("0000840080a1007b12"), (246, 322)),
        ("FLV1", bytes.fromhex("00008400807800a012"), (320, 240)),
        ("FLV1", bytes.fromhex("0000840112a6202020"), (288, 352)),
        (
            "MPNG",
            bytes.fromhex("89504e470d0a1a0a0000000d49484452 00000142 000000f6 08"),
            (246, 322),
        ),
        ("apcn", bytes.fromhex("00001ada69637066 0094 0000 4c617663 0142 00f6 c0"), (246, 322)),
        ("AVdn", b"\0\0\2\x80\3" + bytes(19) + bytes.fromhex("00f6 0142 00"), (246, 322)),
        (
            "mjp2",
            b"in a file: \xff\x4f\xff\x51\0\x2f\0\0"
            + bytes.fromhex("00000144 000000f7 00000002 00000001"),
            (246, 322),
        ),
        ("MJPG", b"\xff\xd8\xff\xe0\0\4ab\xff\xc0\0\x11\x08\0\xf6\1\x42\3", (246, 322)),
    ],
)
def test_a_key_frame_states_its_size(fourcc: str, packet: bytes, size_hw: tuple[int, int]) -> None:
    read_size = size_reader(fourcc)
    assert read_size is not None
    assert read_size(packet) == size_hw
    assert read_size(b"") is None
    assert codec_name(fourcc).startswith("V_")


def test_the_last_parameter_set_of_a_packet_counts() -> None:
    smaller = bytes.fromhex(
        "000001420101016000000300400000030000030" + "03ca00a080f16595952930bc05a1a"
    )
    read_size = size_reader("hevc")
    assert read_size is not None
    assert read_size(smaller + HEVC) == (246, 322)
    assert read_size(HEVC + smaller) == (240, 320)


def test_a_parameter_set_that_is_cut_short_is_an_error() -> None:
    read_size = size_reader("h264")
    assert read_size is not None
    with pytest.raises(ValueError, match="cut short"):
        read_size(H264[:16])


def test_a_vp8_picture_may_only_be_referred_to() -> None:
    assert is_shown("VP80", b"\x10")
    assert not is_shown("VP80", b"\x00")
    assert is_shown("h264", b"\x00")
    assert size_reader("AV01") is None
