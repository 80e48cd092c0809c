"""Image files of any kind: recognised by content, read upright and in eight bits, written."""

from spotlet.image_files.decoding import (
    decode_image,
    guessed_bits,
    read_image,
    read_image_size,
)
from spotlet.image_files.files import (
    IMAGE_SUFFIXES,
    is_image_file,
    quiet_opencv,
    write_image,
)

__all__ = [
    "IMAGE_SUFFIXES",
    "decode_image",
    "guessed_bits",
    "is_image_file",
    "quiet_opencv",
    "read_image",
    "read_image_size",
    "write_image",
]
