import pytest

from spotlet.streams.picture_size import codec_name, is_shown, size_reader

# Parameter sets written by hand: H.264 baseline level 3, HEVC main level 3.1; the rest from its
# specification's own layout.
H264 = bytes.fromhex("0000000109f0000000016742c01eda0280f6c044000003000400000300c83c58ba80")


@pytest.mark.parametrize(
    ("fourcc", "packet", "size_hw"),
    [
        ("h264", H264, (480, 640)),
        ("mpg2", b"\0\0\1\xb3" + ((720 << 12) | 576).to_bytes(3, "big") + bytes(5), (576, 720)),
        ("VP80", b"\x10\0\0\x9d\x01\x2a" + (322).to_bytes(2, "little") + b"\xf6\0", (246, 322)),
        ("MJPG", b"\xff\xd8\xff\xe0\0\4ab\xff\xc0\0\x11\x08\0\xf6\1\x42\3", (246, 322)),
    ],
)
def test_a_key_frame_states_its_size(fourcc: str, packet: bytes, size_hw: tuple[int, int]) -> None:
    read_size = size_reader(fourcc)
    assert read_size is not None
    assert read_size(packet) == size_hw
    assert read_size(b"") is None
    assert codec_name(fourcc).startswith("V_")


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
