import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from live_frames import number_in, numbered_image
from opencv_versions import follows_sizes
from servers.over_http import serve_folder

from spotlet.errors import SourceError
from spotlet.streams import Reconnection, open_stream
from spotlet.streams.container import has_field_order
from spotlet.streams.interlaced import LOSES_INTERLACED, is_interlaced, progressive_rewrite
from spotlet.streams.packets import states_interlaced

PICTURES = 12
START = b"\0\0\1"


class _Writer:
    """Writes numbers of some bits each, the highest first."""

    def __init__(self) -> None:
        self._text = ""

    def bits(self, *pairs: tuple[int, int]) -> "_Writer":
        for value, count in pairs:
            self._text += f"{value:0{int(count)}b}" if count else ""
        return self

    def numbers(self, *values: int) -> "_Writer":
        """Appends unsigned Exp-Golomb numbers."""
        for value in values:
            width = (value + 1).bit_length()
            self.bits((0, width - 1), (value + 1, width))
        return self

    def samples(self, content: bytes) -> "_Writer":
        self._text += "0" * (-len(self._text) % 8)
        return self.bits(*((sample, 8) for sample in content))

    def unit(self, header: int) -> bytes:
        text = self._text + "1"
        text += "0" * (-len(text) % 8)
        content = bytes([header]) + int(text, 2).to_bytes(len(text) // 8, "big")
        for code in range(4):  # no start code within
            content = content.replace(b"\0\0" + bytes([code]), b"\0\0\3" + bytes([code]))
        return START + content


def _h264(usage: Callable[[_Writer], object], *, in_fields: bool) -> bytes:
    """Returns pictures of 32x32, stored as samples: one gray in each field.

    Source: ISO/IEC 14496-10, 7.3.2.1 to 7.3.5.
    """
    sequence = _Writer().bits((77, 8), (0, 8), (30, 8)).numbers(0, 0, 2, 1).bits((0, 1))
    sequence.numbers(1, 0).bits((0, 1), (not in_fields, 1), (1, 1), (0, 1))
    usage(sequence)
    picture = _Writer().numbers(0, 0).bits((0, 2)).numbers(0, 0, 0).bits((0, 3))
    picture.numbers(0, 0, 0).bits((4, 3))
    content = sequence.unit(0x67) + picture.unit(0x68)
    for number in range(PICTURES):
        for field in range(2 if in_fields else 1):
            piece = _Writer().numbers(0, 7, 0).bits((0, 4), (in_fields, 1), (field, in_fields))
            if field == 0:
                piece.numbers(number % 2).bits((0, 1))  # an instant refresh
            piece.bits((0, 1)).numbers(0, 1)
            for block in range(2 if in_fields else 4):
                if not in_fields and block % 2 == 0:
                    piece.bits((1, 1))  # a pair of blocks, one of each field
                row = field if in_fields else block % 2
                luma = [_luma(number, row)] * 256
                piece.numbers(25).samples(bytes([*luma, *[128] * 128]))
            content += piece.unit(0x41 if field else 0x65)
    return content


def _luma(number: int, field: int) -> int:
    return 40 + 10 * number + 60 * field


def _no_usage(writer: _Writer) -> None:
    writer.bits((0, 1))


def _full_usage(writer: _Writer) -> None:
    """The shape of a pixel, colours, a clock, both buffers, and the order of pictures."""
    writer.bits((1, 1), (1, 1), (255, 8), (4, 16), (3, 16), (3, 2), (1, 1), (5, 3), (0, 1), (1, 1))
    writer.bits((1, 8), (1, 8), (1, 8), (1, 1)).numbers(0, 0).bits(
        (1, 1), (1, 32), (50, 32), (1, 1)
    )
    for _ in range(2):
        writer.bits((1, 1)).numbers(0).bits((0, 8)).numbers(9, 9).bits((0, 1), (0, 20))
    writer.bits((0, 1), (0, 1), (1, 1), (1, 1)).numbers(0, 0, 9, 9, 0, 1)


def _means(path: Path) -> tuple[list[tuple[float, float]], str | None]:
    with open_stream(path) as stream:
        means = [(float(f.image[::2].mean()), float(f.image[1::2].mean())) for f in stream]
        return means, stream.ended_early


@pytest.mark.parametrize("usage", [_no_usage, _full_usage])
@pytest.mark.parametrize("in_fields", [False, True])
def test_h264_pictures_of_two_fields_show_both(
    tmp_path: Path, usage: Callable[[_Writer], object], in_fields: bool
) -> None:
    path = tmp_path / "in.h264"
    path.write_bytes(_h264(usage, in_fields=in_fields))
    means, early = _means(path)
    assert early is None
    with open_stream(path) as stream:
        assert stream.size_hw == (32, 32 if usage is _no_usage else 43)  # pixels of 4:3
    right = [
        [(_luma(number, row) - 16) * 255 / 219 for row in (0, 1)] for number in range(PICTURES)
    ]
    np.testing.assert_allclose(means, right, atol=2)


def _mpeg2(
    path: Path, numbers: range, *, interlaced: bool, size_hw: tuple[int, int] = (96, 192)
) -> bytes:
    code = cv2.VideoWriter.fourcc(*"mpg2")
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, 20, size_hw[::-1])
    assert writer.isOpened()
    for number in numbers:
        writer.write(numbered_image(number, size_hw))
    writer.release()
    content = bytearray(path.read_bytes())
    place = -1
    while interlaced and (place := content.find(b"\0\0\1\xb5", place + 1)) >= 0:
        if content[place + 4] >> 4 == 1:
            content[place + 5] &= ~8  # the sequence is not progressive
        elif content[place + 4] >> 4 == 8:
            content[place + 8] &= ~0x80  # nor is the picture
    path.write_bytes(content)
    return bytes(content)


