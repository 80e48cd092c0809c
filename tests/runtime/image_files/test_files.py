import shutil
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_bytes import png_chunk, tiff, turned_slowly, with_orientation, with_sbit

from spotlet.errors import SourceError
from spotlet.image_files import (
    decode_image,
    guessed_bits,
    is_image_file,
    read_image,
    read_image_size,
)
from spotlet.image_files.files import content_kind
from spotlet.image_files.headers import image_format, sample_range, stored_size_hw
from spotlet.image_files.orientation import exif_orientation
from spotlet.image_files.pixels import turned

PICTURE = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)
SAMPLES = np.array([[0, 100, 1000, 4095], [16, 256, 2048, 3000]], np.uint16)
"""Of 12 bits; `SAMPLES >> 4` is the same picture in 8."""

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)


def test_an_image_is_the_same_from_a_file_and_from_its_content(tmp_path: Path) -> None:
    picture = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    path = tmp_path / "a.png"
    path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    assert np.array_equal(read_image(str(path)), picture)
    assert np.array_equal(decode_image(path.read_bytes()), picture)
    assert np.array_equal(decode_image(bytearray(path.read_bytes())), picture)
    assert np.array_equal(decode_image(np.fromfile(path, np.uint8)), picture)


@pytest.mark.parametrize("content", [b"", b"no picture"])
def test_what_is_no_image_is_an_error_of_its_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(SourceError, match=r"a\.png: not an image"):
        read_image(tmp_path / "a.png")
    with pytest.raises(SourceError, match="the image: not an image"):
        decode_image(content)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_an_image_is_upright_in_every_format_and_turned_once(suffix: str, orientation: int) -> None:
    # Blocks, which a JPEG keeps nearly as they are.
    picture = np.kron(PICTURE // 86 * 86, np.ones((16, 16, 1), np.uint8)).astype(np.uint8)
    content = with_orientation(picture, suffix, orientation)
    assert exif_orientation(content) == orientation
    expected = turned_slowly(picture, orientation)
    image = decode_image(content)
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < (12 if suffix == ".jpg" else 0.01)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_deep_image_is_turned_as_well(orientation: int) -> None:
    content = tiff(PICTURE[:, :, ::-1].astype(np.uint16) * 257, {274: orientation})
    assert np.array_equal(decode_image(content), turned_slowly(PICTURE, orientation))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_as_the_table_says(orientation: int) -> None:
    assert np.array_equal(turned(PICTURE, orientation), turned_slowly(PICTURE, orientation))


def _avif(rotation: int | None, axis: int | None) -> bytes:
    """Returns the boxes of an AVIF file that say how it is turned; it has no picture."""

    def box(kind: bytes, body: bytes) -> bytes:
        return (len(body) + 8).to_bytes(4, "big") + kind + body

    properties = [box(b"ispe", bytes(12))]
    properties += [] if rotation is None else [box(b"irot", bytes([rotation]))]
    properties += [] if axis is None else [box(b"imir", bytes([axis]))]
    places = bytes(range(1, len(properties) + 1))
    ipma = box(b"ipma", bytes(4) + b"\0\0\0\1\0\1" + bytes([len(places)]) + places)
    iprp = box(b"iprp", box(b"ipco", b"".join(properties)) + ipma)
    meta = box(b"meta", bytes(4) + box(b"pitm", b"\0\0\0\0\0\1") + iprp)
    return box(b"ftyp", b"avif\0\0\0\0avifmif1") + meta


@pytest.mark.parametrize("rotation", [None, 0, 1, 2, 3])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_an_avif_is_turned_to_the_left_and_then_mirrored(
    rotation: int | None, axis: int | None
) -> None:
    expected = np.rot90(PICTURE, rotation or 0)
    if axis is not None:  # 0: top to bottom, 1: left to right
        expected = expected[::-1] if axis == 0 else expected[:, ::-1]
    assert np.array_equal(turned(PICTURE, exif_orientation(_avif(rotation, axis))), expected)


def _grey(content: bytes) -> list[list[int]]:
    image = decode_image(content)
    assert (image[:, :, 0] == image[:, :, 2]).all()
    found: list[list[int]] = image[:, :, 0].tolist()
    return found


def _png(samples: npt.NDArray[Any]) -> bytes:
    return cv2.imencode(".png", samples)[1].tobytes()


def _netpbm(head: bytes, kind: str = ">u2", most: int = 65535) -> bytes:
    return head + np.minimum(SAMPLES, most).astype(kind).tobytes()


@pytest.mark.parametrize(
    "content",
    [
        tiff(SAMPLES),
        tiff(SAMPLES, order=">"),
        tiff(SAMPLES, {281: 4095}),
        tiff(SAMPLES, description=b'<OME><Pixels SignificantBits="12"/></OME>'),
        tiff(SAMPLES, bits=12),
        tiff(4095 - SAMPLES, {262: 0}),
        _png(SAMPLES),
        _png(SAMPLES * 16),
        with_sbit(_png(SAMPLES), 12),
        with_sbit(_png(SAMPLES * 16), 12),
        _netpbm(b"P5\n4 2\n4095\n"),
        _netpbm(b"P5\n# by a camera\n4 2 4095\n"),
        _netpbm(b"P7\nWIDTH 4\nHEIGHT 2\nDEPTH 1\nMAXVAL 4095\nTUPLTYPE GRAYSCALE\nENDHDR\n"),
    ],
)
def test_12_bits_are_scaled_however_they_are_stored(content: bytes) -> None:
    assert _grey(content) == (SAMPLES >> 4).tolist()


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_white_is_that_of_the_fewest_bits_if_the_file_states_none(bits: int) -> None:
    samples = (np.arange(8).reshape(2, 4) * (2**bits - 1) // 7).astype(np.uint16)
    assert _grey(tiff(samples)) == (samples >> (bits - 8)).tolist()
    assert guessed_bits(tiff(samples)) == (None if bits == 16 else bits)


def test_the_stated_white_outweighs_the_samples() -> None:
    dark = np.minimum(SAMPLES, 200)
    assert _grey(tiff(dark, {281: 4095})) == (dark >> 4).tolist()
    assert _grey(with_sbit(_png(dark), 12)) == (dark >> 4).tolist()
    assert _grey(with_sbit(_png(dark), 16)) == (dark >> 8).tolist()
    assert guessed_bits(with_sbit(_png(dark), 12)) is None
    # A statement that the samples contradict is none.
    assert _grey(tiff(SAMPLES * 16, {281: 4095})) == (SAMPLES >> 4).tolist()


def test_a_white_that_is_no_power_of_two_is_rounded_to() -> None:
    most = 1000
    expected = np.round(np.minimum(SAMPLES, most) * (255 / most)).astype(int).tolist()
    assert _grey(_netpbm(b"P5\n4 2\n1000\n", most=most)) == expected
    expected = np.round(np.minimum(SAMPLES, 100) * 2.55 - 1e-9).astype(int)
    assert np.abs(np.array(_grey(_netpbm(b"P5\n4 2\n100\n", "u1", 100))) - expected).max() <= 1


def test_8_bits_are_as_they_were() -> None:
    assert sample_range(_png(PICTURE)) is None
    assert sample_range(_netpbm(b"P5\n4 2\n255\n", "u1", 255)) is None
    assert np.array_equal(decode_image(tiff(PICTURE[:, :, ::-1])), PICTURE)


@pytest.mark.parametrize("name", ["a.jfif", "a.jpe", "a.JPG", "photo", "a.dat", "a.png"])
def test_an_image_is_known_by_its_content(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(with_orientation(PICTURE, ".jpg", 6))
    assert is_image_file(path)
    assert content_kind(path) == "image"
    assert read_image(path).shape == (9, 6, 3)


def test_a_gif_is_an_image_of_its_first_picture() -> None:
    two_by_one = b"GIF89a\2\0\1\0\x80\0\0\xff\0\0\0\0\xff,\0\0\0\0\2\0\1\0\0\2\2D\n\0;"  # red, blue
    assert image_format(two_by_one) == "GIF"
    assert decode_image(two_by_one).tolist() == [[[0, 0, 255], [255, 0, 0]]]


@pytest.mark.parametrize("name", ["a.heic", "a.jpg", "IMG_1"])
def test_an_image_that_opencv_cannot_decode_is_named_with_the_remedy(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(HEIC)
    assert is_image_file(path)
    with pytest.raises(SourceError, match=rf"{name}: HEIC, which OpenCV .* cannot decode.*JPEG"):
        read_image(path)


def test_a_tiff_that_opencv_cannot_shorten_is_named_with_the_remedy() -> None:
    content = bytearray(tiff(SAMPLES))
    place = content.index(struct.pack("<HHI", 258, 3, 1)) + 8
    content[place : place + 2] = struct.pack("<H", 32)
    with pytest.raises(SourceError, match="a TIFF of 32 bits a sample; save it with 8 or 16 bits"):
        decode_image(content)


@pytest.mark.parametrize("name", ["a.cr2", "a.dng", "a.tif.part", "a.bak"])
def test_raw_files_and_halves_of_downloads_are_no_images_of_a_folder(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(tiff(SAMPLES))
    assert not is_image_file(path)
    # A raw file's first picture is a preview; any other file may be given by its name.
    assert content_kind(path) == (None if name in ("a.cr2", "a.dng") else "image")


def test_no_other_file_is_an_image(tmp_path: Path) -> None:
    for name, content in {
        "notes": b"BMW and others",
        "clip": b"\0\0\0\x18ftypisom\0\0\0\0isommp42",
        "a.bin": b"P9\n1 1\n",
        "empty": b"",
    }.items():
        (tmp_path / name).write_bytes(content)
        assert not is_image_file(tmp_path / name)
    (tmp_path / "folder").mkdir()
    assert not is_image_file(tmp_path / "folder")
    assert not is_image_file(tmp_path / "gone")


@given(st.binary(max_size=80), st.sampled_from([tiff(SAMPLES), _avif(1, 1), _png(SAMPLES)]))
def test_damaged_headers_break_nothing(junk: bytes, whole: bytes) -> None:
    for content in (junk, whole[: len(junk)], whole[:24] + junk, whole[:8] + junk + whole[8:]):
        assert 1 <= exif_orientation(content) <= 8
        sample_range(content)
        stored_size_hw(content)
    sample_range(whole[:33] + png_chunk(b"sBIT", junk[:4]) + whole[33:])


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_the_size_is_that_of_the_image_that_is_read(
    tmp_path: Path, suffix: str, orientation: int
) -> None:
    content = with_orientation(PICTURE, suffix, orientation)
    assert stored_size_hw(content) == ((6, 9) if suffix in (".jpg", ".png") else None)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    assert read_image_size(path) == read_image(path).shape[:2]
    path.write_bytes(b"none")
    with pytest.raises(SourceError, match="not an image"):
        read_image_size(path)
    with pytest.raises(SourceError, match="cannot be read"):
        read_image_size(tmp_path / "gone")


def test_a_copy_under_another_name_is_the_same_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(SAMPLES))
    shutil.copyfile(path, tmp_path / "b.png")
    assert np.array_equal(read_image(path), read_image(tmp_path / "b.png"))
