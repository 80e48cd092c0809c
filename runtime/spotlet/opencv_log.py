"""OpenCV's own log, kept from standard error."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # before any thread is there

_SILENT = 0  # of OpenCV's levels, which 4.x has no names for in Python

_lock = threading.Lock()
_quiet_blocks = 0
_level_before = 0


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Keeps OpenCV and its FFmpeg from writing to standard error meanwhile, in all threads.

    What they write there is reported in Spotlet's own words. FFmpeg reads its variable once a
    process, at the first video; a value that the user has set is kept.
    """
    global _quiet_blocks, _level_before
    log: Any = getattr(cv2.utils, "logging", cv2)  # the module moved from 4.x to 5
    with _lock:
        if _quiet_blocks == 0:
            _level_before = log.getLogLevel()
            log.setLogLevel(_SILENT)
        _quiet_blocks += 1
    try:
        yield
    finally:
        with _lock:
            _quiet_blocks -= 1
            if _quiet_blocks == 0:
                log.setLogLevel(_level_before)
