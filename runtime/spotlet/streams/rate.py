"""The rate at which a video file can be shown, from the times of its packets."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from spotlet.image_files.files import quiet_opencv
from spotlet.streams.opencv import packet_capture

TIMED_PACKETS = 2000
"""So many are read to learn how close frames follow each other: a minute or more."""

CLOSE_QUANTILE = 0.02
"""The share of frames that may follow their predecessor sooner than the rate allows."""

MOST_RAISED_FPS = 120.0
"""The rate of a video is not raised above this for frames of a variable rate."""

_JITTER, _SAME_RATE = 0.25, 0.01  # shares of a frame's duration, and of a rate


@contextmanager
def open_packets(path: Path) -> Iterator[cv2.VideoCapture | None]:
    """Opens a file whose `grab` reads a packet and decodes nothing; None if OpenCV cannot."""
    capture = packet_capture(path)
    try:
        yield capture
    finally:
        if capture is not None:
            capture.release()


def playback_rate(path: Path, fps: float | None) -> float | None:
    """Returns the constant rate at which every frame of a file can be shown at its time.

    That is `fps`, unless the file's rate varies: then how frames usually follow each other, or
    those that follow most closely, if that is much sooner.

    Args:
        path: of the video file.
        fps: its rate as stated; None if it states none.
    """
    with open_packets(path) as capture, quiet_opencv():
        if capture is None:
            return fps
        times: list[float] = []
        while len(times) < TIMED_PACKETS and capture.grab():
            times.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    gaps = np.diff(np.unique(np.round(times, 4)))
    if len(gaps) < 2:
        return fps
    usual = float(np.quantile(gaps, 0.5))
    closest = float(np.quantile(gaps, CLOSE_QUANTILE))
    if closest < (1 - _JITTER) * usual:  # frames come in bursts
        usual = closest
    rate = 1 / float(gaps[np.abs(gaps - usual) <= _JITTER * usual].mean())
    if fps is not None and abs(rate - fps) <= _SAME_RATE * fps:
        return fps
    return min(rate, MOST_RAISED_FPS)
