"""Whether a source ended before it should have, and why."""

from dataclasses import dataclass
from pathlib import Path

from spotlet.streams.damage import count_damaged_places
from spotlet.streams.source import Source
from spotlet.streams.whole import count_repeats, is_whole

COUNTING_SUFFIXES = frozenset({".avi", ".m4v", ".mov", ".mp4"})
"""Containers that store their number of frames. For others OpenCV estimates it from the duration
of the longest track, which may be the audio."""

ESTIMATE_SLACK_SECONDS = 1.0
ESTIMATE_SLACK_SHARE = 0.05
"""A complete file may end this much before its estimated duration: the smaller of the two."""

MOST_DAMAGED_PACKETS = 512
"""This many in a row that cannot be decoded are the end: 20 s. At the end of a file, where each
costs some 20 microseconds, OpenCV says no more than that."""

END_PACKETS = 8
"""After this many a part of a file is over, if one of another size follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """What was read of a source until it ended, and what it states.

    Attributes:
        source: which it is.
        frames: how many frames were read.
        lost: packets that could not be decoded, before others that could.
        damaged_places: how many times that happened.
        seconds: the time of the last frame, from the first.
        stated_frames: how many the source says it has; None if it does not.
        stated_fps: its rate; None if it states none.
        is_counted: whether `stated_frames` was counted when the file was made.
        may_be_file: whether a URL may be one of a file.
    """

    source: Source
    frames: int
    lost: int
    damaged_places: int
    seconds: float
    stated_frames: int | None
    stated_fps: float | None
    is_counted: bool
    may_be_file: bool


def explain_end(end: End) -> str | None:
    """Returns why an end is too early; None at the end of a complete file."""
    if end.source.kind == "camera":
        return f"the camera delivered no more frames after {end.frames}"
    is_file = end.source.kind == "video"
    if end.stated_frames is None and not is_file:
        hint = " (if it is a file, read it in video mode)" if end.may_be_file else ""
        return f"the stream ended after {end.frames} frames{hint}"
    places = end.damaged_places
    if is_file and not places and not end.is_counted:
        places = count_damaged_places(Path(str(end.source.location)))
    if end.stated_frames is None and not places and _is_whole(end) is False:
        return f"ended after {end.frames} frames; the file is truncated"
    if end.stated_frames is not None and _is_short(end, end.stated_frames):
        cause = "the file is truncated or damaged" if is_file else "the connection was lost"
        return f"ended after {end.frames} of {end.stated_frames} frames; {cause}"
    if is_file and places:
        where = f"{places} place{'s' * (places > 1)}"
        return f"damaged in {where}; {end.frames} frames could be read"
    return None


def _is_short(end: End, stated_frames: int) -> bool:
    """Whether frames are missing at the end, as far as the source says how many it has."""
    if end.frames + end.lost >= stated_frames:
        return False
    if not end.is_counted and (whole := _is_whole(end)) is not None:
        return not whole
    if end.stated_fps is not None:
        frame_seconds, stated_seconds = 1 / end.stated_fps, stated_frames / end.stated_fps
        slack_seconds = min(ESTIMATE_SLACK_SECONDS, ESTIMATE_SLACK_SHARE * stated_seconds)
        if end.is_counted:
            slack_seconds = frame_seconds / 2
        if stated_seconds - (end.seconds + frame_seconds) <= slack_seconds:
            return False
    path = Path(str(end.source.location))
    repeats = count_repeats(path) if end.source.kind == "video" and path.is_file() else 0
    return end.frames + end.lost + repeats < stated_frames


def _is_whole(end: End) -> bool | None:
    """Returns whether a file ends where its container says; None if that is not known."""
    if end.source.kind != "video":
        return None
    return is_whole(Path(str(end.source.location)))
