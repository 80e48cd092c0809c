"""Settings of the tracker."""

import math
from dataclasses import dataclass

from spotlet.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingSettings:
    """When two observations are the same object.

    Attributes:
        lost_seconds: an object that was out of sight for longer is new when it returns.
        confirm_seconds: how long an object must be known, and seen at least twice, to get an id;
            and how long one without an id may be out of sight.
        start_score: the least score that starts an object, in [0, 1]. Detections below it only
            continue objects that have an id, and are otherwise dropped.
        most_cost: the most an observation may cost to be the same object: its squared distance
            in standard deviations, plus the logarithm of how many times wider than the detector's
            own error its expected area is. A larger value finds objects again that moved oddly, and
            confuses lost objects with new ones.
        flip_cost: the additional cost of a change of class.
        turn_cost: the additional cost of a turn or a bounce since.
        repeat_iou: a detection starts no object if its IoU with a known or better one of another
            class is over this: a detector may report a van as a car and as a truck.
    """

    lost_seconds: float = 3.0
    confirm_seconds: float = 0.1
    start_score: float = 0.0
    most_cost: float = 22.0
    flip_cost: float = 8.0
    turn_cost: float = 5.0
    repeat_iou: float = 0.8

    def __post_init__(self) -> None:
        """Checks the ranges."""
        for name in ("lost_seconds", "confirm_seconds", "flip_cost", "turn_cost"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise UsageError(f"{name} {value}: must be 0 or more, and finite")
        for name in ("start_score", "repeat_iou"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise UsageError(f"{name} {value}: must be from 0 to 1")
        if not (math.isfinite(self.most_cost) and self.most_cost > 0):
            raise UsageError(f"most_cost {self.most_cost}: must be over 0, and finite")
