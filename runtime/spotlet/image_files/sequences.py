"""Image files of several pictures: Motion JPEG and animations.

Source: ITU-T T.81, annex B; CIPA DC-007 (MPF); GIF89a, sections 20 and 23; PNG 3rd edition,
11.3.6.1 (acTL); RFC 9649, 2.7.1.1 (WebP); AVIF 1.1, 6.3 (avis).
"""

import re
from collections.abc import Iterator

from spotlet.image_files.blocks import JPEG_START, MARKER, SCAN, png_chunks, segments
from spotlet.image_files.headers import START_BYTES, brands, image_format, stored_size_hw

LOOKED_AT = 2**24
"""Bytes from a file's start in which its second picture is looked for; a frame of a video is
smaller, and the file may be larger than the memory."""

_APP1, _APP2, _JPEG_END = 0xE1, 0xE2, 0xD9
_GIF_BLOCK = re.compile(rb"[^\0]")

_MOST_PADDING = 2**16
_MORE_THAN_A_PICTURE = re.compile(rb"MotionPhoto|MicroVideo|:Directory|GDepth|GImage")
"""In the XMP of photographs that are followed by a video, a depth map or another picture."""


def is_video(content: bytes) -> bool:
    """Whether FFmpeg reads the bytes, a file's first `LOOKED_AT`, as a video of several pictures.

    So it reads Motion JPEG, and animated GIF and PNG files.
    """
    match image_format(content[:START_BYTES]):
        case "JPEG":
            return is_motion_jpeg(content)
        case "GIF" | "PNG":
            return is_animated(content)
    return False


def is_animated(content: bytes) -> bool:
    """Whether the bytes are an animation, in GIF, PNG, WebP or AVIF."""
    match image_format(content[:START_BYTES]):
        case "GIF":
            pictures = _gif_pictures(content)
            return next(pictures, None) is not None and next(pictures, None) is not None
        case "PNG":
            for kind, start, _ in png_chunks(content):
                if kind == b"acTL":
                    return int.from_bytes(content[start : start + 4], "big") > 1
                if kind == b"IDAT":
                    return False
        case "WebP":
            return content[12:16] == b"VP8X" and bool(content[20] & 2)
        case "AVIF":
            return b"avis" in brands(content[:START_BYTES])
    return False


def is_motion_jpeg(content: bytes) -> bool:
    """Whether the bytes are JPEG pictures of one size one after the other, whatever is between.

    A photograph may be followed by more as well: it says so, or it is a camera's, and a third
    picture of its size does not follow.
    """
    of_a_camera = False
    for marker, start, end in segments(content):
        if marker == _APP2 and content.startswith(b"MPF\0", start):
            return False
        if marker == _APP1:
            of_a_camera = True
            if _MORE_THAN_A_PICTURE.search(content, start, end):
                return False
    second = _next_jpeg(content, 0)
    return second is not None and (not of_a_camera or _next_jpeg(content, second) is not None)


def _next_jpeg(content: bytes, at: int) -> int | None:
    """Returns where a JPEG of the same size starts after the one that starts there; or None."""
    end = _jpeg_end(content, at)
    size_hw = stored_size_hw(content, at)
    if end is None or size_hw is None:
        return None
    most, start = end + _MOST_PADDING, end
    while (start := content.find(JPEG_START + b"\xff", start, most)) >= 0:
        if stored_size_hw(content, start) == size_hw:
            return start
        start += 1
    return None


def _jpeg_end(content: bytes, start: int) -> int | None:
    """Returns where a JPEG ends: after its end marker or, if it has none, where the next starts."""
    scans = (end for marker, _, end in segments(content, start) if marker == SCAN)
    at = next(scans, len(content))
    while found := MARKER.search(content, at):
        at = found.end()
        if content[at - 1] == _JPEG_END:
            return at
        if content[at - 2 : at] == JPEG_START:
            return at - 2
        at += int.from_bytes(content[at : at + 2], "big")  # tables, the next scan
    return None


def _gif_pictures(content: bytes) -> Iterator[int]:
    """Yields where each picture of a GIF starts that has its own time."""

    def table(flags: int) -> int:
        return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0

    timed = False
    try:
        at = 13 + table(content[10])
        while found := _GIF_BLOCK.search(content, at):  # some writers put zeros between blocks
            at = found.start()
            match content[at]:
                case 0x21:  # an extension
                    timed = timed or content[at + 1] == 0xF9
                    at += 2
                case 0x2C:
                    if timed:
                        yield at
                    timed = False
                    at += 10 + table(content[at + 9]) + 1
                case _:
                    return
            while size := content[at]:
                at += size + 1
            at += 1
    except IndexError:  # it is cut short
        return
