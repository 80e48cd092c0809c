"""The motion of garments in a clip: tracks that enter, turn, grow, shrink and leave."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spotlet_training.scenes.cutout import Pose
from spotlet_training.scenes.paint import Dye, random_dye

SIDES = (64.0, 170.0)
"""Longer side of a garment, pixels of the clip; chosen log-uniformly."""

SPEEDS = (45.0, 190.0)
"""Pixels a second."""

MOST_ANGLE = 10.0
"""Greatest mean angle of a garment from upright, degrees, either way."""

MOST_SWAY = 10.0
"""Degrees by which it sways; with the angle at most the 20 degrees of training scenes."""

SWAY_RATE = 1.3
"""Radians a second."""

SWELL = 0.07
"""Greatest share by which a garment grows and shrinks."""

LEAST_DISTANCE = 0.72
"""Between the middles of two garments, as a share of the sum of half their longer sides:
below 1 they overlap; at this distance half of the one behind is still visible."""

TRIES = 60
SHADOW = 0.4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Track:
    """One garment's motion through a shot.

    Attributes:
        object_index: of the garment.
        class_id: of the garment.
        dye: its colours.
        side: its longer side, pixels.
        middle_seconds: when it is at `middle_xy`, from the shot's start.
        middle_xy: a place inside the frame, pixels.
        velocity_xy: pixels a second.
        angle_degrees: at `middle_seconds`, clockwise.
        sway: degrees by which it turns to and fro.
        swell: share by which its size swings.
        mirrored: left and right exchanged.
    """

    object_index: int
    class_id: int
    dye: Dye
    side: float
    middle_seconds: float
    middle_xy: tuple[float, float]
    velocity_xy: tuple[float, float]
    angle_degrees: float
    sway: float
    swell: float
    mirrored: bool

    def pose(self, seconds: float, long_side: float) -> Pose:
        """Returns where the garment is.

        Args:
            seconds: from the shot's start.
            long_side: of its cutout, source pixels.
        """
        since = seconds - self.middle_seconds
        x, y = self.position(since)
        return Pose(
            center_xy=(float(x), float(y)),
            scale=self.side * (1 + self.swell * float(np.sin(1.7 * since))) / long_side,
            angle_degrees=self.angle_degrees + self.sway * float(np.sin(SWAY_RATE * since)),
            mirrored=self.mirrored,
        )

    def position(self, since: float) -> tuple[float, float]:
        """Returns its middle, pixels, `since` seconds after it is at `middle_xy`."""
        return (
            self.middle_xy[0] + self.velocity_xy[0] * since,
            self.middle_xy[1] + self.velocity_xy[1] * since,
        )


def plan_tracks(
    rng: np.random.Generator,
    objects: Sequence[tuple[int, int]],
    size_hw: tuple[int, int],
    seconds: float,
) -> list[Track]:
    """Returns a track for each object, the later ones in front.

    A track that hides another garment is drawn again, with the same garment.

    Args:
        rng: the source of chance.
        objects: index and class of each garment.
        size_hw: of the frame, pixels.
        seconds: length of the shot.
    """
    tracks: list[Track] = []
    times = np.linspace(0, seconds, 12)
    for object_index, class_id in objects:
        dye = random_dye(rng, SHADOW)
        drawn = [_draw(rng, object_index, class_id, dye, size_hw, seconds) for _ in range(TRIES)]
        rooms = [_room(track, tracks, times) for track in drawn]
        wide_enough = (n for n, room in enumerate(rooms) if room >= LEAST_DISTANCE)
        tracks.append(drawn[next(wide_enough, int(np.argmax(rooms)))])
    return tracks


def _draw(
    rng: np.random.Generator,
    object_index: int,
    class_id: int,
    dye: Dye,
    size_hw: tuple[int, int],
    seconds: float,
) -> Track:
    """Returns a random track, more along the frame than across it."""
    height, width = size_hw
    heading = rng.normal(0, 0.6) + (np.pi if rng.random() < 0.5 else 0.0)
    speed = rng.uniform(*SPEEDS)
    return Track(
        object_index=object_index,
        class_id=class_id,
        dye=dye,
        side=float(np.exp(rng.uniform(*np.log(SIDES)))),
        middle_seconds=float(rng.uniform(-0.1, 1.1) * seconds),
        middle_xy=(float(rng.uniform(0.08, 0.92) * width), float(rng.uniform(0.1, 0.9) * height)),
        velocity_xy=(float(np.cos(heading) * speed), float(np.sin(heading) * speed)),
        angle_degrees=float(rng.uniform(-1, 1) * MOST_ANGLE),
        sway=float(rng.uniform(-1, 1) * MOST_SWAY),
        swell=float(rng.uniform(0, SWELL)),
        mirrored=bool(rng.random() < 0.5),
    )


def _room(track: Track, others: Sequence[Track], times: np.ndarray) -> float:
    """Returns the least distance to another track, in the unit of `LEAST_DISTANCE`."""
    least = np.inf
    for other in others:
        for time in times.tolist():
            here = track.position(time - track.middle_seconds)
            there = other.position(time - other.middle_seconds)
            distance = np.hypot(here[0] - there[0], here[1] - there[1])
            least = min(least, float(distance) / ((track.side + other.side) / 2))
    return float(least)
