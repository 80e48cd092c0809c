import struct
import zlib

import numpy as np
import pytest
from image_bytes import exif_block, jpeg_segment, png_chunk, tiff, turned_slowly, with_orientation

from spotlet.image_files import decode_image
from spotlet.image_files.orientation import exif_orientation

PICTURE = np.kron(
    np.random.default_rng(0).integers(0, 3, (4, 6, 3), np.uint8) * 100, np.ones((16, 16, 1))
).astype(np.uint8)
"""Of blocks, which a JPEG keeps nearly as they are."""

UPRIGHT = {suffix: with_orientation(PICTURE, suffix, 1) for suffix in (".jpg", ".png", ".webp")}


def _hexadecimal(name: bytes, block: bytes) -> bytes:
    digits = block.hex().encode()
    lines = b"".join(digits[at : at + 72] + b"\n" for at in range(0, len(digits), 72))
    return b"\n%s\n%8d\n%s" % (name, len(block), lines)


def _text(kind: bytes, keyword: bytes, text: bytes, compressed: bool = False) -> bytes:
    if kind == b"tEXt":
        return png_chunk(kind, keyword + b"\0" + text)
    if kind == b"zTXt":
        return png_chunk(kind, keyword + b"\0\0" + zlib.compress(text))
    packed = b"\1\0" + b"en\0\0" + zlib.compress(text) if compressed else b"\0\0\0\0" + text
    return png_chunk(kind, keyword + b"\0" + packed)


def _xmp(orientation: int, attribute: bool = True) -> bytes:
    tag = b'<a tiff:Orientation="%d"/>' if attribute else b"<tiff:Orientation>%d</tiff:Orientation>"
    return b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + tag % orientation + b"</x:xmpmeta>"


def _plain(suffix: str) -> bytes:
    """Returns the picture in a file that says nothing of its orientation."""
    content = UPRIGHT[suffix]
    if suffix == ".jpg":
        return content[:2] + content[4 + int.from_bytes(content[4:6], "big") :]
    if suffix == ".png":
        return content[:33] + content[33 + 12 + len(exif_block(1)) :]
    return content[: -8 - len(exif_block(1))]


def _with_blocks(suffix: str, *blocks: bytes) -> bytes:
    """Returns the picture with blocks of EXIF or XMP, as each format keeps them."""
    content = _plain(suffix)
    for block in reversed(blocks):
        is_xmp = block.startswith(b"<")
        if suffix == ".jpg":
            block = (b"http://ns.adobe.com/xap/1.0/\0" if is_xmp else b"Exif\0\0") + block
            content = content[:2] + jpeg_segment(0xE1, block) + content[2:]
        elif suffix == ".png":
            text = _text(b"iTXt", b"XML:com.adobe.xmp", block) if is_xmp else b""
            content = content[:33] + (text or png_chunk(b"eXIf", block)) + content[33:]
        else:
            kind = b"XMP " if is_xmp else b"EXIF"
            block += b"\0" * (len(block) % 2)
            content += kind + struct.pack("<I", len(block)) + block
            content = b"RIFF" + struct.pack("<I", len(content) - 8) + content[8:]
    return content


def _is_turned(content: bytes, orientation: int) -> None:
    assert exif_orientation(content) == orientation
    image, expected = decode_image(content), turned_slowly(PICTURE, orientation)
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < (0.01 if content[:2] != b"\xff\xd8" else 9)


EXIF = b"Exif\0\0" + exif_block(6)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    "chunk",
    [
        _text(b"zTXt", b"Raw profile type exif", _hexadecimal(b"exif", EXIF)),
        _text(b"zTXt", b"Raw profile type APP1", _hexadecimal(b"generic profile", EXIF)),
        _text(b"tEXt", b"Raw profile type exif", _hexadecimal(b"exif", exif_block(6))),
        _text(b"iTXt", b"Raw profile type exif", _hexadecimal(b"exif", EXIF)),
        _text(b"iTXt", b"Raw profile type exif", _hexadecimal(b"exif", EXIF), True),
        _text(b"zTXt", b"Raw profile type xmp", _hexadecimal(b"xmp", _xmp(6))),
        _text(b"iTXt", b"XML:com.adobe.xmp", _xmp(6)),
        _text(b"iTXt", b"XML:com.adobe.xmp", _xmp(6, attribute=False), True),
        png_chunk(b"eXIf", exif_block(6)),
    ],
)
def test_a_png_is_turned_wherever_it_keeps_its_orientation(chunk: bytes, late: bool) -> None:
    content = _plain(".png")
    at = len(content) - 12 if late else 33
    _is_turned(content[:at] + chunk + content[at:], 6)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("attribute", [True, False])
def test_xmp_turns_a_picture_without_exif(suffix: str, orientation: int, attribute: bool) -> None:
    _is_turned(_with_blocks(suffix, _xmp(orientation, attribute)), orientation)


def test_xmp_turns_a_tiff_without_the_tag() -> None:
    rgb = PICTURE[:, :, ::-1]
    _is_turned(tiff(rgb, xmp=_xmp(6)), 6)
    _is_turned(tiff(rgb, {274: 3}, xmp=_xmp(6)), 3)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_exif_outranks_xmp_and_the_first_that_states_one_counts(suffix: str) -> None:
    silent = exif_block(0)  # no orientation is 0
    _is_turned(_with_blocks(suffix, _xmp(8), exif_block(6)), 6)
    _is_turned(_with_blocks(suffix, exif_block(1), _xmp(8)), 1)
    _is_turned(_with_blocks(suffix, silent, _xmp(8)), 8)
    _is_turned(_with_blocks(suffix, silent, exif_block(6)), 6)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["B", "H", "I", "i"])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_exif_counts_in_either_order_and_as_any_whole_number(
    suffix: str, kind: str, order: str
) -> None:
    _is_turned(_with_blocks(suffix, exif_block(6, order, kind)), 6)


@pytest.mark.parametrize(
    "text",
    [b"", b"\nexif\n", b"\nexif\n 4\n4", b"\nexif\n 4\nxyz", b"\nexif\n9999999\n" + b"4d4d" * 9],
)
def test_a_damaged_profile_turns_nothing(text: bytes) -> None:
    content = _plain(".png")
    for chunk in (
        _text(b"tEXt", b"Raw profile type exif", text),
        png_chunk(b"zTXt", b"Raw profile type exif\0\0" + text),
        png_chunk(b"iTXt", b"Raw profile type exif\0\1" + text),
    ):
        _is_turned(content[:33] + chunk + content[33:], 1)
