"""OpenCV's own log, kept from standard error."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # before any thread starts

_SILENT = 0  # a log level of OpenCV; 4.x does not name it in Python

_lock = threading.Lock()
_quiet_blocks = 0
_level_before = 0


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Inside the block, keeps OpenCV and its FFmpeg off standard error, in all threads.

    What they write there is reported in Spotlet's own words. FFmpeg reads its variable once per
    process, at the first video; a value set by the user is kept.
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
