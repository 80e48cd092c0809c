"""Files of several pictures: a photograph stays a photograph, a video is read to its end."""

import tracemalloc
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_bytes import jpeg_segment, png_chunk, with_orientation

from spotlet.image_files import is_image_file, read_image
from spotlet.image_files.files import content_kind
from spotlet.image_files.sequences import is_animated, is_video
from spotlet.streams import open_stream

NOISE = np.random.default_rng(0)
PICTURE = NOISE.integers(0, 256, (48, 64, 3), np.uint8)
MP4 = b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + NOISE.bytes(5000)


def _encoded(suffix: str, picture: npt.NDArray[Any] = PICTURE, *parameters: int) -> bytes:
    return cv2.imencode(suffix, picture, parameters)[1].tobytes()


JPEG = _encoded(".jpg")
PROGRESSIVE = _encoded(".jpg", PICTURE, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
OTHER_SIZE = _encoded(".jpg", PICTURE[:16, :16])
PHOTOGRAPH = with_orientation(PICTURE, ".jpg", 1)
XMP = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta %s/>"


def _with(segment: bytes) -> bytes:
    return JPEG[:2] + segment + JPEG[2:]


@pytest.mark.parametrize("name", ["clip.mjpeg", "clip.MJPG", "stream", "clip.bin"])
@pytest.mark.parametrize(
    "picture",
    [
        JPEG,
        JPEG[:-2],
        PROGRESSIVE,
        PHOTOGRAPH,
        JPEG + bytes(5),
        JPEG + b"\xff" * 5,
        JPEG + b"\xaa" * 3000,
        JPEG + b"\x55" * 100,
        JPEG + b"\r\n",
        JPEG + b"\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n",
        JPEG + NOISE.bytes(400).replace(b"\xff", b"\xfe"),
    ],
)
def test_motion_jpeg_is_a_video_whatever_is_between_its_pictures(
    tmp_path: Path, picture: bytes, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(picture * 3)
    assert content_kind(path) == "video"
    assert not is_image_file(path)
    with open_stream(path) as stream:
        assert len(list(stream)) == 3


def test_a_suffix_of_motion_jpeg_means_a_video_of_one_picture_too(tmp_path: Path) -> None:
    (tmp_path / "a.mjpeg").write_bytes(JPEG)
    with open_stream(tmp_path / "a.mjpeg") as stream:
        assert stream.kind == "video"
        assert len(list(stream)) == 1


@pytest.mark.parametrize(
    "content",
    [
        JPEG,
        JPEG + MP4,
        JPEG + b"SEFT",
        JPEG[: len(JPEG) // 2],
        JPEG + OTHER_SIZE,
        JPEG + OTHER_SIZE * 3,
        PHOTOGRAPH + JPEG,
        _with(jpeg_segment(0xE1, b"Exif\0\0" + JPEG[:8000])),
        _with(jpeg_segment(0xE2, b"MPF\0")) + JPEG * 3,
        _with(jpeg_segment(0xE1, XMP % b'GCamera:MotionPhoto="1"')) + MP4 + JPEG * 3,
        _with(jpeg_segment(0xE1, XMP % b"<Container:Directory>")) + JPEG * 3,
        JPEG + bytes(100_000) + JPEG,
    ],
)
def test_a_photograph_followed_by_other_data_stays_one(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "photo"
    path.write_bytes(content)
    assert content_kind(path) == "image"
    assert is_image_file(path)


def _gif(pictures: int, *, timed: bool = True, padding: int = 0) -> bytes:
    control = b"\x21\xf9\x04\0\5\0\0\0" if timed else b""
    picture = control + b",\0\0\0\0\2\0\1\0\0\2\2D\n\0" + bytes(padding)
    comment = b"\x21\xfe\x0b\x21\xf9\x04\0\5\0\0\0\x21,,\0"  # it looks like a control
    return b"GIF89a\2\0\1\0\x80\0\0\xff\0\0\0\0\xff" + comment + picture * pictures + b";"


def _apng(pictures: int) -> bytes:
    """Returns a PNG of two by two pixels, animated; not all versions of OpenCV can write it."""
    black, *rest = (_encoded(".png", np.full((2, 2, 3), 60 * k, np.uint8)) for k in range(pictures))
    place = black.index(b"IDAT") - 4

    def control(number: int) -> bytes:
        size = (2).to_bytes(4, "big") * 2
        return png_chunk(
            b"fcTL", number.to_bytes(4, "big") + size + bytes(8) + b"\0\1\0\n" + bytes(2)
        )

    parts = [black[:place], png_chunk(b"acTL", pictures.to_bytes(4, "big") + bytes(4)), control(0)]
    parts.append(black[place:-12])
    number = 1
    for png in rest:
        start = png.index(b"IDAT")
        data = png[start + 4 : start + 4 + int.from_bytes(png[start - 4 : start], "big")]
        parts += [control(number), png_chunk(b"fdAT", (number + 1).to_bytes(4, "big") + data)]
        number += 2
    return b"".join(parts) + black[-12:]


@pytest.mark.parametrize(("suffix", "make"), [(".gif", _gif), (".png", _apng), (".apng", _apng)])
def test_an_animation_is_a_video_alone_and_its_first_picture_in_a_folder(
    tmp_path: Path, suffix: str, make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(make(3))
    with open_stream(path) as stream:
        assert len(list(stream)) == 3
    (tmp_path / f"b{suffix}").write_bytes(make(1))
    with open_stream(tmp_path) as stream:
        assert len(list(stream)) == 2
    (record,) = caplog.records
    assert f"(1 of 2 images, the first: a{suffix})" in record.getMessage()
    assert np.array_equal(read_image(path), read_image(tmp_path / f"b{suffix}"))
    path.write_bytes(make(1))
    with open_stream(path) as stream:
        assert stream.kind == "image"


def test_pictures_of_a_gif_without_times_are_parts_of_one() -> None:
    assert not is_animated(_gif(3, timed=False))
    assert is_animated(_gif(2, padding=3))


def test_an_animated_webp_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.webp"
    still = _encoded(".webp", PICTURE)
    size = bytes([63, 0, 0, 47, 0, 0])
    frame = bytes(6) + size + bytes([40, 0, 0, 0]) + still[12:]
    chunks = b"VP8X\x0a\0\0\0\2\0\0\0" + size + b"ANIM\6\0\0\0" + bytes(6)
    chunks += (b"ANMF" + len(frame).to_bytes(4, "little") + frame) * 2
    path.write_bytes(b"RIFF" + (len(chunks) + 4).to_bytes(4, "little") + b"WEBP" + chunks)
    assert is_animated(path.read_bytes())
    assert not is_animated(still)
    if cv2.imread(str(path)) is None:
        pytest.skip("this OpenCV cannot decode it, and says so")
    with open_stream(path) as stream:
        assert len(list(stream)) == 1
    (record,) = caplog.records
    assert "a.webp: only the first picture of an animation was read" in record.getMessage()


@pytest.mark.parametrize("start", [JPEG + b"\r\n" + JPEG, JPEG, _gif(3)[:-1], _gif(1)])
def test_a_large_file_is_not_read_whole_to_tell_what_it_is(tmp_path: Path, start: bytes) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.write(start)
        file.truncate(2**29)  # sparse
    tracemalloc.start()
    kind = content_kind(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kind == ("video" if len(start) in (2 * len(JPEG) + 2, len(_gif(3)) - 1) else "image")
    assert peak < 2**26


@given(st.binary(max_size=60), st.integers(0, 200), st.sampled_from([JPEG * 2, _gif(2), _apng(2)]))
def test_damage_breaks_nothing(junk: bytes, place: int, whole: bytes) -> None:
    for content in (whole[:place], whole[:place] + junk + whole[place + len(junk) :]):
        is_video(content)
        is_animated(content)
