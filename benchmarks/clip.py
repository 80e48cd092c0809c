"""A 720p clip for benchmarks: the bundled demo's, enlarged, of any length."""

from importlib import resources
from itertools import cycle, islice
from pathlib import Path

import cv2
import numpy as np

from spotlet import open_stream
from spotlet.letterbox import ImageArray

FRAME_HW = (720, 1280)
"""Height and width of the clip, pixels."""

FPS = 30.0


def demo_frames(count: int) -> list[ImageArray]:
    """Returns the demo's first frames, (720, 1280, 3) uint8 BGR each, repeated if too few."""
    folder = Path(str(resources.files("spotlet_models"))) / "demo"
    height, width = FRAME_HW
    with open_stream(folder / "clip.mp4") as stream:
        frames = [
            np.asarray(cv2.resize(frame.image, (width, height)), np.uint8)
            for frame in islice(stream, count)
        ]
    return list(islice(cycle(frames), count))


def write_clip(path: Path, count: int) -> Path:
    """Writes a clip of `count` frames in MPEG-4, which every OpenCV encodes; returns its path."""
    distinct = demo_frames(min(count, 100))
    height, width = FRAME_HW
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (width, height))
    for frame in islice(cycle(distinct), count):
        writer.write(frame)
    writer.release()
    return path
