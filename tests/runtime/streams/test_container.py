import struct
from pathlib import Path

import pytest

from spotlet.streams.container import read_index
from spotlet.streams.upright import Orientation, orientation_of_angle, orientation_of_matrix
from spotlet.streams.whole import is_whole


def _element(kind: str, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return bytes.fromhex(kind) + (1 << 56 | len(content)).to_bytes(8, "big") + content


def _matroska(yaw: float, roll: float, track_type: int = 1) -> bytes:
    turn = _element("7673", struct.pack(">f", yaw)) + _element("7675", struct.pack(">d", roll))
    video = _element("e0", _element("b0", b"\x40"), _element("7670", turn))
    sound = _element("ae", _element("83", b"\2"))
    track = _element("ae", _element("83", bytes([track_type])), video)
    segment = _element("18538067", _element("ec", bytes(9)), _element("1654ae6b", sound + track))
    return _element("1a45dfa3", b"") + segment


@pytest.mark.parametrize(
    ("yaw", "roll", "right"),
    [
        (180.0, 0.0, Orientation(mirrored=True)),
        (-180.0, 180.0, Orientation(flipped=True)),
        (180.0, 90.0, Orientation(transposed=True)),
        (180.0, -90.0, Orientation(transposed=True, mirrored=True, flipped=True)),
    ],
)
def test_a_mirrored_matroska_file_says_so(
    tmp_path: Path, yaw: float, roll: float, right: Orientation
) -> None:
    (tmp_path / "in.mkv").write_bytes(_matroska(yaw, roll))
    index = read_index(tmp_path / "in.mkv")
    assert index is not None
    assert (index.orientation, index.is_counted) == (right, False)


@pytest.mark.parametrize("content", [_matroska(0, 90), _matroska(180, 0, 2), b"", b"RIFF" * 9])
def test_a_file_that_is_not_mirrored_has_no_index_of_its_own(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "in.mkv").write_bytes(content)
    assert read_index(tmp_path / "in.mkv") is None


def test_a_file_of_which_nothing_is_known_may_be_whole_or_not(tmp_path: Path) -> None:
    (tmp_path / "in.xyz").write_bytes(b"anything at all")
    assert is_whole(tmp_path / "in.xyz") is None
    assert is_whole(tmp_path / "missing") is None


def test_zeros_behind_a_matroska_file_are_padding(tmp_path: Path) -> None:
    cluster = bytes.fromhex("1f43b675" + "01ffffffffffffff") + _element("a3", b"\x81\0\0\x80")
    whole = _element("1a45dfa3", b"") + bytes.fromhex("18538067" + "01ffffffffffffff") + cluster
    for tail, right in ((b"", True), (bytes(5000), True), (bytes(5000) + b"\1", False)):
        (tmp_path / "in.mkv").write_bytes(whole + tail)
        assert is_whole(tmp_path / "in.mkv") is right
    (tmp_path / "in.mkv").write_bytes(whole[:-1])
    assert is_whole(tmp_path / "in.mkv") is False


def test_a_nut_file_is_whole_if_its_index_ends_it(tmp_path: Path) -> None:
    index = bytes.fromhex("4e58dd672f23e64e") + b"times and places"
    whole = b"nut/multimedia container\0" + bytes(99) + index
    tail = struct.pack(">Q4x", len(index) + 12)
    for content, right in ((whole + tail, True), (whole + tail[:-3], None), (whole, None)):
        (tmp_path / "in.nut").write_bytes(content)
        assert is_whole(tmp_path / "in.nut") is right


def test_boxes_end_where_they_say(tmp_path: Path) -> None:
    def write(*boxes: bytes) -> Path:
        (tmp_path / "in.mp4").write_bytes(b"".join(boxes))
        return tmp_path / "in.mp4"

    first = struct.pack(">I4s8x", 16, b"ftyp")
    assert is_whole(write(first, struct.pack(">I4s", 12, b"mdat"), b"data"))
    assert is_whole(write(first, struct.pack(">I4s", 0, b"mdat"), b"to the end"))
    assert is_whole(write(first, struct.pack(">I4sQ", 1, b"mdat", 20), b"data"))
    assert is_whole(write(first, bytes(6)))  # padding
    assert is_whole(write(first, struct.pack(">I4s", 13, b"mdat"), b"data")) is False
    assert is_whole(write(first, struct.pack(">I4sQ", 1, b"mdat", 1 << 40), b"data")) is False
    assert is_whole(write(first, b"\0\0\0")) is True


@pytest.mark.parametrize("quarters", range(4))
def test_a_turn_is_the_same_as_an_angle_and_as_a_matrix(quarters: int) -> None:
    cos, sin = [(1, 0), (0, 1), (-1, 0), (0, -1)][quarters]
    assert orientation_of_angle(90 * quarters) == orientation_of_matrix(cos, sin, -sin, cos)
