import struct
from contextlib import suppress
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_bytes import tiff, with_sbit

from spotlet.errors import SourceError
from spotlet.image_files import decode_image, guessed_bits

RNG = np.random.default_rng(0)
SCENE = np.asarray(cv2.resize(RNG.integers(20, 250, (12, 16), np.uint8), (128, 96)), np.uint8)
"""Of 8 bits, grey."""

COLOURS = np.kron(RNG.integers(0, 256, (6, 8, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
ALPHA = np.repeat(np.arange(64, dtype=np.uint8)[None] * 4, 48, axis=0)
"""From transparent to nearly opaque."""


def _png(samples: npt.NDArray[Any]) -> bytes:
    return cv2.imencode(".png", samples)[1].tobytes()


def _with_hot_pixels(samples: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
    hot = samples.copy()
    places = RNG.choice(samples.size // 16, count, replace=False) * 16 + 5  # none by another
    hot.reshape(-1)[places] = 65535
    return hot


@pytest.mark.parametrize("count", [1, 20])
@pytest.mark.parametrize("bits", [10, 12, 14])
def test_hot_pixels_do_not_darken_a_picture(bits: int, count: int) -> None:
    samples = SCENE.astype(np.uint16) << (bits - 8)
    hot = _with_hot_pixels(samples, count)
    expected = np.where(hot == 65535, 255, SCENE)
    stated = {281: 2**bits - 1}
    for content in (tiff(hot), _png(hot), tiff(hot, stated), with_sbit(_png(hot), bits)):
        assert np.array_equal(decode_image(content)[:, :, 0], expected)
    assert guessed_bits(tiff(hot)) == bits
    assert guessed_bits(tiff(hot, stated)) is None


def test_a_hot_pixel_of_one_colour_and_one_in_10000_do_not_count() -> None:
    samples = np.full((300, 400, 3), 1000, np.uint16)
    samples[150, 200, 1] = 65535
    assert guessed_bits(tiff(samples)) == 10
    samples[10:13, 10:14] = 65535  # 12 pixels in 120,000
    assert guessed_bits(tiff(samples)) == 10
    samples[10:13, 14] = 65535
    assert guessed_bits(tiff(samples)) is None


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_small_highlights_of_16_bits_are_not_clipped(bits: int) -> None:
    samples = SCENE.astype(np.uint16) << (bits - 8)
    samples[40:42, 60:62] = 40000  # 3 in 10,000
    assert decode_image(tiff(samples))[40, 60, 0] == 40000 >> 8
    assert guessed_bits(tiff(samples)) is None


@pytest.mark.parametrize("order", ["<", ">"])
def test_signed_samples_are_scaled_by_the_bits_that_they_have(order: Any) -> None:
    expected = SCENE >> 1 << 1
    deep = (SCENE.astype(np.int16) << 7) + 3
    assert np.array_equal(decode_image(tiff(deep, {339: 2}, order=order))[:, :, 0], SCENE)
    assert guessed_bits(tiff(deep, {339: 2})) is None
    twelve = SCENE.astype(np.int16) << 4
    assert np.array_equal(decode_image(tiff(twelve, {339: 2}))[:, :, 0], SCENE)
    assert guessed_bits(tiff(twelve, {339: 2})) == 12
    eight = decode_image(tiff((SCENE >> 1).astype(np.int8), {339: 2}))[:, :, 0]
    assert np.abs(eight.astype(int) - expected).max() <= 1
    deep[5, 5] = -20000  # one is a fault, many are not
    assert decode_image(tiff(deep, {339: 2}))[5, 5, 0] == 0
    with pytest.raises(SourceError, match="samples below 0; save them without a sign"):
        decode_image(tiff(deep - 10000, {339: 2}))


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (tiff((SCENE / 255).astype(np.float32), {339: 3}), "32 bits a sample in floating point"),
        (tiff((COLOURS / 255).astype(np.float32), {339: 3}), "32 bits a sample in floating point"),
        (tiff((SCENE / 255).astype(np.float16), {339: 3}), "16 bits a sample in floating point"),
        (tiff(SCENE.astype(np.uint32)), "a TIFF of 32 bits a sample; save it with 8 or 16 bits"),
        (tiff(SCENE.astype(np.int32), {339: 2}), "a TIFF of 32 bits a sample"),
        (tiff(SCENE // 16, bits=4), "a TIFF that OpenCV cannot decode, or a damaged one; save it"),
        (
            tiff(COLOURS, {259: 34712}),
            "a TIFF compressed with JPEG 2000, which OpenCV cannot decode",
        ),
        (tiff(COLOURS, {259: 33005}), "a TIFF compressed with JPEG 2000"),
        (tiff(COLOURS, {259: 50002}), "a TIFF compressed with JPEG XL"),
        (tiff(SCENE, {259: 34933}), "a TIFF compressed with PNG"),
        (tiff(SCENE, {259: 60000}), "a TIFF compressed with scheme 60000.*save it without"),
        (b"PF\n2 1\n-1.0\n" + struct.pack("<6f", *[0.5] * 6), "a PFM, in floating point; save it"),
    ],
)
def test_what_opencv_would_make_a_wrong_picture_of_is_refused(content: bytes, fault: str) -> None:
    with pytest.raises(SourceError, match=f"the image: .*{fault}"):
        decode_image(content)


def _tiled(samples: npt.NDArray[np.uint8], size: int) -> bytes:
    """Returns an RGB TIFF in several square tiles, without compression."""
    height, width = samples.shape[:2]
    down, across = -(-height // size), -(-width // size)
    padded = np.zeros((down * size, across * size, 3), np.uint8)
    padded[:height, :width] = samples
    tiles = padded.reshape(down, size, across, size, 3).swapaxes(1, 2).tobytes()
    count, start = down * across, 8 + len(tiles)
    one = size * size * 3
    lists = [*range(8, start, one), *[one] * count]
    numbers = [(256, width), (257, height), (258, start), (259, 1), (262, 2), (277, 3)]
    numbers += [(322, size), (323, size), (324, start + 6), (325, start + 6 + 4 * count)]
    counts = {258: 3, 324: count, 325: count}
    directory = b"".join(
        struct.pack("<HHII", tag, 3 if tag == 258 else 4, counts.get(tag, 1), value)
        for tag, value in numbers
    )
    arrays = struct.pack(f"<3H{2 * count}I", 8, 8, 8, *lists)
    head = struct.pack("<2sHI", b"II", 42, start + len(arrays))
    return head + tiles + arrays + struct.pack("<H", len(numbers)) + directory + bytes(4)


@pytest.mark.parametrize("size", [16, 32, 48])
def test_tiles_of_any_size_are_read(size: int) -> None:
    assert np.array_equal(decode_image(_tiled(COLOURS, size)), COLOURS[..., ::-1])


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", [".png", ".webp", ".avif", ".tif"])
def test_colours_are_those_that_are_stored_whatever_their_alpha(suffix: str, depth: Any) -> None:
    bgra = np.dstack([COLOURS, ALPHA]).astype(depth) * (257 if depth == np.uint16 else 1)
    if suffix == ".tif":
        for extra in (0, 2):
            content = tiff(bgra[:, :, [2, 1, 0, 3]], {262: 2, 338: extra})
            assert np.array_equal(decode_image(content), COLOURS)
        return
    if depth == np.uint16 and suffix != ".png":
        return
    try:
        content = cv2.imencode(suffix, bgra, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()
        image = decode_image(content)
    except (cv2.error, SourceError):  # an OpenCV without AVIF
        assert suffix == ".avif"
        return
    close = np.abs(image.astype(int) - COLOURS)[ALPHA > 0]
    assert close.mean() < (30 if suffix == ".avif" else 0.001)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("extra", [None, 0, 1, 2])
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_samples_that_are_stored_apart_are_put_together(
    depth: Any, extra: int | None, order: Any
) -> None:
    opaque = np.full_like(ALPHA, 255)
    rgb = COLOURS[:, :, ::-1]
    samples = (rgb if extra is None else np.dstack([rgb, opaque])).astype(depth)
    samples *= np.iinfo(depth).max // 255
    tags = {262: 2, 284: 2} | ({} if extra is None else {338: extra})
    assert np.array_equal(decode_image(tiff(samples, tags, order=order)), COLOURS)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_colours_multiplied_by_alpha_are_divided(depth: Any) -> None:
    most = np.iinfo(depth).max
    alpha = ALPHA.astype(np.int64) * (most // 255)
    stored = np.round(COLOURS[:, :, ::-1] * (alpha / 255)[:, :, None])
    image = decode_image(tiff(np.dstack([stored, alpha]).astype(depth), {262: 2, 338: 1}))
    sure = ALPHA > 100
    assert np.abs(image.astype(int) - COLOURS)[sure].max() <= 3
    assert not image[ALPHA == 0].any()


@pytest.mark.parametrize("most", [1, 255, 4095, 65535])
@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_a_pam_is_read_with_its_colours_in_their_order(depth: int, most: int) -> None:
    rgba = np.dstack([COLOURS[:, :, ::-1], ALPHA])
    samples = np.floor(rgba[:, :, -depth:] / 255.99 * (most + 1))
    expected = np.round(samples[:, :, [2, 1, 0] if depth > 2 else [0, 0, 0]] / most * 255)
    head = f"P7\n# of a tool\nWIDTH 64\nHEIGHT 48\nDEPTH {depth}\nMAXVAL {most}\nENDHDR\n".encode()
    content = head + samples.astype(">u2" if most > 255 else "u1").tobytes()
    assert np.abs(decode_image(content).astype(int) - expected).max() <= 1
    for damaged in (
        content[:-1],
        head,
        content.replace(b"MAXVAL %d" % most, b"MAXVAL 70000"),
        content.replace(b"WIDTH", b"WIDHT"),
        b"P7\n",
    ):
        with pytest.raises(SourceError, match="not an image that OpenCV can decode"):
            decode_image(damaged)


def test_half_a_gif_is_not_an_image() -> None:
    two_by_one = b"GIF89a\2\0\1\0\x80\0\0\xff\0\0\0\0\xff,\0\0\0\0\2\0\1\0\0\2\2D\n\0;"
    assert decode_image(two_by_one).shape == (1, 2, 3)
    for cut in range(1, 8):
        with pytest.raises(SourceError, match="not an image that OpenCV can decode"):
            decode_image(two_by_one[:-cut])


@given(st.integers(0, 199), st.binary(min_size=1, max_size=8), st.sampled_from([0, 1, 2]))
def test_damage_to_a_tiff_is_an_error_or_a_picture_of_eight_bits(
    place: int, junk: bytes, extra: int
) -> None:
    samples = np.dstack([COLOURS, ALPHA])[:4, :4].astype(np.uint16)
    content = bytearray(tiff(samples, {262: 2, 284: 1 + extra % 2, 338: extra}))
    start = max(len(content) - 200, 0) + place
    content[start : start + len(junk)] = junk
    with suppress(SourceError):
        assert decode_image(content).dtype == np.uint8
