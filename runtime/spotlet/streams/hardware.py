"""What this machine and its OpenCV have for decoding video in hardware."""

import base64
import os
import struct
import sys
import tempfile
from pathlib import Path

import cv2

from spotlet.image_files.files import quiet_opencv
from spotlet.streams.decoding import (
    CPU,
    OPTIONS_VARIABLE,
    allow_all_hardware,
    decoder_of,
    hardware_settings,
)

SAMPLE_H264 = base64.b64decode(
    "AAAAAWdCwArZAgRsBEAAAAMAQAAAAwCDxImSAAAAAWjLg8sgAAABZYiEBXyYoAAgWycnJycnJydddddd"
    "ddddddddddddddddddddddddddddddddddddddddddddddddddeA"
)
"""A grey picture of 128x128, in the codec that every decoder knows, baseline profile."""

DEVICES = Path("/dev")
_QUERY_CAPABILITIES = 0x80685600  # VIDIOC_QUERYCAP
_MEMORY_TO_MEMORY = 0x8000 | 0x4000  # V4L2_CAP_VIDEO_M2M, and its kind with several planes


def try_hardware() -> str:
    """Returns the hardware that decodes H.264 if it is asked for, or `none` and the reason."""
    allow_all_hardware()
    with tempfile.TemporaryDirectory() as folder, quiet_opencv():
        path = Path(folder) / "try.h264"
        path.write_bytes(SAMPLE_H264)
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, hardware_settings(True))
        opened, decoder, decoded = capture.isOpened(), decoder_of(capture), capture.read()[0]
        capture.release()
    if not opened and "video_codec" in (options := os.environ.get(OPTIONS_VARIABLE, "")):
        return f"none: what {OPTIONS_VARIABLE}={options} names does not open"
    if decoder is None:
        return "none: this OpenCV reads videos without FFmpeg; install opencv-python-headless"
    if decoder != CPU:
        return f"{decoder}, H.264" if decoded else f"none: {decoder} opens, but decodes no picture"
    if sys.platform == "linux" and not _is_loaded("libva.so"):
        return (
            "none: this OpenCV's FFmpeg is built without VAAPI, as in pip's wheels; install an "
            "OpenCV that uses the system's FFmpeg"
        )
    return "none: no device or driver that OpenCV's FFmpeg can open"


def find_devices() -> list[str]:
    """Returns the devices that may decode, each with what prevents its use."""
    found = [str(path) + _fault(path) for path in sorted(DEVICES.glob("dri/renderD*"))]
    for path in sorted(DEVICES.glob("video*")):
        name = _memory_to_memory(path)
        found += [f"{path} ({name})"] if name else []
    return found


def _is_loaded(library: str) -> bool:
    """Whether this process has loaded a library, as FFmpeg does those that it is built with."""
    try:
        return f"/{library}" in Path("/proc/self/maps").read_text("utf-8", "replace")
    except OSError:
        return False


def _fault(path: Path) -> str:
    try:
        os.close(os.open(path, os.O_RDWR))
    except PermissionError:
        return f" (no permission: join the group {_group(path)})"
    except OSError as error:
        return f" (cannot be opened: {error.strerror})"
    return ""


def _group(path: Path) -> str:
    try:
        return path.group()
    except (KeyError, NotImplementedError):  # a container need not know the group's name
        return str(path.stat().st_gid)


def _memory_to_memory(path: Path) -> str | None:
    """Returns the name of a memory-to-memory device of V4L2; None for a camera.

    Source: Linux, `struct v4l2_capability` in include/uapi/linux/videodev2.h.
    """
    import fcntl  # only where there are such devices

    try:
        device = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    except OSError as error:
        return f"cannot be opened: {error.strerror}"
    try:
        answer = fcntl.ioctl(device, _QUERY_CAPABILITIES, bytes(104))
    except OSError:
        return None
    finally:
        os.close(device)
    return name_if_decoding(answer)


def name_if_decoding(capability: bytes) -> str | None:
    """Returns the name in a `v4l2_capability` of 104 bytes; None if it is not memory to memory."""
    _, card, _, _, offered, own = struct.unpack_from("16s32s32sIII", capability)
    if not (own or offered) & _MEMORY_TO_MEMORY:
        return None
    return str(card.split(b"\0")[0].decode("utf-8", "replace"))
