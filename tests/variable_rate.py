"""Videos of a variable rate, numbered, for tests of what reads and writes them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from live_frames import SIZE_HW, numbered_image

from spotlet.sinks.recording.encoder import PictureEncoder, even_size_hw
from spotlet.sinks.recording.mp4 import PICTURE_TICKS, file_fragment, file_header

TICKS_PER_SECOND = 90_000


def write_at_times(path: Path, times: Sequence[float]) -> Path:
    """Writes numbered pictures, each a fragment that begins at its time, in seconds."""
    encoder = PictureEncoder(path.with_name("scratch.mp4"), 25, SIZE_HW)
    for number in range(len(times)):
        encoder.write(numbered_image(number))
    encoded = encoder.take()
    ticks = np.round(np.asarray(times) * TICKS_PER_SECOND).astype(int)
    durations = [*np.diff(ticks), PICTURE_TICKS]
    content = file_header(encoded.description, even_size_hw(SIZE_HW), TICKS_PER_SECOND, 0)
    for index, picture in enumerate(encoded.pictures):
        key: set[int] = {0} if index in encoded.keys else set()
        fragment = file_fragment(index + 1, 0, [picture], key)
        content += _at(fragment, int(ticks[index]), int(durations[index]))
    path.write_bytes(content)
    return path


def _at(fragment: bytes, start: int, duration: int) -> bytes:
    """Returns the fragment with another time and duration of its one picture."""
    default = b"tfhd" + bytes([0, 2, 0, 8]) + (1).to_bytes(4, "big")
    assert fragment.count(default) == 1
    place = fragment.index(default) + len(default)
    fragment = fragment[:place] + duration.to_bytes(4, "big") + fragment[place + 4 :]
    place = fragment.index(b"tfdt") + 8
    return fragment[:place] + start.to_bytes(8, "big") + fragment[place + 8 :]
