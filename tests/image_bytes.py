"""Image files made byte by byte: with orientations, and with samples of more than 8 bits."""

import struct
import zlib
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from spotlet.letterbox import ImageArray


def exif_block(orientation: int, order: str = ">", kind: str = "H") -> bytes:
    """Returns TIFF's header with one entry: the orientation.

    Args:
        orientation: its value.
        order: of the bytes, as in `struct`.
        kind: of the number, as in `struct`: B, H, I or i.
    """
    code = {"B": 1, "H": 3, "I": 4, "i": 9}[kind]
    value = struct.pack(order + kind, orientation).ljust(4, b"\0")
    start = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(order + "IHHHI", 8, 1, 274, code, 1) + value
    return start + entry + bytes(4)


def jpeg_segment(marker: int, body: bytes) -> bytes:
    """Returns a segment of a JPEG."""
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def with_orientation(image: ImageArray, suffix: str, orientation: int) -> bytes:
    """Returns an image file with an orientation, its pixels stored as they are."""
    content = cv2.imencode(suffix, image, _LOSSLESS.get(suffix, ()))[1].tobytes()
    height, width = image.shape[:2]
    block = exif_block(orientation)
    if suffix == ".png":
        return content[:33] + png_chunk(b"eXIf", block) + content[33:]
    if suffix == ".jpg":
        return content[:2] + jpeg_segment(0xE1, b"Exif\0\0" + block) + content[2:]
    if suffix == ".webp":
        head = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
        parts = b"VP8X" + struct.pack("<II", 10, 8) + head + content[12:]
        parts += b"EXIF" + struct.pack("<I", len(block)) + block
        return b"RIFF" + struct.pack("<I", 4 + len(parts)) + b"WEBP" + parts
    assert suffix == ".tif"
    return tiff(image[:, :, ::-1], {274: orientation})


_LOSSLESS = {".webp": (cv2.IMWRITE_WEBP_QUALITY, 101), ".jpg": (cv2.IMWRITE_JPEG_QUALITY, 100)}


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """Returns a chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_sbit(png: bytes, bits: int) -> bytes:
    """Returns a grey PNG that states its significant bits."""
    return png[:33] + png_chunk(b"sBIT", bytes([bits])) + png[33:]


def packed(samples: npt.NDArray[np.uint16], bits: int) -> bytes:
    """Returns samples packed without gaps within each row, the highest bit first."""
    rows = ("".join(format(int(value), f"0{bits}b") for value in row) for row in samples)
    return b"".join(
        int(row.ljust(-(-len(row) // 8) * 8, "0"), 2).to_bytes(-(-len(row) // 8), "big")
        for row in rows
    )


def tiff(
    samples: npt.NDArray[Any],
    tags: dict[int, int] | None = None,
    *,
    bits: int | None = None,
    description: bytes = b"",
    xmp: bytes = b"",
    order: Literal["<", ">"] = "<",
) -> bytes:
    """Returns a TIFF without compression.

    Args:
        samples: (H, W), (H, W, 3) RGB or (H, W, 4) with a further sample; unsigned, or of the
            kind that tag 339 says.
        tags: further ones, or others, each one SHORT. 284: 2 stores the samples apart.
        bits: of a sample, packed; None: as in the array.
        description: the text of ImageDescription.
        xmp: the block of tag 700.
        order: of the bytes, as in `struct`.
    """
    height, width = samples.shape[:2]
    colours = 1 if samples.ndim == 2 else samples.shape[2]
    planes = colours if (tags or {}).get(284) == 2 else 1
    if planes > 1:
        samples = samples.transpose(2, 0, 1)
    data = (
        samples.astype(samples.dtype.newbyteorder(order)).tobytes()
        if bits is None
        else packed(samples.astype(np.uint16), bits)
    )
    numbers = {
        256: width,
        257: height,
        258: bits or 8 * samples.itemsize,
        259: 1,
        262: 1 if colours == 1 else 2,
        273: 8,
        277: colours,
        278: height,
        279: len(data),
        **(tags or {}),
    }
    padded = data + b"\0" * (len(data) % 2)
    text_at = 8 + len(padded)
    text = description + b"\0" * (1 + (len(description) + 1) % 2) if description else b""
    text += xmp + b"\0" * (len(xmp) % 2)
    bits_at = text_at + len(text)
    several = struct.pack(f"{order}{colours}H", *[numbers[258]] * colours)
    if planes > 1:
        size = len(data) // planes
        places = [*(8 + size * plane for plane in range(planes)), *[size] * planes]
        places_at = bits_at + len(several)
        several += struct.pack(f"{order}{2 * planes}I", *places)
        numbers |= {273: places_at, 279: places_at + 4 * planes}
    entries = [
        struct.pack(f"{order}HHII", tag, 4, planes, value)
        if tag in (273, 279)
        else struct.pack(f"{order}HHIHH", tag, 3, 1, value, 0)
        for tag, value in numbers.items()
        if tag != 258 or colours == 1
    ]
    if colours > 1:
        entries.append(struct.pack(f"{order}HHII", 258, 3, colours, bits_at))
    if description:
        entries.append(struct.pack(f"{order}HHII", 270, 2, len(description) + 1, text_at))
    if xmp:
        xmp_at = bits_at - len(xmp) - len(xmp) % 2
        entries.append(struct.pack(f"{order}HHII", 700, 1, len(xmp), xmp_at))
    entries.sort(key=lambda entry: struct.unpack(f"{order}H", entry[:2]))
    start = b"II*\0" if order == "<" else b"MM\0*"
    directory_at = bits_at + len(several)
    return (
        start
        + struct.pack(f"{order}I", directory_at)
        + padded
        + text
        + several
        + struct.pack(f"{order}H", len(entries))
        + b"".join(entries)
        + b"\0\0\0\0"
    )


def turned_slowly(image: ImageArray, orientation: int) -> ImageArray:
    """Returns a stored picture upright: each pixel goes where EXIF's table puts its row and column.

    The table: of the first row and the first column as stored, the side on which they are shown.
    """
    row, column = {
        1: ("top", "left"),
        2: ("top", "right"),
        3: ("bottom", "right"),
        4: ("bottom", "left"),
        5: ("left", "top"),
        6: ("right", "top"),
        7: ("right", "bottom"),
        8: ("left", "bottom"),
    }[orientation]
    height, width = image.shape[:2]
    swapped = row in ("left", "right")
    shown = np.zeros((width, height, 3) if swapped else (height, width, 3), np.uint8)
    for y in range(height):
        for x in range(width):
            place = {row: y, column: x}
            down = place["top"] if "top" in place else shown.shape[0] - 1 - place["bottom"]
            right = place["left"] if "left" in place else shown.shape[1] - 1 - place["right"]
            shown[down, right] = image[y, x]
    return shown
