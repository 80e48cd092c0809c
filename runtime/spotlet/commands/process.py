"""Settings of the whole process, which a program may make and a library may not."""

import ctypes
import sys

import cv2

_GLIBC_TRIM_THRESHOLD, _GLIBC_MMAP_THRESHOLD = -1, -3
"""Of `mallopt`, from glibc's malloc.h."""

KEPT_BYTES = 128 * 2**20
"""Freed memory that is kept for the next frames: five pictures of 4K."""

MOST_HEAP_BYTES = 32 * 2**20
"""The largest array that comes from the heap and is kept at all; glibc allows no more."""


def settle_process() -> None:
    """Makes the process one that works on several frames at once, on all cores.

    OpenCV's own threads are off: the cores have work. And memory that a frame leaves is kept for
    the next one: glibc would give it back to the system, which then clears each page anew. Where
    the C library is another one, that stays as it is. `docs/performance.md` has what it gains.
    """
    cv2.setNumThreads(1)
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # musl has none
        return
    mallopt(_GLIBC_MMAP_THRESHOLD, MOST_HEAP_BYTES)
    mallopt(_GLIBC_TRIM_THRESHOLD, KEPT_BYTES)
