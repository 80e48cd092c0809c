"""Image files of any kind: recognised by content, read upright and in eight bits, written."""

from spotlet.image_files.files import (
    IMAGE_SUFFIXES,
    decode_image,
    guessed_bits,
    is_image_file,
    quiet_opencv,
    read_image,
    read_image_size,
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
