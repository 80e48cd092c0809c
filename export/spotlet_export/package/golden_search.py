"""Searches golden frames in which a model finds something.

Equal tensors prove that a device computes the same; equal detections are proven only by frames that
hold some. So drawings are searched until the model fires on one; where it fires on none, small cuts
of the user's images around what it found may take their place.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from spotlet.check.tolerances import GoldenTolerance
from spotlet.detections import Detections
from spotlet.detector import Detector
from spotlet.letterbox import PAD_VALUE, ImageArray
from spotlet_export.gate.frames import Load
from spotlet_export.package.figures import draw_figure
from spotlet_export.package.golden_frames import SIZES_HW, draw_frame, golden_frames

WELL_OVER = 0.1
"""How far over the score threshold a detection is that other machines find as well."""

ENOUGH = 2
"""Frames with detections that are added."""

MOST_PATTERNS, MOST_FIGURES = 24, 54
"""Drawings that are tried: other discs and bars, and six figures of each kind."""

MOST_IMAGES = 24
"""The user's images that are searched, evenly spread."""

MOST_OBJECTS = 3
"""Detections of an image around which it is cut, best first."""

CONTEXTS = (0.5, 1.0, 2.0)
"""What a cut shows on each side of the box, in parts of its longer side; least first."""

LONGEST_CUT = 320
"""Pixels of a cut's longer side."""

LONGEST_FRAME = 640
"""Pixels of the longer side of a grey frame with a cut in its place."""

ON_DRAWINGS, ON_CUTS, ON_DATA = "generated", "cuts", "data"
"""Where the frames are from: drawings only, drawings and cuts of the user's images, the images."""

NOTHING_PROVEN = (
    "the model finds nothing in them, so `spotlet check` compares tensors only and says WARN"
)

