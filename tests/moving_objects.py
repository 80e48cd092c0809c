"""Scenes of moving objects with known identities, as a detector would see them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from spotlet.boxes import box_iou
from spotlet.detections import Detections
from spotlet.tracking.assignment import assign

NAMES = ("person", "car", "ball")
SIZE_HW = (720, 1280)
HIDDEN_SHARE = 0.6
"""Of an object covered by another before it, or by a pillar: it is not to be seen."""

SAME_IOU = 0.5
"""From which overlap on an object is where it truly is: of the MOT benchmarks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mover:
    """An object on its way.

    Attributes:
        class_id: index into `NAMES`.
        sides: its width and height, pixels.
        begins, ends: when it is there, seconds.
        start: its centre at first.
        velocity: pixels a second.
        sway: amplitude of a swing about its way, right and down, pixels.
        period, phase: of the swing, seconds and radians.
        bounces: whether its box stays in the picture, off whose sides it bounces.
    """

    class_id: int
    sides: tuple[float, float]
    begins: float
    ends: float
    start: tuple[float, float]
    velocity: tuple[float, float]
    sway: tuple[float, float] = (0.0, 0.0)
    period: float = 1.0
    phase: float = 0.0
    bounces: bool = False

    def centre(self, at: float) -> tuple[float, float]:
        """Where it is."""
        since = at - self.begins
        swing = math.sin(self.phase + 2 * math.pi * since / self.period)
        x, y = self.start[0] + self.velocity[0] * since, self.start[1] + self.velocity[1] * since
        if self.bounces:
            (height, width), (wide, high) = SIZE_HW, self.sides
            return _folded(x, wide / 2, width - wide / 2), _folded(y, high / 2, height - high / 2)
        return x + self.sway[0] * swing, y + self.sway[1] * swing

    def box(self, at: float) -> tuple[float, float, float, float]:
        """Its box, which may reach out of the picture."""
        (x, y), (w, h) = self.centre(at), self.sides
        return x - w / 2, y - h / 2, x + w / 2, y + h / 2


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Moment:
    """A frame of a scene.

    Attributes:
        at: seconds.
        truth_ids: (N,) of who is to be seen.
        truth_boxes: (N, 4).
        truth_classes: (N,).
        found: what the detector gives.
        size_hw: of the frame, pixels.
    """

    at: float
    truth_ids: npt.NDArray[np.int64]
    truth_boxes: npt.NDArray[np.float32]
    truth_classes: npt.NDArray[np.int64]
    found: Detections
    size_hw: tuple[int, int] = SIZE_HW


@dataclass(frozen=True, slots=True, kw_only=True)
class Eyes:
    """What a detector does wrong.

    Attributes:
        noise: standard deviation of each side, over the width or height.
        missed: share of the objects that it does not see.
        invented: boxes a frame that are nothing.
        flipped: share that it takes for another class.
        unsure: share that it sees with a low score (0.15 to 0.35).
    """

    noise: float = 0.03
    missed: float = 0.05
    invented: float = 0.2
    flipped: float = 0.0
    unsure: float = 0.0


def watch(
    movers: Sequence[Mover],
    times: Sequence[float],
    rng: np.random.Generator,
    eyes: Eyes = Eyes(),
    pillars: Sequence[tuple[float, float, float, float]] = (),
) -> list[Moment]:
    """Gives the frames; an earlier mover stands before a later one."""
    return [_moment(movers, at, rng, eyes, pillars) for at in times]


def _moment(
    movers: Sequence[Mover],
    at: float,
    rng: np.random.Generator,
    eyes: Eyes,
    pillars: Sequence[tuple[float, float, float, float]],
) -> Moment:
    height, width = SIZE_HW
    limit = np.array([width, height, width, height], np.float64)
    covers = list(pillars)
    ids, boxes = [], []
    for number, mover in enumerate(movers):
        if not mover.begins <= at <= mover.ends:
            continue
        box = np.array(mover.box(at))
        seen = np.clip(box, 0, limit)
        area = mover.sides[0] * mover.sides[1]
        if _area(seen) < (1 - HIDDEN_SHARE) * area:
            continue
        hidden = max((_overlap(seen, cover) for cover in covers), default=0.0)
        covers.append(tuple(box))
        if hidden < HIDDEN_SHARE * area:
            ids.append(number)
            boxes.append(seen)
    truth = np.array(boxes, np.float64).reshape(-1, 4)
    classes = np.array([movers[number].class_id for number in ids], np.int64)
    return Moment(
        at=at,
        truth_ids=np.array(ids, np.int64),
        truth_boxes=truth.astype(np.float32),
        truth_classes=classes,
        found=_detect(truth, classes, rng, eyes, limit),
    )


