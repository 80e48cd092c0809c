"""How boxes move: where they may be by now, and what an observation says of that.

The centre and the sides of a box each have a place and a velocity, which wanders as a random walk.
Time is in seconds and any span is one step: a frame that was dropped changes nothing.

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
"""How far a detector's centre x, centre y, width and height are off, over the object's size."""

FIRST_SPEED_SHARE = np.array([10.0, 10.0, 0.5, 0.5])
"""The same four: standard deviation of the speed of what was seen once, in its size a second. A
walking person makes 2, a car 5, a ball 10 and more."""

WANDER_SHARE = np.array([0.7, 0.7, 0.3, 0.3])
"""The same four: how much of that speed may have changed after one second."""


MOST_SPREAD = 18.0
"""The most that `Match.spreads` says: at a frame a second, where an object seen once may be
anywhere by now, the nearest is still the best guess."""


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """Boxes that move.

    Attributes:
        places: (N, 4) centre x, centre y, width, height, pixels.
        speeds: (N, 4) of those, pixels a second.
        place_variances: (N, 4) pixels squared.
        covariances: (N, 4) of place and speed.
        speed_variances: (N, 4).
        at_seconds: (N,) when each was seen last; all the others are as of then.
    """

    places: Array
    speeds: Array
    place_variances: Array
    covariances: Array
    speed_variances: Array
    at_seconds: Array

    def select(self, keep: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> "Motion":
        """Returns those that `keep` names, by mask (N,) or by index."""
        return Motion(*(values[keep] for values in _arrays(self)))

    def joined(self, other: "Motion") -> "Motion":
        """Returns these and then the others."""
        pairs = zip(_arrays(self), _arrays(other), strict=True)
        return Motion(*(np.concatenate(pair) for pair in pairs))


class Match(NamedTuple):
    """How well boxes and observations fit, (N, M) each.

    Attributes:
        distances: squared, in standard deviations of what is expected; chi-square of 4 degrees
            where the two are one object.
        spreads: logarithm of how much wider than a measurement the expectation is, from 0 to
            `MOST_SPREAD`.
    """

    distances: Array
    spreads: Array


def places_of(boxes_xyxy: FloatArray) -> Array:
    """Returns centre x, centre y, width and height (N, 4) of boxes (N, 4)."""
    boxes = boxes_xyxy.astype(np.float64)
    return np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], axis=1)


def begin(places: Array, at_seconds: float) -> Motion:
    """Returns the motion of what was seen once: it may go anywhere.

    Args:
        places: (N, 4), see `Motion.places`.
        at_seconds: when.
    """
    size = _sizes(places)
    return Motion(
        places,
        np.zeros_like(places),
        (MEASURED_SHARE * size) ** 2,
        np.zeros_like(places),
        (FIRST_SPEED_SHARE * size) ** 2,
        np.full(len(places), at_seconds, np.float64),
    )


def predict(motion: Motion, at_seconds: float) -> Motion:
    """Returns where the boxes may be at a later time, and how sure that is.

    The span may be cut anywhere: to predict twice is to predict once.
    """
    span = np.maximum(at_seconds - motion.at_seconds, 0.0)[:, np.newaxis]
    wander = (WANDER_SHARE * _sizes(motion.places)) ** 2
    return Motion(
        motion.places + span * motion.speeds,
        motion.speeds,
        motion.place_variances
        + 2 * span * motion.covariances
        + span**2 * motion.speed_variances
        + span**3 / 3 * wander,
        motion.covariances + span * motion.speed_variances + span**2 / 2 * wander,
        motion.speed_variances + span * wander,
        np.full(len(span), at_seconds, np.float64),
    )


def match(expected: Motion, places: Array) -> Match:
    """Returns how well N boxes, predicted to now, fit M observations (M, 4)."""
    noise = (MEASURED_SHARE * _sizes(expected.places)) ** 2
    spread = expected.place_variances + noise
    missed = places[np.newaxis] - expected.places[:, np.newaxis]
    distances = (missed**2 / spread[:, np.newaxis]).sum(axis=2)
    spreads = np.minimum(np.log(spread / noise).sum(axis=1, keepdims=True), MOST_SPREAD)
    return Match(distances, np.broadcast_to(spreads, distances.shape))


def observe(expected: Motion, places: Array) -> Motion:
    """Returns the motion of N boxes, predicted to now, after each was seen at its place (N, 4)."""
    spread = expected.place_variances + (MEASURED_SHARE * _sizes(expected.places)) ** 2
    place_gain = expected.place_variances / spread
    speed_gain = expected.covariances / spread
    missed = places - expected.places
    return Motion(
        expected.places + place_gain * missed,
        expected.speeds + speed_gain * missed,
        (1 - place_gain) * expected.place_variances,
        (1 - place_gain) * expected.covariances,
        expected.speed_variances - speed_gain * expected.covariances,
        expected.at_seconds,
    )


def _arrays(motion: Motion) -> tuple[Array, ...]:
    return (
        motion.places,
        motion.speeds,
        motion.place_variances,
        motion.covariances,
        motion.speed_variances,
        motion.at_seconds,
    )


def _sizes(places: Array) -> Array:
    """Returns the square root of each box's area (N, 1), 1 pixel at least."""
    sides = np.maximum(places[:, 2:], 1.0)
    sizes: Array = np.sqrt(sides[:, :1] * sides[:, 1:])
    return sizes
