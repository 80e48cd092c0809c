import struct
from io import FileIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from live_frames import CELL_PIXELS, NUMBER_BITS, number_in, numbered_image

from spotlet.errors import OutputError
from spotlet.letterbox import ImageArray
from spotlet.sinks.recording.encoder import PictureEncoder
from spotlet.sinks.recording.file import RecordingFile
from spotlet.sinks.recording.mp4 import (
    FRAGMENT_ALIGNMENT,
    Encoded,
    file_fragment,
    file_header,
    read_encoded,
    with_colours,
)

SIZES_HW = [(96, NUMBER_BITS * CELL_PIXELS), (97, 201), (360, 640)]


def _read(path: Path) -> tuple[float, float, list[ImageArray], list[float]]:
    """What OpenCV reads from a video: rate, count, pictures, and their times in seconds."""
    capture = cv2.VideoCapture(str(path))
    fps, count = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
    images: list[ImageArray] = []
    seconds: list[float] = []
    while True:
        decoded, image = capture.read()
        if not decoded:
            capture.release()
            return fps, count, images, seconds
        images.append(np.asarray(image, np.uint8))
        seconds.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)


def _recording(path: Path, fps: float, size_hw: tuple[int, int]) -> RecordingFile:
    return RecordingFile(path, fps, size_hw, 1.7e9, path.with_suffix(".scratch.mp4"))


@pytest.mark.parametrize("fps", [0.1, 7.3, 25.0, 29.97, 240.0])
def test_opencv_reads_rate_count_times_and_pictures(tmp_path: Path, fps: float) -> None:
    file = _recording(tmp_path / "out.mp4", fps, SIZES_HW[0])
    for number in range(40):
        file.write(numbered_image(number))
    file.close()
    read_fps, count, images, seconds = _read(tmp_path / "out.mp4")
    assert read_fps == pytest.approx(fps)
    assert count == file.pictures == 40
    assert [number_in(image) for image in images] == list(range(40))
    assert seconds == pytest.approx([number / fps for number in range(40)], abs=0.001)
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


@pytest.mark.parametrize("size_hw", SIZES_HW)
def test_a_repeated_picture_is_the_one_before_it_to_the_last_bit(
    tmp_path: Path, size_hw: tuple[int, int]
) -> None:
    file = _recording(tmp_path / "out.mp4", 10, size_hw)
    expected: list[int] = []
    for number, times in enumerate([1, 3, 1, 12, 2, 7]):
        file.write(numbered_image(number, size_hw), repeats=len(expected) and times)
        expected += [number - 1] * times if expected else []
        expected.append(number)
    file.close()
    fps, count, images, seconds = _read(tmp_path / "out.mp4")
    assert fps == 10
    assert seconds == pytest.approx([place / 10 for place in range(len(expected))])
    assert [number_in(image) for image in images] == expected
    assert count == file.pictures == len(expected)
    for before, number, image in zip(images, expected[1:], images[1:], strict=False):
        assert np.array_equal(before, image) == (number_in(before) == number)


def test_a_repeated_picture_takes_a_bit_a_block(tmp_path: Path) -> None:
    encoder = PictureEncoder(tmp_path / "scratch.mp4", 25, (1080, 1920))
    assert len(encoder.encode_unchanged()) == pytest.approx(120 * 68 / 8, abs=10)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("bytes_each", "keys"), [(1000, frozenset({0})), (10, frozenset({0, 1}))])
def test_an_encoder_that_codes_an_unchanged_picture_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bytes_each: int, keys: frozenset[int]
) -> None:
    encoded = Encoded(b"", (b"x" * 1000, b"x" * bytes_each), keys)
    monkeypatch.setattr(PictureEncoder, "take", lambda self: encoded)
    encoder = PictureEncoder(tmp_path / "scratch.mp4", 25, SIZES_HW[0])
    with pytest.raises(OutputError, match=f"an unchanged picture in {bytes_each} bytes, so gaps"):
        encoder.encode_unchanged()
    encoder.close()


