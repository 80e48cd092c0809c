"""Settings of what counts as still."""

import math
import numbers
from dataclasses import dataclass

from spotlet.errors import SettingError

LEAST_SENSITIVITY, MOST_SENSITIVITY = 0.1, 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StillSettings:
    """When a frame need not be inferred.

    Attributes:
        sensitivity: from 0.1 to 10; at 2, changes half as strong count as motion.
        still_seconds: the longest time without inference, over 0, on the source's clock.

    Raises:
        UsageError: a value breaks its rule.
    """

    sensitivity: float = 1.0
    still_seconds: float = 10.0

    def __post_init__(self) -> None:
        rule = f"from {LEAST_SENSITIVITY:g} to {MOST_SENSITIVITY:g}"
        if not (
            _is_number(self.sensitivity)
            and LEAST_SENSITIVITY <= self.sensitivity <= MOST_SENSITIVITY
        ):
            raise SettingError(f"`sensitivity` {self.sensitivity!r}: must be {rule}")
        if not (_is_number(self.still_seconds) and 0 < self.still_seconds < math.inf):
            raise SettingError(
                f"`still_seconds` {self.still_seconds!r}: must be over 0, and finite"
            )


def _is_number(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