@pytest.mark.parametrize("suffix", [".mpg", ".ts"])
def test_mpeg2_pictures_of_two_fields_are_read(tmp_path: Path, suffix: str) -> None:
    _mpeg2(tmp_path / f"in{suffix}", range(40), interlaced=True)
    with open_stream(tmp_path / f"in{suffix}") as stream:
        frames = list(stream)
    assert stream.ended_early is None
    assert [number_in(frame.image) for frame in frames] == list(range(40))
    assert frames[-1].pts_seconds == pytest.approx(39 / 20, abs=0.06)


@pytest.mark.parametrize("size_hw", [(96, 192), (192, 224)])
@follows_sizes
def test_a_file_that_becomes_interlaced_is_read_on(
    tmp_path: Path, size_hw: tuple[int, int]
) -> None:
    sizes_hw = [(96, 192), size_hw, size_hw]
    parts = [
        _mpeg2(
            tmp_path / "part.ts",
            range(30 * n, 30 * n + 30),
            interlaced=n == 1,
            size_hw=sizes_hw[n],
        )
        for n in range(3)
    ]
    (tmp_path / "in.ts").write_bytes(b"".join(parts))
    with open_stream(tmp_path / "in.ts") as stream:
        frames = list(stream)
    assert stream.ended_early is None
    numbers = [number_in(frame.image) for frame in frames]
    assert [frame.size_hw for frame in frames] == [sizes_hw[number // 30] for number in numbers]
    assert [number for number in range(90) if number != 29] == [n for n in numbers if n != 29]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    with serve_folder(tmp_path) as url:
        yield url


def test_a_url_of_interlaced_video_is_read_in_both_modes(tmp_path: Path, served: str) -> None:
    _mpeg2(tmp_path / "in.ts", range(40), interlaced=True)
    with open_stream(f"{served}/in.ts", mode="video") as stream:
        assert [number_in(frame.image) for frame in stream] == list(range(40))
    with open_stream(f"{served}/in.ts", reconnection=Reconnection(retries=0)) as stream:
        assert number_in(list(stream)[-1].image) == 39


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
@pytest.mark.parametrize("kind", ["mpeg2", "h264"])
def test_interlaced_video_from_a_pipe_is_read(tmp_path: Path, kind: str) -> None:
    content = _h264(_no_usage, in_fields=True)
    if kind == "mpeg2":
        content = _mpeg2(tmp_path / "in.ts", range(40), interlaced=True)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_bytes, args=[content], daemon=True).start()
    with open_stream(pipe) as stream:
        frames = list(stream)
    if kind == "mpeg2":
        assert [number_in(frame.image) for frame in frames] == list(range(40))
    else:
        brightness = [frame.image[0].mean() for frame in frames]
        right = [(_luma(number, 0) - 16) * 255 / 219 for number in range(PICTURES)]
        np.testing.assert_allclose(brightness, right, atol=2)


# As MP4 and Matroska store them, by x264 and x265.
MBAFF = "01640015ffe1001a67640015acd941410fcb8088000003000800000301907a0f14cb000"
FRAMES = "0164000dffe100196764000dacd94141fb011000000300100000030320f14299600100"


def test_parameters_beside_the_packets_state_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spotlet.streams.packets.LOSES_INTERLACED", True)

    class Capture:
        def __init__(self, fourcc: str, extra: bytes) -> None:
            self._fourcc, self._extra = fourcc, extra

        def get(self, setting: int) -> float:
            is_fourcc = setting == cv2.CAP_PROP_FOURCC
            return cv2.VideoWriter.fourcc(*self._fourcc) if is_fourcc else 1.0

        def retrieve(self, flag: int) -> tuple[bool, object]:
            assert flag == 1
            return True, np.frombuffer(self._extra, np.uint8)

    def states(fourcc: str, extra: str) -> bool:
        capture: Any = Capture(fourcc, bytes.fromhex(extra[: len(extra) // 2 * 2]))
        return states_interlaced(capture)

    assert states("h264", MBAFF)
    assert not states("h264", FRAMES)
    assert states("hevc", "0101600000004000000000003cf000fcfdf8f800000f04")
    assert not states("hevc", "0101600000009000000000003cf000fcfdf8f800000f04")
    assert not states("AV01", "81")


def test_interlaced_video_that_opencv_does_not_convert_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.avi"
    writer = cv2.VideoWriter(
        str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"dvsd"), 25, (720, 576)
    )
    for _ in range(3):
        writer.write(np.full((576, 720, 3), 128, np.uint8))
    writer.release()
    if not LOSES_INTERLACED:
        assert _means(path)[0][0] == pytest.approx((128, 128), abs=8)
        return
    with pytest.raises(SourceError, match=r"interlaced video \(dvsd\), .*-vf bwdif"):
        _means(path)


@pytest.mark.parametrize("order", ["p", "t", "b"])
def test_raw_pictures_are_refused_if_their_file_calls_them_interlaced(
    tmp_path: Path, order: str
) -> None:
    path = tmp_path / "in.y4m"
    picture = b"FRAME\n" + bytes([200]) * 64 * 32 + bytes([128]) * 32 * 32
    path.write_bytes(f"YUV4MPEG2 W64 H32 F25:1 I{order} A1:1 C420jpeg\n".encode() + picture * 3)
    if order == "p" or not LOSES_INTERLACED:
        assert len(_means(path)[0]) == 3
        return
    with pytest.raises(SourceError, match=r"interlaced video \(raw\), .*-vf bwdif"):
        _means(path)


def _box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return (8 + len(content)).to_bytes(4, "big") + kind + content


def _mov(order: str) -> bytes:
    entry = _box(b"v210", bytes(78), _box(b"colr", b"nclc"), _box(b"fiel", bytes.fromhex(order)))
    table = _box(b"stbl", _box(b"stsd", bytes(8), entry))
    handler = _box(b"hdlr", bytes(8) + b"vide")
    track = _box(b"trak", _box(b"mdia", handler, _box(b"minf", table)))
    return _box(b"ftyp", b"qt  ") + _box(b"moov", _box(b"mvhd"), track)


def _matroska(flag: str, order: str) -> bytes:
    def element(kind: str, *parts: bytes) -> bytes:
        content = b"".join(parts)
        return bytes.fromhex(kind) + (1 << 56 | len(content)).to_bytes(8, "big") + content

    said = element("9a", bytes.fromhex(flag)), element("9d", bytes.fromhex(order))
    track = element("ae", element("83", b"\1"), element("e0", *said))
    return element("1a45dfa3") + element("18538067", element("1654ae6b", track))


@pytest.mark.parametrize(
    ("content", "right"),
    [
        *((_mov(order), True) for order in ("0201", "0206", "0209", "020e")),
        *((_mov(order), False) for order in ("0100", "0200", "01")),
        (_matroska("01", "09"), True),
        (_matroska("01", "0001"), True),
        (_matroska("02", "09"), False),  # progressive
        (_matroska("01", "02"), False),  # an order that is not known
        (bytes.fromhex("060e2b34 0205 320c0001 01 330b"), True),
        (bytes.fromhex("060e2b34 0205 320c0001 00 330b"), False),
        (b"YUV4MPEG2 W2 H2 F25:1 Im A1:1\nFRAME It", False),
        (b"", False),
        (_mov("0209")[:-30], False),
    ],
)
def test_containers_state_which_field_comes_first(
    tmp_path: Path, content: bytes, right: bool
) -> None:
    (tmp_path / "in").write_bytes(content)
    assert has_field_order(tmp_path / "in") is right
    assert has_field_order(tmp_path / "missing") is False


# Headers by x265, FFmpeg's mpeg4 and prores_ks: of interlaced video, and of progressive.
HEVC = "0000014201010160000003004000000300000300", "0000014201010160000003009000000300000300"
MPEG4 = (
    "000001b001000001b58913000001000000012000c48d8800cd0a041e1c43000001b2",
    "000001b001000001b58913000001000000012000c48d8800550a141ed443000001b2",
)
DNXHD = "000002800102", "000002800101"
PRORES = (
    "0000a7e969637066009400004c617663014000f084000202",
    "0000a7e969637066009400004c617663014000f080000202",
)


@pytest.mark.parametrize(
    ("fourcc", "headers"), [("hevc", HEVC), ("FMP4", MPEG4), ("apch", PRORES), ("AVdn", DNXHD)]
)
def test_headers_say_whether_pictures_are_interlaced(fourcc: str, headers: tuple[str, str]) -> None:
    assert [is_interlaced(fourcc, bytes.fromhex(each)) for each in headers] == [True, False]


def test_hevc_pictures_lose_their_messages_alone() -> None:
    rewrite = progressive_rewrite("hevc")
    assert rewrite is not None
    assert rewrite(START + b"\x4e\1\1\1\x11" + START + b"\x28\1abc") == START + b"\x28\1abc"
    assert progressive_rewrite("FMP4") is None