def test_each_fragment_is_in_the_file_when_half_a_second_is_full(tmp_path: Path) -> None:
    file = _recording(tmp_path / "out.mp4", 10, SIZES_HW[0])
    in_file = []
    for number in range(12):
        file.write(numbered_image(number))
        in_file.append(len(_read(tmp_path / "out.mp4")[2]))
    assert in_file == [1, 1, 1, 1, 1, 6, 6, 6, 6, 6, 11, 11]
    file.close()
    assert len(_read(tmp_path / "out.mp4")[2]) == 12


def test_a_fragment_that_is_cut_anywhere_hides_none_before_it(tmp_path: Path) -> None:
    file = _recording(tmp_path / "out.mp4", 10, SIZES_HW[0])
    whole = []
    for number in range(11):
        file.write(numbered_image(number))
        whole.append((tmp_path / "out.mp4").read_bytes())
    before, after = whole[9], whole[10]
    assert after.startswith(before)
    fragment = after[len(before) :]
    for cut in [*range(8, 220, 4), *range(220, len(fragment), len(fragment) // 20), len(fragment)]:
        skipped = fragment[:4] + b"free" + fragment[8:cut]
        (tmp_path / "cut.mp4").write_bytes(before + skipped)
        _, count, images, _ = _read(tmp_path / "cut.mp4")
        assert ([number_in(image) for image in images], count) == ([*range(6)], 6), cut
    file.close()


class _SlowFile(FileIO):
    """Accepts little at a time, as a system may, and keeps the file's content after each write."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "r+")
        self.path = path
        self.states: list[bytes] = []

    def write(self, content: Any, /) -> int:
        written = super().write(memoryview(content)[:20])
        self.states.append(self.path.read_bytes())
        return written


def test_whenever_writing_stops_the_pictures_before_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    file = _recording(path, 10, SIZES_HW[0])
    file._file.close()
    slow = file._file = _SlowFile(path)
    for number in range(11):
        file.write(numbered_image(number))
    file.close()
    begun = [state for state in slow.states if b"moof" in state]
    assert len(begun) > 50
    counts = []
    for state in begun:
        (tmp_path / "state.mp4").write_bytes(state)
        counts.append(len(_read(tmp_path / "state.mp4")[2]))
    assert sorted(set(counts)) == [1, 6, 11]
    assert counts == sorted(counts)


_FRAGMENT = [b"moof", b"mdat"]


def _kinds(path: Path) -> list[bytes]:
    """The kinds of a file's boxes, which must fill it and be aligned."""
    content = path.read_bytes()
    place, kinds = 0, []
    while place < len(content):
        size, kind = int.from_bytes(content[place : place + 4], "big"), content[place + 4 :][:4]
        kinds.append(kind)
        assert kind != b"moof" or place % FRAGMENT_ALIGNMENT == 0
        place += size
    assert place == len(content)
    return kinds


def test_a_fragment_never_begins_across_two_pages(tmp_path: Path) -> None:
    file = _recording(tmp_path / "out.mp4", 4, (97, 201))
    for number in range(9):
        file.write(numbered_image(number, (97, 201)))
    file.close()
    assert _kinds(tmp_path / "out.mp4") == [b"ftyp", b"moov", b"free", *_FRAGMENT * 5]


def test_a_player_can_jump_to_any_picture(tmp_path: Path) -> None:
    file = _recording(tmp_path / "out.mp4", 20, SIZES_HW[0])
    for number in range(40):
        file.write(numbered_image(number), repeats=number % 3)
    file.close()
    numbers = [number_in(image) for image in _read(tmp_path / "out.mp4")[2]]
    capture = cv2.VideoCapture(str(tmp_path / "out.mp4"))
    for place in (70, 33, 5, 34, 61, 0):
        capture.set(cv2.CAP_PROP_POS_FRAMES, place)
        decoded, image = capture.read()
        assert decoded
        assert number_in(np.asarray(image, np.uint8)) == numbers[place]
    capture.release()


def test_an_existing_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "out.mp4").write_bytes(b"older")
    with pytest.raises(FileExistsError):
        _recording(tmp_path / "out.mp4", 10, SIZES_HW[0])
    assert (tmp_path / "out.mp4").read_bytes() == b"older"


def test_a_scratch_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    encoder = PictureEncoder(tmp_path / "missing" / "scratch.mp4", 10, SIZES_HW[0])
    with pytest.raises(OutputError, match="cannot encode mp4v at 192 x 96, or the disk is full"):
        encoder.write(numbered_image(0))


def _write_noise(file: RecordingFile) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (*SIZES_HW[0], 3), np.uint8)
    for _ in range(200):
        file.write(noise)