def _detect(
    truth: npt.NDArray[np.float64],
    classes: npt.NDArray[np.int64],
    rng: np.random.Generator,
    eyes: Eyes,
    limit: npt.NDArray[np.float64],
) -> Detections:
    sides = np.tile(truth[:, 2:] - truth[:, :2], 2)
    boxes = np.clip(truth + rng.normal(0, 1, truth.shape) * eyes.noise * sides, 0, limit)
    scores = rng.uniform(0.5, 0.95, len(boxes))
    unsure = rng.random(len(boxes)) < eyes.unsure
    scores = np.where(unsure, rng.uniform(0.15, 0.35, len(boxes)), scores)
    flipped = rng.random(len(boxes)) < eyes.flipped
    classes = np.where(flipped, (classes + 1) % len(NAMES), classes)
    seen = rng.random(len(boxes)) >= eyes.missed
    count = rng.poisson(eyes.invented)
    corner = rng.uniform(0, 0.9, (count, 2)) * limit[:2]
    extent = rng.uniform(20, 120, (count, 2))
    nothing = np.clip(np.concatenate([corner, corner + extent], axis=1), 0, limit)
    boxes = np.concatenate([boxes[seen], nothing])
    scores = np.concatenate([scores[seen], rng.uniform(0.3, 0.6, count)])
    classes = np.concatenate([classes[seen], rng.integers(0, len(NAMES), count)])
    order = np.argsort(-scores)
    return Detections(
        boxes[order].astype(np.float32), scores[order].astype(np.float32), classes[order], NAMES
    )


def _folded(value: float, least: float, most: float) -> float:
    """Where something is that goes to and fro between two walls."""
    way = (value - least) % (2 * (most - least))
    return least + min(way, 2 * (most - least) - way)


def _area(box: Sequence[float] | npt.NDArray[np.float64]) -> float:
    return float(max(box[2] - box[0], 0) * max(box[3] - box[1], 0))


def _overlap(
    box: npt.NDArray[np.float64], cover: Sequence[float] | npt.NDArray[np.float64]
) -> float:
    top_left = np.maximum(box[:2], cover[:2])
    bottom_right = np.minimum(box[2:], cover[2:])
    return _area(np.concatenate([top_left, bottom_right]))


Follow = Callable[[Detections, float, int, tuple[int, int]], Detections]
"""Takes what was found, the time, the epoch and the frame's size, gives it with numbers."""


def idf1(moments: Sequence[Moment], follow: Follow) -> float:
    """The share of objects that were given the one number that is theirs.

    Source:
        Ristani 2016, "Performance measures and a data set for multi-target, multi-camera
        tracking", equations 8 to 10.
    """
    truth_count = tracked_count = 0
    together: dict[tuple[int, int], int] = {}
    for moment in moments:
        tracked = follow(moment.found, moment.at, 0, moment.size_hw)
        assert tracked.track_ids is not None
        tracked = tracked.select(tracked.track_ids > 0)
        assert tracked.track_ids is not None
        truth_count += len(moment.truth_ids)
        tracked_count += len(tracked)
        same = box_iou(moment.truth_boxes, tracked.boxes_xyxy) >= SAME_IOU
        for row, column in np.argwhere(same).tolist():
            pair = int(moment.truth_ids[row]), int(tracked.track_ids[column])
            together[pair] = together.get(pair, 0) + 1
    rows = sorted({truth for truth, _ in together})
    columns = sorted({track for _, track in together})
    frames = np.zeros((len(rows), len(columns)))
    for (truth, track), count in together.items():
        frames[rows.index(truth), columns.index(track)] = count
    chosen = assign(frames)
    return float(2 * frames[chosen].sum() / max(truth_count + tracked_count, 1))


