"""The settings of collecting."""

import math
from dataclasses import dataclass
from pathlib import Path

from spotlet.errors import SettingError

PER_HOUR = 60.0

MOST_FRAMES = 1000
"""What a person corrects in a day or two."""

MOST_MEGABYTES = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectSettings:
    """Where frames are kept, and how many.

    Attributes:
        folder: of the set; one that was collected earlier is continued.
        per_hour: the most frames kept an hour, over 0. Images have no time, so it does not
            apply to them.
        frames: the most frames in the folder, from 1; earlier runs count.
        megabytes: the most the folder may hold, in MB of 1,000,000 bytes, over 0.
        random_share: share of the time, in [0, 1], in which the frame to keep is drawn at random,
            whatever was found in it.

    Raises:
        UsageError: a value breaks its rule.
    """

    folder: str | Path
    per_hour: float = PER_HOUR
    frames: int = MOST_FRAMES
    megabytes: float = MOST_MEGABYTES
    random_share: float = 0.2

    def __post_init__(self) -> None:
        if not str(self.folder).strip():
            raise SettingError("`collect`: the folder must not be empty; give a path")
        for name in ("per_hour", "megabytes"):
            number = getattr(self, name)
            if not (_is_number(number) and 0 < number < math.inf):
                raise SettingError(f"`{name}` {number!r}: must be over 0, and finite")
        if type(self.frames) is not int or self.frames < 1:
            raise SettingError(f"`frames` {self.frames!r}: must be a whole number from 1")
        if not (_is_number(self.random_share) and 0 <= self.random_share <= 1):
            raise SettingError(f"`random_share` {self.random_share!r}: must be from 0 to 1")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
