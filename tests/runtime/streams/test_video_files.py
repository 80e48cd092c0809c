import itertools
import os
import re
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from live_frames import number_in, numbered_image
from opencv_versions import follows_sizes
from patience import PATIENCE_SECONDS
from servers.over_http import serve_folder

from spotlet.letterbox import ImageArray
from spotlet.sinks.recording.mp4 import read_encoded
from spotlet.streams import Frame, Reconnection, StatusEvent, open_stream
from spotlet.streams.packets import PacketWatch
from spotlet.streams.whole import is_whole

WriteClip = Callable[..., Path]
FPS = 20


def _write(path: Path, fourcc: str, images: list[ImageArray]) -> bytes:
    height, width = images[0].shape[:2]
    code = cv2.VideoWriter.fourcc(*fourcc)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, FPS, (width, height))
    assert writer.isOpened()
    for image in images:
        writer.write(image)
    writer.release()
    return path.read_bytes()


def _numbered(numbers: range, size_hw: tuple[int, int] = (96, 192)) -> list[ImageArray]:
    return [numbered_image(number, size_hw) for number in numbers]


def _read(path: Path) -> tuple[list[Frame], str | None]:
    with open_stream(path) as stream:
        return list(stream), stream.ended_early


SIZES_HW = [(96, 192), (192, 208), (64, 192)]


