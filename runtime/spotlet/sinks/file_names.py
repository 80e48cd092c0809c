"""File names made from the names of sources and classes."""

import re
from collections.abc import Sequence
from pathlib import Path

from spotlet.text.credentials import without_credentials

LONGEST_NAME_BYTES = 80
"""Two of these, a time stamp and a temporary affix fit into the 255 bytes of file systems."""

_SCHEME = re.compile(r"^\w[\w+.-]*://")


def safe_name(text: str) -> str:
    """Returns a name that is valid in any file system.

    Only letters, digits, `.` and `_` remain, so `-` can separate the parts of a longer name.

    Example:
        >>> safe_name("half/empty bottle")
        'half_empty_bottle'
    """
    encoded = re.sub(r"[^\w.]+", "_", text).encode()[:LONGEST_NAME_BYTES]
    return encoded.decode(errors="ignore").strip("._") or "unnamed"


def source_name(source: str) -> str:
    """Returns a safe name for a source, without credentials.

    A URL keeps its host, path and query; a path keeps its last part, without the suffix.

    Example:
        >>> source_name("rtsp://admin:secret@10.0.0.7:554/door-1?channel=2")
        '10.0.0.7_554_door_1_channel_2'
        >>> source_name("videos/clip.mp4")
        'clip'
    """
    text = without_credentials(source)
    return safe_name(_SCHEME.sub("", text) if "://" in text else Path(text).stem)


def unique_names(sources: Sequence[str]) -> list[str]:
    """Returns a safe name for each source, all different even if case is ignored.

    Example:
        >>> unique_names(["camera 0", "a/clip.mp4", "b/Clip.mp4"])
        ['camera_0', 'clip', 'Clip_2']
    """
    names: dict[str, str] = {}  # by their lower case
    for source in sources:
        wanted = unique = source_name(source)
        number = 1
        while unique.casefold() in names:
            number += 1
            unique = f"{wanted}_{number}"
        names[unique.casefold()] = unique
    return list(names.values())