def half_of(moments: Sequence[Moment], rng: np.random.Generator) -> list[Moment]:
    """The moments without a random half of them."""
    kept = np.sort(rng.permutation(len(moments))[: len(moments) // 2])
    return [moments[index] for index in kept]


def frame_times(seconds: float, fps: float) -> list[float]:
    """When the frames of a source are taken."""
    return [number / fps for number in range(round(seconds * fps))]


PILLAR = (570.0, 0.0, 710.0, 720.0)


def pacing(rng: np.random.Generator, seconds: float = 20.0) -> list[Mover]:
    """People who walk to and fro on three ways, and pass each other again and again."""
    movers = []
    for way in (250, 400, 560):
        period, phase = rng.uniform(13, 20), rng.uniform(0, 6.28)
        for number in range(3):
            tall = rng.uniform(120, 170)
            movers.append(
                Mover(
                    class_id=0,
                    sides=(0.4 * tall, tall),
                    begins=0,
                    ends=seconds,
                    start=(640 + rng.uniform(-60, 60), way + rng.uniform(-25, 25)),
                    velocity=(0, 0),
                    sway=(rng.uniform(350, 520), rng.uniform(-10, 10)),
                    period=period,
                    phase=phase + 2.09 * number + rng.uniform(-0.3, 0.3),
                )
            )
    return movers


def hidden(rng: np.random.Generator, seconds: float = 20.0) -> list[Mover]:
    """People who walk to and fro behind `PILLAR`, each time hidden for a second."""
    movers = []
    for number in range(5):
        tall = rng.uniform(110, 150)
        wide = 0.4 * tall
        # Hidden while so much of the width is behind the pillar, which is wider than that.
        way = (PILLAR[2] - PILLAR[0]) + wide * (1 - 2 * HIDDEN_SHARE)
        reach = rng.uniform(350, 500)
        movers.append(
            Mover(
                class_id=0,
                sides=(wide, tall),
                begins=0,
                ends=seconds,
                start=(640, 90 + 135 * number),
                velocity=(0, 0),
                sway=(reach, rng.uniform(-8, 8)),
                period=2 * math.pi * reach / way,
                phase=rng.uniform(0, 6.28),
            )
        )
    return movers


def walking(rng: np.random.Generator, seconds: float = 20.0) -> list[Mover]:
    """People who come in, meet, pass each other on three ways, and leave."""
    movers = []
    for way in (250, 400, 560):
        for sign in (1, -1):
            begins = rng.uniform(0, 1.5)
            while begins < seconds - 4:
                speed = rng.uniform(110, 190)
                tall = rng.uniform(120, 170)
                movers.append(
                    Mover(
                        class_id=0,
                        sides=(0.4 * tall, tall),
                        begins=begins,
                        ends=min(begins + 1340 / speed, seconds),
                        start=(640 - sign * 670, way + rng.uniform(-25, 25)),
                        velocity=(sign * speed, rng.uniform(-4, 4)),
                        sway=(0, rng.uniform(0, 6)),
                        period=rng.uniform(1, 3),
                        phase=rng.uniform(0, 6),
                    )
                )
                begins += rng.uniform(3.0, 5.0)
    return movers


def traffic(rng: np.random.Generator, seconds: float = 20.0) -> list[Mover]:
    """Cars, people and balls at once."""
    movers = walking(rng, seconds)[::2]
    for lane in (120, 660):
        begins = rng.uniform(0, 1)
        while begins < seconds - 3:
            speed = rng.uniform(250, 450)
            movers.append(
                Mover(
                    class_id=1,
                    sides=(180, 80),
                    begins=begins,
                    ends=min(begins + 1500 / speed, seconds),
                    start=(-100, lane + rng.uniform(-8, 8)),
                    velocity=(speed, 0),
                )
            )
            begins += rng.uniform(1.6, 3)
    return movers + fast(rng, seconds)


def fast(rng: np.random.Generator, seconds: float = 20.0) -> list[Mover]:
    """Small balls that fly 10 to 20 times their size a second."""
    movers = []
    begins = 0.3
    while begins < seconds - 3:
        speed, sign = rng.uniform(300, 500), rng.choice([-1, 1])
        side = rng.uniform(24, 34)
        movers.append(
            Mover(
                class_id=2,
                sides=(side, side),
                begins=begins,
                ends=begins + 1280 / speed,
                start=(640 - sign * 640, rng.uniform(150, 550)),
                velocity=(sign * speed, rng.uniform(-30, 30)),
                sway=(0, rng.uniform(0, 15)),
                period=2.0,
            )
        )
        begins += rng.uniform(0.8, 1.6)
    return movers


def bouncing(rng: np.random.Generator, seconds: float = 20.0) -> list[Mover]:
    """Things that cross each other anywhere, and turn at once where the picture ends."""
    movers = []
    for _ in range(8):
        speed, way = rng.uniform(100, 300), rng.uniform(0, 6.28)
        side = rng.uniform(60, 110)
        movers.append(
            Mover(
                class_id=2,
                sides=(side, side * rng.uniform(1, 1.6)),
                begins=0,
                ends=seconds,
                start=(rng.uniform(100, 1180), rng.uniform(100, 620)),
                velocity=(speed * math.cos(way), speed * math.sin(way)),
                bounces=True,
            )
        )
    return movers


def at_speed(movers: Sequence[Mover], factor: float) -> list[Mover]:
    """The same scene, played so many times as fast."""
    return [
        replace(
            each,
            begins=each.begins / factor,
            ends=each.ends / factor,
            velocity=(each.velocity[0] * factor, each.velocity[1] * factor),
            period=each.period / factor,
        )
        for each in movers
    ]


def middle_is_free(movers: Sequence[Mover], seconds: float) -> bool:
    """Whether nobody is near the middle as the scene begins and ends.

    There an object has no number yet, or is on its way over.
    """
    edges = [*np.arange(0, 1.2, 0.1), *np.arange(seconds - 0.5, seconds, 0.1)]
    return not any(
        mover.begins <= at <= mover.ends and abs(mover.centre(float(at))[0] - SIZE_HW[1] / 2) < 60
        for mover in movers
        for at in edges
    )


SCENES: tuple[Callable[[np.random.Generator], list[Mover]], ...] = (
    pacing,
    hidden,
    walking,
    traffic,
    fast,
    bouncing,
)
"""What the benchmarks measure."""


def play(
    scene: Callable[[np.random.Generator], list[Mover]], fps: float, rng: np.random.Generator
) -> list[Moment]:
    """Gives the frames of 20 s of one of `SCENES`, with what hides people in it."""
    pillars = [PILLAR] if scene is hidden else []
    return watch(scene(rng), frame_times(20.0, fps), rng, pillars=pillars)