@pytest.mark.parametrize(
    ("suffix", "fourcc", "lost"),  # FFmpeg's MPEG-2 decoder loses the picture before the change
    [(".ts", "mp4v", set()), (".mpg", "mpg2", {29}), (".mjpeg", "MJPG", set())],
)
@follows_sizes
def test_frames_have_their_own_size_when_it_changes_in_the_file(
    tmp_path: Path, suffix: str, fourcc: str, lost: set[int]
) -> None:
    parts = [
        _write(tmp_path / f"part{suffix}", fourcc, _numbered(range(30 * n, 30 * n + 30), size_hw))
        for n, size_hw in enumerate(SIZES_HW)
    ]
    path = tmp_path / f"changes{suffix}"
    path.write_bytes(b"".join(parts))
    frames, early = _read(path)
    assert early is None
    numbers = [number for number in range(90) if number not in lost]
    assert [frame.size_hw for frame in frames] == [SIZES_HW[number // 30] for number in numbers]
    assert [number_in(frame.image) for frame in frames] == numbers
    times = [frame.pts_seconds or 0.0 for frame in frames]
    assert all(0 <= after - before < 0.2 for before, after in itertools.pairwise(times))


@follows_sizes
def test_pixels_are_square_on_both_sides_of_a_change_of_size(tmp_path: Path) -> None:
    parts = [
        _write(tmp_path / "part.mpg", "mpg2", _numbered(range(30), size_hw))
        for size_hw in SIZES_HW[:2]
    ]
    content = bytearray(b"".join(parts))
    place = -1
    while (place := content.find(b"\0\0\1\xb3", place + 1)) >= 0:
        content[place + 7] = content[place + 7] & 15 | 2 << 4  # shown as 4:3
    (tmp_path / "in.mpg").write_bytes(content)
    frames, _ = _read(tmp_path / "in.mpg")
    assert {frame.size_hw for frame in frames} == {(96, 128), (192, 256)}


def test_a_change_of_size_that_opencv_cannot_follow_ends_the_file_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = [_write(tmp_path / "p.ts", "mp4v", _numbered(range(9), size)) for size in SIZES_HW[:2]]
    (tmp_path / "changes.ts").write_bytes(b"".join(parts))
    monkeypatch.setattr("spotlet.streams.packets.open_part", lambda *_, **__: None)
    frames, early = _read(tmp_path / "changes.ts")
    assert [frame.size_hw for frame in frames] == [SIZES_HW[0]] * 9
    assert early is not None
    assert "size of its frames changes after 9" in early
    assert "4.11 or newer" in early


def _corners(image: ImageArray) -> list[str]:
    """What is at top left, top right, bottom left and bottom right."""
    names = {(0, 0, 1): "r", (0, 1, 0): "g", (1, 0, 0): "b", (1, 1, 1): "w"}
    height, width = image.shape[:2]
    places = itertools.product((height // 8, -height // 8), (width // 8, -width // 8))
    return [names[tuple((image[y, x] > 127).astype(int).tolist())] for y, x in places]


def _with_matrix(content: bytes, a: float, b: float, c: float, d: float) -> bytes:
    place = content.index(b"tkhd") + 4 + 40
    matrix = [round(each * 65536) for each in (a, b, 0, c, d, 0, 0, 0)]
    return content[:place] + struct.pack(">8i", *matrix) + content[place + 32 :]


_SIGNS = list(itertools.product((-1, 1), repeat=2))


@pytest.mark.parametrize(
    "matrix", [(a, 0, 0, d) for a, d in _SIGNS] + [(0, b, c, 0) for b, c in _SIGNS]
)
def test_a_video_is_upright_and_not_mirrored_whatever_its_matrix(
    tmp_path: Path, matrix: tuple[int, int, int, int]
) -> None:
    a, b, c, d = matrix
    stored = np.zeros((48, 64, 3), np.uint8)
    stored[:24, :32], stored[:24, 32:] = (0, 0, 255), (0, 255, 0)
    stored[24:, :32], stored[24:, 32:] = (255, 0, 0), (255, 255, 255)
    content = _write(tmp_path / "in.mp4", "mp4v", [stored] * 3)
    (tmp_path / "in.mp4").write_bytes(_with_matrix(content, a, b, c, d))
    frames, _ = _read(tmp_path / "in.mp4")
    shown = {}
    for name, (x, y) in zip("rgbw", [(-1, -1), (1, -1), (-1, 1), (1, 1)], strict=True):
        shown[a * x + c * y, b * x + d * y] = name
    right = [shown[x, y] for y in (-1, 1) for x in (-1, 1)]
    assert _corners(frames[0].image) == right
    assert frames[0].size_hw == ((48, 64) if a else (64, 48))


@pytest.mark.parametrize(("matrix", "size_hw"), [((2, 0, 0, 1), (48, 128))])
def test_pixels_that_are_not_square_are_made_square(
    tmp_path: Path, matrix: tuple[float, float, float, float], size_hw: tuple[int, int]
) -> None:
    stored = np.zeros((48, 64, 3), np.uint8)
    stored[:, 16:32] = 255
    content = _write(tmp_path / "in.mp4", "mp4v", [stored] * 3)
    (tmp_path / "in.mp4").write_bytes(_with_matrix(content, *matrix))
    with open_stream(tmp_path / "in.mp4") as stream:
        assert stream.size_hw == size_hw
        (image, *_) = [frame.image for frame in stream]
    assert image.shape[:2] == size_hw
    columns = np.flatnonzero(image.mean(axis=(0, 2)) > 127)
    assert (columns.min(), columns.max()) == pytest.approx((32, 63), abs=2)


def _with_edit(content: bytes, first: int, count: int) -> bytes:
    """Returns an MP4 of 20 pictures a second that shows only some of them."""
    clock = content.index(b"mdhd") + 16
    (ticks,) = struct.unpack_from(">I", content, clock)
    place = content.index(b"elst") + 12
    edit = struct.pack(">2i", count * 1000 // FPS, first * ticks // FPS)
    return content[:place] + edit + content[place + 8 :]


def test_a_trimmed_video_is_whole_and_counts_the_frames_that_it_shows(tmp_path: Path) -> None:
    content = _write(tmp_path / "in.mp4", "mp4v", _numbered(range(40)))
    (tmp_path / "in.mp4").write_bytes(_with_edit(content, 10, 20))
    with open_stream(tmp_path / "in.mp4") as stream:
        assert stream.frame_count in (19, 20)
        assert [number_in(frame.image) for frame in stream] == list(range(10, 30))
    assert stream.ended_early is None


def _box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _with_fragments(path: Path, fragments: Sequence[Sequence[bytes]]) -> bytes:
    """Returns an MP4 whose index is followed by more pictures, in fragments.

    Source: ISO/IEC 14496-12, 8.8.
    """
    content = path.read_bytes()
    place = content.index(b"moov") - 4
    (length,) = struct.unpack_from(">I", content, place)
    assert place + length == len(content)
    (ticks,) = struct.unpack_from(">I", content, content.index(b"mdhd") + 16)
    follows = _box(b"mvex", _box(b"trex", struct.pack(">6I", 0, 1, 1, 0, 0, 0)))
    content = content[:place] + _box(b"moov", content[place + 8 :], follows)
    shown = FRAGMENT
    for pictures in fragments:
        rows = [
            struct.pack(">3I", ticks // FPS, len(picture), (n > 0) << 16)
            for n, picture in enumerate(pictures)
        ]
        run = struct.pack(">3I", 0x701, len(pictures), 92 + 12 * len(pictures))
        parts = [
            _box(b"tfhd", struct.pack(">2I", 0x20000, 1)),
            _box(b"tfdt", struct.pack(">2I", 0, shown * ticks // FPS)),
            _box(b"trun", run, *rows),
        ]
        head = _box(b"moof", _box(b"mfhd", bytes(8)), _box(b"traf", *parts))
        assert len(head) + 8 == 92 + 12 * len(pictures)
        content += head + _box(b"mdat", *pictures)
        shown += len(pictures)
    return content


FRAGMENT = 20


@follows_sizes
def test_a_file_in_fragments_is_whole_and_counts_all_of_them(tmp_path: Path) -> None:
    parts = [
        _write(tmp_path / "part.mp4", "mp4v", _numbered(range(first, first + FRAGMENT)))
        for first in (FRAGMENT, 2 * FRAGMENT, 0)
    ]
    fragments = [read_encoded(part).pictures for part in parts[:2]]
    content = _with_fragments(tmp_path / "part.mp4", fragments)
    (tmp_path / "whole.mp4").write_bytes(content)
    with open_stream(tmp_path / "whole.mp4") as stream:
        assert stream.frame_count == 3 * FRAGMENT
        assert [number_in(frame.image) for frame in stream] == list(range(3 * FRAGMENT))
    assert stream.ended_early is None
    (tmp_path / "cut.mp4").write_bytes(content[:-200])
    frames, early = _read(tmp_path / "cut.mp4")
    assert FRAGMENT < len(frames) < 3 * FRAGMENT
    assert early is not None
    assert early.startswith(f"ended after {len(frames)} of {3 * FRAGMENT} frames")


def _with_duration(content: bytes, seconds: float) -> bytes:
    place = content.index(bytes.fromhex("448988")) + 3
    return content[:place] + struct.pack(">d", seconds * 1000) + content[place + 8 :]


@pytest.mark.parametrize("suffix", [".webm", ".mkv"])
def test_a_file_whose_sound_is_longer_than_its_picture_is_whole(
    tmp_path: Path, write_clip: WriteClip, suffix: str
) -> None:
    clip = write_clip(tmp_path / "clip.webm", _numbered(range(50)), fps=FPS).read_bytes()
    path = tmp_path / f"long{suffix}"
    path.write_bytes(_with_duration(clip, 8.0))
    frames, early = _read(path)
    assert (len(frames), early) == (50, None)
    path.write_bytes(_with_duration(clip, 8.0)[: len(clip) * 7 // 10])
    frames, early = _read(path)
    assert 0 < len(frames) < 50
    assert early is not None
    assert "truncated" in early


def _chunk(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def _avi(pictures: list[bytes], code: bytes = b"MJPG") -> bytes:
    """Returns an AVI file of pictures, of which an empty one repeats the one before it."""
    height, width = 96, 192
    main = struct.pack("<14I", 50000, 0, 0, 0, len(pictures), 0, 1, 0, width, height, 0, 0, 0, 0)
    stream = struct.pack("<4s4s8x6I", b"vids", code, 0, 1, FPS, 0, len(pictures), 100000)
    size = struct.pack("<IiiHH4sI16x", 40, width, height, 1, 24, code, 3 * width * height)
    stream_list = _chunk(b"strh", stream, bytes(16)) + _chunk(b"strf", size)
    header = _chunk(b"avih", main) + _chunk(b"LIST", b"strl", stream_list)
    packets = [_chunk(b"00dc", picture) for picture in pictures]
    lists = _chunk(b"LIST", b"hdrl", header) + _chunk(b"LIST", b"movi", *packets)
    return _chunk(b"RIFF", b"AVI ", lists)


@pytest.mark.parametrize(("code", "suffix"), [(b"MPNG", ".png"), (b"mjp2", ".jp2")])
@follows_sizes
def test_pictures_that_stand_alone_have_their_own_size(
    tmp_path: Path, code: bytes, suffix: str
) -> None:
    images = [image for n in range(3) for image in _numbered(range(9 * n, 9 * n + 9), SIZES_HW[n])]
    pictures = [cv2.imencode(suffix, image)[1].tobytes() for image in images]
    path = tmp_path / "changes.avi"
    path.write_bytes(_avi(pictures, code))
    frames, early = _read(path)
    assert early is None
    assert [frame.size_hw for frame in frames] == [image.shape[:2] for image in images]
    assert [number_in(frame.image) for frame in frames] == list(range(27))


def test_an_avi_file_that_repeats_its_last_picture_is_whole(tmp_path: Path) -> None:
    jpegs = [cv2.imencode(".jpg", image)[1].tobytes() for image in _numbered(range(40))]
    path = tmp_path / "in.avi"
    for empty, missing in ((0, 0), (12, 0), (12, 9)):
        whole = _avi(jpegs + [b""] * empty)
        count = 40 - missing
        path.write_bytes(whole[: whole.index(jpegs[count]) - 8] if missing else whole)
        frames, early = _read(path)
        assert len(frames) == count
        assert (early is None) is (missing == 0)


def _of_unknown_length(path: Path) -> bytes:
    """Returns a WebM file as a browser's recorder writes it."""
    clip = path.read_bytes()
    start = clip.index(bytes.fromhex("18538067")) + 4
    assert clip[start] == 1  # the segment's length takes eight bytes
    clip = clip[:start] + b"\1" + b"\xff" * 7 + clip[start + 8 :]
    return clip.replace(bytes.fromhex("448988"), bytes.fromhex("45ff88"))  # an unknown element


def test_a_browsers_recording_without_a_length_is_whole_or_cut(
    tmp_path: Path, write_clip: WriteClip
) -> None:
    clip = _of_unknown_length(write_clip(tmp_path / "clip.webm", _numbered(range(50)), fps=FPS))
    (tmp_path / "whole.webm").write_bytes(clip)
    (tmp_path / "cut.webm").write_bytes(clip[: len(clip) // 2])
    frames, early = _read(tmp_path / "whole.webm")
    assert (len(frames), early) == (50, None)
    frames, early = _read(tmp_path / "cut.webm")
    assert 0 < len(frames) < 50
    assert early is not None
    assert "truncated" in early


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_without_a_stated_length_is_not_opened_again_at_its_end(
    tmp_path: Path, write_clip: WriteClip
) -> None:
    clip = _of_unknown_length(write_clip(tmp_path / "clip.webm", _numbered(range(20)), fps=FPS))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_bytes, args=[clip], daemon=True).start()
    ends: list[tuple[int, str | None]] = []

    def read() -> None:
        frames, early = _read(pipe)
        ends.append((len(frames), early))

    reader = threading.Thread(target=read, daemon=True)  # opened again, it would wait forever
    reader.start()
    reader.join(PATIENCE_SECONDS)
    assert ends == [(20, None)]


def _damaged(tmp_path: Path) -> bytes:
    """Returns an MP4 of 60 pictures, three of which hold no picture any more."""
    content = _write(tmp_path / "in.mp4", "mp4v", _numbered(range(60)))
    for number in (20, 21, 40):
        picture = read_encoded(content).pictures[number]
        place = content.index(picture)
        content = content[:place] + b"\xff" * len(picture) + content[place + len(picture) :]
    return content


def test_damage_in_the_middle_costs_its_frames_alone_and_is_reported(tmp_path: Path) -> None:
    (tmp_path / "damaged.mp4").write_bytes(_damaged(tmp_path))
    frames, early = _read(tmp_path / "damaged.mp4")
    assert 50 <= len(frames) <= 57
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert frames[-1].pts_seconds == pytest.approx(59 / FPS, abs=0.01)
    assert early is not None
    assert re.fullmatch(rf"damaged in [23] places; {len(frames)} frames could be read", early)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    with serve_folder(tmp_path) as url:
        yield url


def test_a_packet_that_cannot_be_decoded_does_not_end_a_stream(tmp_path: Path, served: str) -> None:
    (tmp_path / "damaged.mp4").write_bytes(_damaged(tmp_path))
    with open_stream(f"{served}/damaged.mp4", mode="video") as stream:
        frames = list(stream)
    assert 50 <= len(frames) <= 57


def test_a_flash_video_is_whole_if_its_last_tag_is_as_late_as_its_length(tmp_path: Path) -> None:
    content = _write(tmp_path / "in.flv", "FLV1", _numbered(range(40)))
    sound = bytes.fromhex("08000002001f4000000000aa000000000d")  # at 8 s
    place = content.index(b"duration\0") + 9
    long = content[:place] + struct.pack(">d", 8.0) + content[place + 8 :]
    (tmp_path / "whole.flv").write_bytes(long + sound)
    (tmp_path / "cut.flv").write_bytes(long)
    assert [is_whole(tmp_path / f"{name}.flv") for name in ("in", "whole", "cut")] == [
        True,
        True,
        False,
    ]


def _live(url: str) -> tuple[list[Frame], list[StatusEvent]]:
    events: list[StatusEvent] = []
    rules = Reconnection(retries=0)
    with open_stream(url, reconnection=rules, on_status=events.append) as stream:
        return list(stream), events


@follows_sizes
def test_a_stream_whose_frames_change_their_size_is_lost_and_none_is_squashed(
    tmp_path: Path, served: str
) -> None:
    sizes_hw = SIZES_HW[:2]
    parts = [
        _write(tmp_path / "part.ts", "mp4v", _numbered(range(30 * n, 30 * n + 30), size_hw))
        for n, size_hw in enumerate(sizes_hw)
    ]
    (tmp_path / "changes.ts").write_bytes(b"".join(parts))
    frames, events = _live(f"{served}/changes.ts")
    assert {frame.size_hw for frame in frames} == {sizes_hw[0]}
    assert number_in(frames[-1].image) == 29
    assert frames[-1].index == 29
    (reason,) = [event.reason for event in events if event.state == "lost"]
    assert reason == "the size of its frames changed"


def test_a_live_stream_of_one_size_is_read_to_its_end(tmp_path: Path, served: str) -> None:
    _write(tmp_path / "same.ts", "mp4v", _numbered(range(60)))
    frames, events = _live(f"{served}/same.ts")
    assert number_in(frames[-1].image) == frames[-1].index == 59
    (reason,) = [event.reason for event in events if event.state == "lost"]
    assert reason is not None
    assert "the stream ended after 60 frames" in reason


def test_a_live_stream_reads_on_after_a_packet_that_cannot_be_decoded(
    tmp_path: Path, served: str
) -> None:
    (tmp_path / "damaged.mp4").write_bytes(_damaged(tmp_path))
    frames, _ = _live(f"{served}/damaged.mp4")
    assert number_in(frames[-1].image) == 59


@follows_sizes
def test_no_frame_is_squashed_if_the_numbers_of_packets_and_pictures_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As of fields, of which two packets are one picture: the change is believed to be later.
    numbers = [range(30 * n, 30 * n + 30) for n in range(2)]
    parts = [
        _write(tmp_path / "part.mjpeg", "MJPG", _numbered(part, size_hw))
        for part, size_hw in zip(numbers, SIZES_HW, strict=False)
    ]
    (tmp_path / "changes.mjpeg").write_bytes(b"".join(parts))
    monkeypatch.setattr(PacketWatch, "advance", lambda *_: None)
    frames, early = _read(tmp_path / "changes.mjpeg")
    assert early is None
    assert [frame.size_hw for frame in frames] == [SIZES_HW[n // 30] for n in range(60)]
    assert [number_in(frame.image) for frame in frames] == list(range(60))


class _Packets:
    """JPEGs whose times are those of decoding, as a capture that reads packets."""

    def __init__(self, sizes_hw: list[tuple[int, int]]) -> None:
        self._sizes_hw = sizes_hw
        self._number = -1

    def get(self, setting: int) -> float:
        times = {cv2.CAP_PROP_POS_MSEC: 40.0 * self._number}
        known = {
            cv2.CAP_PROP_FOURCC: cv2.VideoWriter.fourcc(*"MJPG"),
            cv2.CAP_PROP_LRF_HAS_KEY_FRAME: 1,
        }
        return {**known, **times}[setting]

    def grab(self) -> bool:
        self._number += 1
        return self._number < len(self._sizes_hw)

    def retrieve(self) -> tuple[bool, ImageArray]:
        image = np.zeros((*self._sizes_hw[self._number], 3), np.uint8)
        return True, np.asarray(cv2.imencode(".jpg", image)[1], np.uint8)

    def release(self) -> None:
        pass


def test_pictures_later_than_their_packets_are_not_behind_a_change() -> None:
    capture: Any = _Packets([SIZES_HW[0]] * 5 + [SIZES_HW[1]] * 5)
    watch = PacketWatch(capture)
    passed = []
    for number in range(6):
        watch.advance(number)
        passed.append(watch.is_passed(0.04 * number + 0.08))  # as H.264 with B-frames in AVI
    assert passed == [False] * 5 + [True]
