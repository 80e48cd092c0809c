"""What a person may set of the tracker."""

import math
from dataclasses import dataclass

from spotlet.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingSettings:
    """What makes an object the same one.

    Attributes:
        lost_seconds: an object that is out of sight for longer is another one when it is back.
        confirm_seconds: how long an object must be known, seen twice at least, to get a number;
            and how long one without a number may be out of sight.
        start_score: the least score that begins an object, in [0, 1]. What is less sure only
            continues one that has its number, and is else left out.
        most_cost: what an observation may cost and still be the same object: its squared distance
            in standard deviations, plus the logarithm of how many times wider than a detector's
            own error the place is where the object may be. More finds again who moved oddly, and
            confuses who is lost with who is new.
        flip_cost: what it costs besides to be taken for another class than before.
        turn_cost: what it costs besides to have turned or bounced since.
    """

    lost_seconds: float = 3.0
    confirm_seconds: float = 0.1
    start_score: float = 0.0
    most_cost: float = 22.0
    flip_cost: float = 8.0
    turn_cost: float = 5.0

    def __post_init__(self) -> None:
        """Checks the ranges."""
        for name in ("lost_seconds", "confirm_seconds", "flip_cost", "turn_cost"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise UsageError(f"{name} {value}: must be 0 or more, and finite")
        if not 0 <= self.start_score <= 1:
            raise UsageError(f"start_score {self.start_score}: must be from 0 to 1")
        if not (math.isfinite(self.most_cost) and self.most_cost > 0):
            raise UsageError(f"most_cost {self.most_cost}: must be over 0, and finite")
