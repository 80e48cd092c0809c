"""How boxes move: where they may be by now, and how an observation corrects that.

The centre and the sides of a box each have a place and a velocity, which drifts as a random walk.
Time is in seconds and any span is one step: a dropped frame changes nothing.

Source:
    Kalman 1960, "A new approach to linear filtering and prediction problems", as four filters of
    two numbers; the noise over a span is that of Bar-Shalom, Li and Kirubarajan 2001, "Estimation
    with applications to tracking and navigation", section 6.2.2 (continuous white noise
    acceleration). All noise is a share of the object's size, as in Wojke 2017, "Simple online and
    realtime tracking with a deep association metric".
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray

Array = npt.NDArray[np.float64]

MEASURED_SHARE = np.array([0.06, 0.06, 0.1, 0.1])
"""Error of a detector's centre x, centre y, width and height, over the object's size."""

FIRST_SPEED_SHARE = np.array([10.0, 10.0, 0.5, 0.5])
"""The same four: standard deviation of the speed of an object seen once, in its size per second. A
walking person has 2, a car 5, a ball 10 and more."""

WANDER_SHARE = np.array([0.7, 0.7, 0.3, 0.3])
"""The same four: how much that speed may change within one second."""

TURN_SHARE = np.array([3.0, 3.0, 0.5, 0.5])
"""The same four: how much it may change at once, if the object turns or bounces."""

CUT_SHARE = 0.1
"""A box nearer than this to the picture's edge, over its size, is cut off by it."""

SHRINK_SHARE = 0.25
"""The least share of its size that such a box loses in a second."""

MOST_SPREAD = 18.0
"""Upper limit of `Match.spreads`: at one frame a second an object seen once may be anywhere by now,
and the nearest observation is still the best guess."""


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """Moving boxes: centre x, centre y, width and height of each.

    Attributes:
        moments: (5, N, 4) places in pixels, speeds in pixels a second, variances of the places,
            covariances of place and speed, variances of the speeds.
        at_seconds: (N,) when each was last seen, which is the time of `moments`.
    """

    moments: Array
    at_seconds: Array

    @property
    def places(self) -> Array:
        """Centres and sides (N, 4), pixels."""
        places: Array = self.moments[0]
        return places

    @property
    def speeds(self) -> Array:
        """How fast those change (N, 4), pixels a second."""
        speeds: Array = self.moments[1]
        return speeds

    def select(self, keep: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> "Motion":
        """Returns the boxes that `keep` selects, by mask (N,) or by index."""
        return Motion(self.moments[:, keep], self.at_seconds[keep])

    def joined(self, other: "Motion") -> "Motion":
        """Returns these boxes followed by the others."""
        return Motion(
            np.concatenate([self.moments, other.moments], axis=1),
            np.concatenate([self.at_seconds, other.at_seconds]),
        )

    def replaced(self, at: npt.NDArray[np.int64], other: "Motion") -> "Motion":
        """Returns these boxes with the others at the indices `at`."""
        moments, at_seconds = self.moments.copy(), self.at_seconds.copy()
        moments[:, at], at_seconds[at] = other.moments, other.at_seconds
        return Motion(moments, at_seconds)


class Match(NamedTuple):
    """How well boxes and observations fit, (N, M) each.

    Attributes:
        distances: squared, in standard deviations of the expectation; chi-square of 4 degrees of
            freedom if the two are one object.
        spreads: logarithm of how much wider the expectation is than a measurement, from 0 to
            `MOST_SPREAD`.
    """

    distances: Array
    spreads: Array


def places_of(boxes_xyxy: FloatArray) -> Array:
    """Returns centre x, centre y, width and height (N, 4) of boxes (N, 4)."""
    boxes = boxes_xyxy.astype(np.float64)
    return np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], axis=1)