File = tuple[Path, GoldenTolerance]
"""A model file of the package, and what `spotlet check` allows."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GoldenFrames:
    """The golden frames of a package.

    Attributes:
        frames: (H, W, 3) uint8 BGR each, by name.
        source: `ON_DRAWINGS`, `ON_CUTS` or `ON_DATA`.
        detections: that every file must find in them; 0 proves nothing about detections.
    """

    frames: dict[str, ImageArray]
    source: str
    detections: int

    @property
    def remark(self) -> str:
        """What they are, and which option forbids it or helps, in one line."""
        what = {
            ON_DRAWINGS: "drawn",
            ON_CUTS: "drawn, and small cuts of your images around what was found in them, because "
            "no drawing has an object (--golden generated leaves them out)",
            ON_DATA: "from your images",
        }[self.source]
        if not self.detections:
            return f"golden frames: {len(self.frames)}, {what}; {NOTHING_PROVEN}"
        return f"golden frames: {len(self.frames)}, {what}; detections in them: {self.detections}"


class Jury:
    """The model files of a package, which must all find something in a frame."""

    def __init__(self, files: Sequence[File]) -> None:
        """Opens the files, at least one."""
        self._members = [(Detector(path), tolerance.scores) for path, tolerance in files]
        self.threshold = self._members[0][0].rule.score_threshold
        self.least = 2 * max(slack for _, slack in self._members)
        self.well = max(self.least, min(WELL_OVER, (1 - self.threshold) / 2))

    def find(self, frame: ImageArray) -> Detections:
        """Returns what the first file finds."""
        return self._members[0][0](frame)

    def margin(self, frame: ImageArray) -> float:
        """Returns how far the best score is over the threshold, in the file where it is least."""
        least = np.inf
        for detector, _ in self._members:
            least = min(least, detector(frame).scores.max(initial=0.0) - self.threshold)
            if least < self.least:
                break
        return float(least)

    def count(self, frames: Sequence[ImageArray]) -> int:
        """Returns how many detections a check compares, in the file where they are fewest."""
        return min(
            sum(int((detector(frame).scores >= self.threshold + slack).sum()) for frame in frames)
            for detector, slack in self._members
        )


def choose_golden_frames(
    source: str | None,
    load: Load,
    count: int,
    files: Sequence[File],
    on_step: Callable[[str], None] = lambda _: None,
) -> GoldenFrames:
    """Returns golden frames, with detections well over the threshold if any can be found.

    Args:
        source: one of `golden_frames.SOURCES`; None: drawings, and where the model finds nothing
            in them, cuts of the images.
        load: an image of the user's.
        count: of the images, at least 1 unless `source` is `generated`.
        files: of the package, at least one.
        on_step: called with the step that starts.
    """
    frames = golden_frames(source or ON_DRAWINGS, load, count)
    made = ON_DATA if source == ON_DATA else ON_DRAWINGS
    jury = Jury(files)
    if not any(jury.margin(frame) >= jury.well for frame in frames.values()):
        added: dict[str, ImageArray] = {}
        if source != ON_DATA:
            on_step("searching a drawing that the model finds something in")
            added = _best(jury, _drawings())
        if not added and source != ON_DRAWINGS:
            on_step("cutting golden frames from your images")
            added = _best(jury, _cuts(jury, load, count))
            made = ON_CUTS if added and source is None else made
        frames |= added
    return GoldenFrames(frames=frames, source=made, detections=jury.count([*frames.values()]))


def _best(jury: Jury, candidates: Iterator[tuple[str, ImageArray]]) -> dict[str, ImageArray]:
    """Returns the first frames with detections well over the threshold, else the best with any."""
    found: dict[str, ImageArray] = {}
    best, least = {}, jury.least
    for name, frame in candidates:
        margin = jury.margin(frame)
        if margin >= jury.well:
            found[name] = frame
            if len(found) == ENOUGH:
                break
        elif margin >= least:
            best, least = {name: frame}, margin
    return found or best


def _drawings() -> Iterator[tuple[str, ImageArray]]:
    for seed in range(len(SIZES_HW), len(SIZES_HW) + MOST_PATTERNS):
        height, width = SIZES_HW[seed % len(SIZES_HW)]
        yield f"drawn-{width}x{height}-{seed}", draw_frame(height, width, seed)
    for number in range(MOST_FIGURES):
        kind, frame = draw_figure(number)
        yield f"drawn-{kind}-{number}", frame


def _cuts(jury: Jury, load: Load, count: int) -> Iterator[tuple[str, ImageArray]]:
    """Yields cuts of images around what is found in them; at most one of an image works."""
    images = min(count, MOST_IMAGES)
    for number in range(images):
        image = load(number * count // images)
        found = jury.find(image)
        sure = found.select(found.scores >= jury.threshold + jury.least)
        boxes = sure.boxes_xyxy[np.argsort(-sure.scores, kind="stable")[:MOST_OBJECTS]]
        for box, context in ((box, context) for context in CONTEXTS for box in boxes):
            fitting = next(
                (each for each in _cut(image, box, context) if jury.margin(each) >= jury.least),
                None,
            )
            if fitting is not None:
                yield f"cut-{number}", fitting
                break


def _cut(
    image: ImageArray, box: np.ndarray[tuple[int, ...], np.dtype[np.float32]], context: float
) -> Iterator[ImageArray]:
    """Yields an image's part around a box, alone, and in its place on a grey frame.

    Alone, the object is larger on the canvas than it was; in its place it is not.
    """
    height, width = image.shape[:2]
    margin = context * max(box[2] - box[0], box[3] - box[1])
    left, top = (max(int(side - margin), 0) for side in box[:2])
    right = min(int(np.ceil(box[2] + margin)), width)
    bottom = min(int(np.ceil(box[3] + margin)), height)
    part = image[top:bottom, left:right]
    yield _shrunk(part, LONGEST_CUT)
    masked = np.full_like(image, PAD_VALUE)
    masked[top:bottom, left:right] = part
    yield _shrunk(masked, LONGEST_FRAME)


def _shrunk(image: ImageArray, longest: int) -> ImageArray:
    """Returns an image whose longer side has at most so many pixels."""
    height, width = image.shape[:2]
    scale = min(1.0, longest / max(height, width))
    if scale == 1:
        return np.ascontiguousarray(image)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
