import os
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from live_frames import numbered_image

from spotlet.streams import open_stream
from spotlet.streams.damage import count_damaged_places

WriteClip = Callable[..., Path]
PICTURES = 60
PACKET = 188


def _write(path: Path, fourcc: str) -> bytes:
    code = cv2.VideoWriter.fourcc(*fourcc)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, 20, (192, 96))
    assert writer.isOpened()
    noise = np.random.default_rng(0)
    for number in range(PICTURES):
        image = numbered_image(number, (96, 192))
        image[48:] = noise.integers(0, 255, (48, 192, 3))  # so that a picture is many packets
        writer.write(image)
    writer.release()
    return path.read_bytes()


def _count(path: Path, content: bytes) -> int:
    path.write_bytes(content)
    return count_damaged_places(path)


def _ended_early(path: Path) -> str | None:
    with open_stream(path) as stream:
        assert sum(1 for _ in stream) > PICTURES // 2
    return stream.ended_early


def _within_a_picture(content: bytes) -> int:
    """Returns the number of a packet in the middle whose neighbours are of its picture."""
    packets = np.frombuffer(content, np.uint8).reshape(-1, PACKET)
    heads = packets[:, 1].astype(int) << 8 | packets[:, 2]
    same = np.array([len(set(heads[n - 4 : n + 5])) == 1 for n in range(len(heads))])
    return int(np.flatnonzero(same[len(same) // 2 :])[0]) + len(same) // 2


def test_a_transport_stream_is_damaged_where_packets_do_not_follow_on(tmp_path: Path) -> None:
    path = tmp_path / "in.ts"
    whole = _write(path, "mp4v")
    place = _within_a_picture(whole) * PACKET
    assert _count(path, whole) == 0
    assert _ended_early(path) is None
    damaged = {
        "lost": whole[:place] + whole[place + 3 * PACKET :],
        "bytes lost": whole[: place + 50] + whole[place + 150 :],
        "overwritten": whole[:place] + bytes(3 * PACKET) + whole[place + 3 * PACKET :],
    }
    for name, content in damaged.items():
        assert _count(path, content) == 1, name
        early = _ended_early(path)
        assert early is not None
        assert early.startswith("damaged in 1 place; "), name


def test_transport_streams_that_were_joined_or_prefixed_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "in.ts"
    whole = _write(path, "mp4v")
    packets = [whole[place : place + PACKET] for place in range(0, len(whole), PACKET)]
    assert _count(path, whole * 3) == 0
    assert _count(path, b"".join(packets[: len(packets) // 3]) + whole) == 0
    assert _count(path, b"".join(bytes(4) + packet for packet in packets)) == 0
    assert _count(path, b"".join(packet + bytes(16) for packet in packets)) == 0
    twice = [packet for packet in packets for _ in range(2)]
    assert _count(path, b"".join(twice)) == 0
    uncounted = [packet[:3] + bytes([packet[3] & 0xF0]) + packet[4:] for packet in packets]
    assert _count(path, b"".join(uncounted)) == 0
    assert _count(path, whole[:-100]) == 0


def _element(kind: str, *parts: bytes, is_stated: bool = True) -> bytes:
    content = b"".join(parts)
    size = len(content).to_bytes(7, "big") if is_stated else b"\xff" * 7
    return bytes.fromhex(kind) + b"\1" + size + content


HEADER = _element("1a45dfa3", _element("4282", b"webm"))
BLOCK = _element("a3", b"\x81\0\0\x80", b"picture" * 20)
FOREIGN = _element("4abc", b"of a later standard")
VOID = _element("ec", bytes(9))


def _matroska(*, is_stated: bool) -> bytes:
    time, checksum = _element("e7", b"\1"), _element("bf", bytes(4))
    group = _element("a0", _element("a1", b"\x81\0\0\0", b"picture" * 9))
    cluster = _element("1f43b675", checksum, time, *[BLOCK] * 5, group, VOID, is_stated=is_stated)
    parts = [
        _element("1549a966", b""),
        FOREIGN,
        *[cluster] * 3,
        FOREIGN,
        _element("1c53bb6b", VOID),
    ]
    return HEADER + _element("18538067", *parts, is_stated=is_stated)


@pytest.mark.parametrize("is_stated", [True, False])
def test_matroska_is_damaged_where_elements_do_not_follow_on(
    tmp_path: Path, is_stated: bool
) -> None:
    path = tmp_path / "in.webm"
    whole = _matroska(is_stated=is_stated)
    assert _count(path, whole) == 0
    assert _count(path, whole * 2) == 0
    assert _count(path, whole[: len(whole) * 2 // 3]) == 0
    assert _count(path, whole + bytes(999)) == 0
    block = whole.index(BLOCK, whole.index(BLOCK) + 1)
    for kind in (b"\0", b"\xff", b"\x47"):
        assert _count(path, whole[:block] + kind * 30 + whole[block + 30 :]) == 1
    cluster = whole.index(bytes.fromhex("1f43b675"), block)
    for kind in (b"\0", b"\xff", b"\x47"):
        assert _count(path, whole[:cluster] + kind * 30 + whole[cluster + 30 :]) == 1
    lost = whole[: block + 50] + whole[block + 90 :]
    assert _count(path, lost) == 1


def test_damage_of_a_webm_file_is_reported(tmp_path: Path, write_clip: WriteClip) -> None:
    images = [numbered_image(number, (96, 192)) for number in range(PICTURES)]
    path = write_clip(tmp_path / "in.webm", images, fps=20)
    content = path.read_bytes()
    assert _count(path, content) == 0
    place = content.index(b"\xa3", len(content) * 2 // 3)
    path.write_bytes(content[:place] + bytes(600) + content[place + 600 :])
    early = _ended_early(path)
    assert early is not None
    assert early.startswith("damaged in 1 place; ")


def test_motion_jpeg_is_damaged_where_a_picture_holds_what_none_may_hold(tmp_path: Path) -> None:
    path = tmp_path / "in.mjpeg"
    whole = _write(path, "MJPG")
    starts = [n for n in range(len(whole)) if whole.startswith(b"\xff\xd8\xff", n)]
    assert len(starts) == PICTURES
    assert _count(path, whole) == 0
    pictures = [whole[a:b] for a, b in zip(starts, [*starts[1:], len(whole)], strict=True)]
    assert (
        _count(path, b"".join(picture + os.urandom(64).hex().encode() for picture in pictures)) == 0
    )
    assert _count(path, b"".join(picture.removesuffix(b"\xff\xd9") for picture in pictures)) == 0
    middle = (starts[30] + starts[31]) // 2
    assert _count(path, whole[:middle] + b"\xff\x11" * 20 + whole[middle + 40 :]) == 1
    assert _count(path, whole[:middle] + whole[starts[31] :]) == 1
    early = _ended_early(path)
    assert early is not None
    assert early.startswith("damaged in 1 place; ")


@pytest.mark.parametrize(
    "content", [b"", b"G", b"GGGGGG", b"\xff\xd8", b"\x1aE\xdf\xa3", bytes(99)]
)
def test_a_file_of_next_to_nothing_shows_no_damage(tmp_path: Path, content: bytes) -> None:
    assert _count(tmp_path / "in.bin", content) == 0
    assert count_damaged_places(tmp_path / "missing") == 0


def test_damage_in_many_places_takes_no_longer_than_the_file(tmp_path: Path) -> None:
    places = 5000
    packets = (b"\x47\x01\0\x10" + bytes(PACKET - 4)) * 20
    cluster = _element("1f43b675", BLOCK)
    clusters = HEADER + _element("18538067", is_stated=False) + cluster
    started = time.process_time()
    assert _count(tmp_path / "in.ts", (packets + b"lost") * places + packets) == places
    assert _count(tmp_path / "in.mkv", clusters + (bytes(99) + cluster) * places) == places
    assert time.process_time() - started < 8  # it is 0.5; each place to the file's end, 40
