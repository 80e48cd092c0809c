"""How a stored picture is to be turned, as its file says it: EXIF, XMP, AVIF's own boxes.

Source: CIPA DC-008 (Exif 2.3), section 4.6.4, tag 274; TIFF 6.0, section 8; PNG 3rd edition,
11.3.3 (text) and 11.3.3.4 (eXIf); RFC 9649 (WebP); XMP part 1, 7.9, and part 3 (where it is kept);
ISO/IEC 23008-12, 6.5 (irot, imir). ImageMagick writes "Raw profile type" texts into PNG: a name,
the number of bytes, and the bytes as hexadecimal digits.
"""

import re
import struct
import zlib
from collections.abc import Iterator

from spotlet.image_files.blocks import (
    TIFF_XMP,
    associated,
    boxes,
    png_chunks,
    segments,
    tiff_tags,
    webp_chunks,
)
from spotlet.image_files.headers import START_BYTES, image_format

UPRIGHT = 1
"""The EXIF orientation of a picture that is shown as it is stored."""

SIDEWAYS = frozenset({5, 6, 7, 8})
"""The EXIF orientations that swap width and height."""

TIFF_ORIENTATION = 274

_APP1 = 0xE1
_EXIF, _ADOBE = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_XMP_KEYWORD = b"XML:com.adobe.xmp"
_IN_XMP = re.compile(rb"""\btiff:Orientation\s*(?:=\s*["']|>)\s*([1-8])\s*["'<]""")
_PROFILE = re.compile(rb"\s*[^\n]*\n\s*\d+\s*\n([0-9A-Fa-f\s]*)")
_RAW_PROFILES = frozenset({
    b"Raw profile type exif", b"Raw profile type APP1", b"Raw profile type app1",
    b"Raw profile type xmp",
})  # fmt: skip
_MOST_TEXT = 2**24
"""Bytes to which a compressed text may grow."""

# By quarter turns to the left, then by those and a mirror image left to right after them.
_TURNED = (1, 8, 3, 6), (2, 7, 4, 5)


def exif_orientation(content: bytes) -> int:
    """Returns how a picture is to be turned, as EXIF counts it, 1 to 8; 1 if nothing says so.

    EXIF outranks XMP, as in Pillow; of several blocks, the first that states an orientation counts.
    """
    kind = image_format(content[:START_BYTES])
    if kind == "AVIF":
        return _avif_orientation(content)
    in_xmp = None
    for block in _blocks(content, kind):
        tiff = block.removeprefix(_EXIF)
        if tiff[:2] in (b"II", b"MM"):
            tags = tiff_tags(tiff)
            (value, *_) = tags.get(TIFF_ORIENTATION, (0,))
            if 1 <= value <= 8:
                return int(value)
            (block, *_) = tags.get(TIFF_XMP, (b"",))
        if in_xmp is None and (found := _IN_XMP.search(block)):
            in_xmp = int(found[1])
    return in_xmp or UPRIGHT


def _blocks(content: bytes, kind: str | None) -> Iterator[bytes]:
    """Yields the blocks of a file that may state an orientation, of EXIF or of XMP."""
    match kind:
        case "JPEG":
            for marker, start, end in segments(content):
                if marker == _APP1 and content.startswith((_EXIF, _ADOBE), start):
                    yield content[start:end]
        case "PNG":
            for chunk, start, end in png_chunks(content):
                if chunk == b"eXIf":
                    yield content[start:end]
                elif chunk in (b"tEXt", b"zTXt", b"iTXt"):
                    yield _png_text(chunk, content[start:end])
        case "WebP":
            for chunk, start, end in webp_chunks(content):
                if chunk in (b"EXIF", b"XMP "):
                    yield content[start:end]
        case "TIFF":
            yield content


def _png_text(kind: bytes, chunk: bytes) -> bytes:
    """Returns the EXIF or XMP block in a text of a PNG; empty if it is another text."""
    keyword, _, text = chunk.partition(b"\0")
    if keyword != _XMP_KEYWORD and keyword not in _RAW_PROFILES:
        return b""
    compressed = kind == b"zTXt" or (kind == b"iTXt" and text[:1] == b"\1")
    if kind == b"zTXt":
        text = text[1:]  # the method
    elif kind == b"iTXt":
        text = text[2:].split(b"\0", 2)[-1]  # flag, method, language, keyword in that language
    try:
        text = zlib.decompressobj().decompress(text, _MOST_TEXT) if compressed else text
        profile = _PROFILE.match(text) if keyword in _RAW_PROFILES else None
        return bytes.fromhex(profile[1].decode("ascii")) if profile else text
    except (zlib.error, ValueError):  # it is damaged
        return b""


def _avif_orientation(content: bytes) -> int:
    """Returns the turn and mirror of the main picture's properties; they outrank EXIF."""
    turns = mirrored = 0
    try:
        meta = next(box for box in boxes(content, 0, len(content)) if box[0] == b"meta")
        inside = {kind: (a, b) for kind, a, b in boxes(content, meta[1] + 4, meta[2])}
        start, end = inside[b"pitm"]
        main = content[start + 4 : end]
        rights = {kind: (a, b) for kind, a, b in boxes(content, *inside[b"iprp"])}
        properties = list(boxes(content, *rights[b"ipco"]))
        for index in associated(content, rights[b"ipma"][0], int.from_bytes(main, "big")):
            kind, at, _ = properties[index - 1]
            if kind == b"irot":
                turns = content[at] & 3
            elif kind == b"imir":
                mirrored = 1 + (content[at] & 1)
    except (StopIteration, KeyError, IndexError, struct.error):
        return UPRIGHT
    if mirrored == 1:  # top to bottom is left to right and half a turn
        turns = (turns + 2) % 4
    return _TURNED[bool(mirrored)][turns]