def begin(places: Array, at_seconds: float) -> Motion:
    """Returns the motion of boxes seen once, which may go anywhere.

    Args:
        places: (N, 4), see `Motion.places`.
        at_seconds: when they were seen.
    """
    size, none = _sizes(places), np.zeros_like(places)
    moments = np.stack(
        [places, none, (MEASURED_SHARE * size) ** 2, none, (FIRST_SPEED_SHARE * size) ** 2]
    )
    return Motion(moments, np.full(len(places), at_seconds, np.float64))


def predict(motion: Motion, at_seconds: float) -> Motion:
    """Returns where the boxes may be at a later time, with the uncertainty.

    The span may be split anywhere: predicting twice equals predicting once.
    """
    span = np.maximum(at_seconds - motion.at_seconds, 0.0)[:, np.newaxis]
    places, speeds, place_variances, covariances, speed_variances = motion.moments
    wander = (WANDER_SHARE * _sizes(places)) ** 2
    moments = np.stack(
        [
            places + span * speeds,
            speeds,
            place_variances
            + 2 * span * covariances
            + span**2 * speed_variances
            + span**3 / 3 * wander,
            covariances + span * speed_variances + span**2 / 2 * wander,
            speed_variances + span * wander,
        ]
    )
    return Motion(moments, np.full(len(span), at_seconds, np.float64))


def turned(expected: Motion, motion: Motion) -> Motion:
    """Returns where boxes may be if they changed course as soon as they were out of sight.

    Args:
        expected: `motion`, predicted.
        motion: as of when each was last seen.
    """
    span = (expected.at_seconds - motion.at_seconds)[:, np.newaxis]
    turn = (TURN_SHARE * _sizes(motion.places)) ** 2
    moments = expected.moments.copy()
    moments[2:] += np.stack([span**2 * turn, span * turn, turn])
    return Motion(moments, expected.at_seconds)


def leaving(motion: Motion, size_hw: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Returns which boxes (N,) are increasingly cut off by an edge of the picture."""
    centres, sides = motion.places[:, :2], motion.places[:, 2:]
    size = _sizes(motion.places)
    edge = CUT_SHARE * size
    cut = (centres - sides / 2 <= edge) | (centres + sides / 2 >= size_hw[::-1] - edge)
    shrinks = motion.speeds[:, 2:] < -SHRINK_SHARE * size
    gone: npt.NDArray[np.bool_] = np.any(cut & shrinks, axis=1)
    return gone


def match(expected: Motion, places: Array) -> Match:
    """Returns how well N boxes, predicted to now, match M observations (M, 4)."""
    noise = (MEASURED_SHARE * _sizes(expected.places)) ** 2
    spread = expected.moments[2] + noise
    missed = places[np.newaxis] - expected.places[:, np.newaxis]
    distances = (missed**2 / spread[:, np.newaxis]).sum(axis=2)
    spreads = np.minimum(np.log(spread / noise).sum(axis=1, keepdims=True), MOST_SPREAD)
    return Match(distances, np.broadcast_to(spreads, distances.shape))


def observe(expected: Motion, places: Array) -> Motion:
    """Returns the motion of N boxes, predicted to now, corrected by their observations (N, 4)."""
    at, speeds, place_variances, covariances, speed_variances = expected.moments
    spread = place_variances + (MEASURED_SHARE * _sizes(at)) ** 2
    place_gain, speed_gain = place_variances / spread, covariances / spread
    missed = places - at
    moments = np.stack(
        [
            at + place_gain * missed,
            speeds + speed_gain * missed,
            (1 - place_gain) * place_variances,
            (1 - place_gain) * covariances,
            speed_variances - speed_gain * covariances,
        ]
    )
    return Motion(moments, expected.at_seconds)


def _sizes(places: Array) -> Array:
    """Returns the square root of each box's area (N, 1), at least 1 pixel."""
    sides = np.maximum(places[:, 2:], 1.0)
    sizes: Array = np.sqrt(sides[:, :1] * sides[:, 1:])
    return sizes