def test_a_full_disk_is_an_error_and_leaves_what_was_there(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    file = _recording(tmp_path / "out.mp4", 10, SIZES_HW[0])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"out\.mp4: cannot be written"):
            _write_noise(file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    file.close()
    _, count, images, _ = _read(tmp_path / "out.mp4")
    assert len(images) == count
    assert count % 5 == 1
    fragments = len(images) // 5 + 1
    assert _kinds(tmp_path / "out.mp4") == [b"ftyp", b"moov", b"free", *_FRAGMENT * fragments]


@pytest.mark.parametrize("cut", [0, 4, 100, -1])
def test_half_an_encoded_file_is_refused(tmp_path: Path, cut: int) -> None:
    scratch = tmp_path / "scratch.mp4"
    encoder = PictureEncoder(scratch, 10, SIZES_HW[0])
    encoder.write(numbered_image(1))
    encoder._release()
    content = scratch.read_bytes()
    assert len(read_encoded(content).pictures) == 1
    with pytest.raises(ValueError, match="box"):
        read_encoded(content[:cut])


def test_boxes_say_how_long_they_are() -> None:
    header = file_header(b"\0" * 8, (96, 192), 25_000, 1.7e9)
    assert len(header) % FRAGMENT_ALIGNMENT == 0
    fragment = file_fragment(1, 0, [b"abc", b"d"], frozenset({0}))
    assert len(fragment) % FRAGMENT_ALIGNMENT == 0
    key, other = 0x0200_0000, 0x0101_0000  # depends on none; on others, and no place to begin at
    assert struct.pack(">4I", 3, key, 1, other) in fragment
    index = int.from_bytes(fragment[:4], "big")
    assert fragment[index + 4 : index + 12] == b"mdatabcd"


@pytest.mark.parametrize("fps", [0.1, 0.5, 1, 2, 3, 4, 5, 7.5, 12.5, 15, 24, 30, 50, 59.94, 200])
def test_at_every_rate_a_picture_can_be_repeated(tmp_path: Path, fps: float) -> None:
    file = _recording(tmp_path / "out.mp4", fps, SIZES_HW[0])
    for number in range(3):
        file.write(numbered_image(number), repeats=min(number, 1))
    file.close()
    images = _read(tmp_path / "out.mp4")[2]
    assert [number_in(image) for image in images] == [0, 0, 1, 1, 2]


def test_a_recording_states_the_colours_that_opencv_converts_to(tmp_path: Path) -> None:
    green = np.zeros((720, 1280, 3), np.uint8)
    green[:] = 0, 255, 0
    file = _recording(tmp_path / "out.mp4", 10, (720, 1280))
    file.write(green)
    file.close()
    content = (tmp_path / "out.mp4").read_bytes()
    assert content.count(b"colrnclx") == 1
    place = content.index(b"colrnclx") + 8
    primaries, transfer, matrix, full_range = struct.unpack_from(">3HB", content, place)
    assert (primaries, transfer, matrix, full_range) == (1, 1, 6, 0)
    capture = cv2.VideoCapture(str(tmp_path / "out.mp4"), cv2.CAP_FFMPEG)
    capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
    luma = np.asarray(capture.read()[1])[:700].mean()
    capture.release()
    assert luma == pytest.approx(16 + 219 * 0.587, abs=2)  # BT.601; BT.709 has 16 + 219 * 0.7152
    assert _read(tmp_path / "out.mp4")[2][0][360, 640] == pytest.approx([0, 255, 0], abs=3)


def test_a_description_that_is_something_else_is_left_as_it_is() -> None:
    for description in (b"", bytes(8), bytes(8) + b"\0\0\0\x10mp4v" + bytes(8)):
        assert with_colours(description) == description
    fields = (
        bytes(8) + (106).to_bytes(4, "big") + b"mp4v" + bytes(78) + b"\0\0\0\x14colr" + bytes(12)
    )
    assert with_colours(fields) == fields
