"""Replays a package's golden frames: does this machine compute what the export's did?

Two questions, two verdicts: whether OpenCV resizes a frame to the same canvas, and whether the
network gives the same for it.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from spotlet.check.agreement import PARTNER_IOU, Agreement, agree, doubles, match, seen_among
from spotlet.check.golden import GoldenTolerance, read_golden, read_golden_frame
from spotlet.check.observation import Observation, observe, pixels_sha256
from spotlet.check.resizes import exported_canvas
from spotlet.detections import Detections
from spotlet.detector import Detector
from spotlet.errors import UsageError
from spotlet.letterbox import ImageArray
from spotlet.model.package import cells_file
from spotlet.postprocess import detections_from_outputs

INFINITE = float("inf")

DIGEST_SLACK = 1e-3
"""Grey levels that a digest's rounding to seven digits may add."""

UNKNOWN_CANVAS = GoldenTolerance(0.15, 0.1, 0.5)
"""Of a network whose input at the export cannot be made here: a grey level moved the tensors of the
bundled models by up to 0.054."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CanvasEffect:
    """What a canvas other than the export's does to a frame's detections.

    Attributes:
        paired: detections that are there with either canvas.
        pixels: the most that a side of one of their boxes moves, pixels of the frame.
        scores: the most that one of their scores changes.
        unmatched: detections that are there with one canvas only.
    """

    paired: int
    pixels: float
    scores: float
    unmatched: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenResult:
    """How far this machine is from the export's, on one frame.

    Attributes:
        name: of the frame.
        allowed: what it may differ by.
        faults: what is wrong with the network and by how much, in words; empty where nothing is.
        canvas: greatest |Δ| of the letterboxed canvas, grey levels. Where it is not 0, the network
            is judged on the export's, made without OpenCV.
        effect: what this machine's canvas does to the detections; None where it is the export's.
        judged: whether the network was held to the export's canvas, which some interpolations
            leave unknown.
        tensors: greatest |Δ| of boxes, in [0, 1] of the canvas, and scores; NaN where the model
            gave any. All of these are infinite where the picture is not the export's.
        scores: greatest |Δ| of a detection's score from its partner's.
        iou: least overlap of a detection with its partner.
        unmatched: detections, on either side, without a partner.
    """

    name: str
    allowed: GoldenTolerance
    faults: tuple[str, ...]
    canvas: float = INFINITE
    effect: CanvasEffect | None = None
    judged: bool = True
    tensors: float = INFINITE
    scores: float = INFINITE
    iou: float = 0.0
    unmatched: int = 0

    @property
    def levels(self) -> int:
        """The canvas's difference in whole grey levels: a mean that moved is a pixel that did."""
        return 0 if self.canvas == 0 else max(round(self.canvas), 1)

    @property
    def resized(self) -> bool:
        """Whether there is a canvas to compare, of the export's size."""
        return self.canvas != INFINITE

    @property
    def resized_differently(self) -> bool:
        """Whether the canvas is further from the export's than is allowed."""
        return self.resized and not self.canvas <= self.allowed.canvas + DIGEST_SLACK

    @property
    def passed(self) -> bool:
        """Whether it keeps every tolerance."""
        return not self.faults and not self.resized_differently


def replay_golden(
    detector: Detector, folder: Path, loosened: GoldenTolerance | None = None
) -> tuple[GoldenResult, ...]:
    """Returns how far this machine is from the export's, for each golden frame.

    Args:
        detector: of a file of the package, with the model's own rule.
        folder: the package's golden frames.
        loosened: what it may differ by at least, whatever the export recorded.

    Raises:
        ModelFileError: the folder is not whole, or has nothing of this model file.
        UsageError: the detector has thresholds of its own.
    """
    if detector.rule != detector.manifest.detection:
        raise UsageError(f"{folder}: was recorded with the model's own thresholds; give none")
    file_name = detector.session.path.name
    tolerance, recorded = read_golden(folder, file_name, detector.class_names)
    tolerance = tolerance if loosened is None else tolerance.loosened(loosened)
    results = []
    for name, wanted in recorded.items():
        frame = read_golden_frame(folder, name)
        fault = _picture_fault(frame, wanted)
        if fault is None:
            results.append(compare(name, wanted, detector, frame, tolerance))
        else:
            results.append(GoldenResult(name=name, allowed=tolerance, faults=(fault,)))
    return tuple(results)


def _picture_fault(frame: ImageArray, wanted: Observation) -> str | None:
    if frame.shape[:2] != wanted.size_hw:
        return f"the picture is {_size(frame.shape[:2])}, the export's was {_size(wanted.size_hw)}"
    if pixels_sha256(frame) != wanted.pixels:
        return "the picture is not the export's, or this OpenCV decodes it differently"
    return None


def compare(
    name: str,
    wanted: Observation,
    detector: Detector,
    frame: ImageArray,
    allowed: GoldenTolerance,
) -> GoldenResult:
    """Returns how far a detector is from what was observed on a frame.

    Args:
        name: of the frame.
        wanted: what another detector of the model, or this one elsewhere, gave for the frame.
        detector: of the model.
        frame: (H, W, 3) uint8 BGR.
        allowed: what it may differ by.
    """
    here = found = observe(detector, frame)
    canvas = wanted.canvas.difference(here.canvas)
    if canvas == INFINITE:
        fault = "canvas size differs: not the same model"
        return GoldenResult(name=name, allowed=allowed, faults=(fault,))
    least_score = detector.rule.score_threshold + allowed.scores
    letterbox, rebuilt = detector.letterbox(frame), None
    if canvas:
        rebuilt = exported_canvas(letterbox, frame)
        found = here if rebuilt is None else observe(detector, frame, rebuilt)
        if rebuilt is None or found.canvas.difference(wanted.canvas):
            return _loosely(name, wanted, here, canvas, detector, allowed)
    doubtful = wanted.detections, found.detections
    faults = []
    if allowed.ties:
        faults = _suppression_faults(*doubtful, least_score, detector.rule.iou_threshold)
        pixels = letterbox.apply(frame) if rebuilt is None else rebuilt
        doubtful = _without_ties(*doubtful, detector, frame, pixels, allowed)
    agreement = agree(*doubtful, least_score=least_score)
    tensors = _tensor_difference(wanted, found, detector, agreement)
    return GoldenResult(
        name=name,
        allowed=allowed,
        faults=(*_faults(tensors, agreement, allowed), *faults),
        canvas=canvas,
        effect=_effect(found.detections, here.detections, least_score) if canvas else None,
        tensors=tensors,
        scores=agreement.score_difference,
        iou=agreement.least_iou,
        unmatched=agreement.unmatched,
    )


def _loosely(
    name: str,
    wanted: Observation,
    found: Observation,
    canvas: float,
    detector: Detector,
    allowed: GoldenTolerance,
) -> GoldenResult:
    """Judges a network on a canvas that is not the export's, by what that would not excuse.

    One that differs by more than is allowed says nothing, and has failed already.
    """
    loose = allowed.loosened(UNKNOWN_CANVAS)
    least_score = detector.rule.score_threshold + loose.scores
    sure = agree(wanted.detections, found.detections, least_score=least_score)
    tensors = _tensor_difference(wanted, found, detector, sure)
    near = canvas <= allowed.canvas + DIGEST_SLACK
    return GoldenResult(
        name=name,
        allowed=allowed,
        faults=tuple(_faults(tensors, sure, loose)) if near else (),
        canvas=canvas,
        effect=_effect(
            wanted.detections, found.detections, detector.rule.score_threshold + allowed.scores
        ),
        judged=False,
    )


def _tensor_difference(
    wanted: Observation, found: Observation, detector: Detector, agreement: Agreement
) -> float:
    if detector.manifest.output.form == "detections":
        # Rows, whose order near ties is the machine's: their own comparison is the agreement.
        return agreement.score_difference
    heads = [wanted.boxes.difference(found.boxes), wanted.scores.difference(found.scores)]
    return float(np.max(heads))  # max() of Python could pass over a NaN


def _effect(wanted: Detections, found: Detections, least_score: float) -> CanvasEffect:
    pairs = np.array(match(wanted, found), np.int64).reshape(-1, 2)
    moved = np.abs(wanted.boxes_xyxy[pairs[:, 0]] - found.boxes_xyxy[pairs[:, 1]])
    agreement = agree(wanted, found, least_score=least_score)
    return CanvasEffect(
        paired=len(pairs),
        pixels=float(moved.max(initial=0)),
        scores=agreement.score_difference,
        unmatched=agreement.unmatched,
    )


def _suppression_faults(
    wanted: Detections, found: Detections, least_score: float, iou_threshold: float
) -> list[str]:
    """Returns what a tie does not excuse: an object not found at all, or found many times."""
    sure = wanted.select(wanted.scores >= least_score)
    missed = int((~seen_among(sure, found, least_iou=PARTNER_IOU, score_difference=1.0)).sum())
    # Far over the threshold: cutting boxes at the frame's border moves their overlaps.
    clearly = (1 + iou_threshold) / 2
    more = doubles(found, clearly) - doubles(wanted, clearly)
    return [
        *([f"{missed} of {len(sure)} objects not found"] if missed else []),
        *([f"{more} more doubles than at the export"] if more > 0 else []),
    ]


def _without_ties(
    wanted: Detections,
    found: Detections,
    detector: Detector,
    frame: ImageArray,
    canvas: ImageArray,
    allowed: GoldenTolerance,
) -> tuple[Detections, Detections]:
    """Returns what was wanted and has no such candidate here, and what is of no wanted object.

    The candidates of a graph that suppresses are those of the package's file that does not; where
    that is missing, nothing is excused.
    """
    if detector.manifest.output.form == "detections":
        file = cells_file(detector.session.path)
        if file is None:
            return wanted, found
        detector = Detector(file, session=detector.session.settings)
    letterbox = detector.letterbox(frame)
    boxes, scores = detector.session.run(canvas[np.newaxis])
    everything = replace(
        detector.rule,
        score_threshold=max(detector.rule.score_threshold - allowed.scores, 0),
        iou_threshold=1.0,
        max_detections=scores[0].size,
        every_class=True,
    )
    names = detector.class_names
    candidates = detections_from_outputs(boxes[0], scores[0], letterbox, names, everything)
    seen = seen_among(wanted, candidates, least_iou=allowed.iou, score_difference=allowed.scores)
    same_object = seen_among(found, wanted, least_iou=PARTNER_IOU, score_difference=1.0)
    return wanted.select(~seen), found.select(~same_object)


def _faults(tensors: float, agreement: Agreement, allowed: GoldenTolerance) -> list[str]:
    """Returns what is wrong, in words. Each test is put so that a NaN does not pass it."""
    faults = []
    if not np.isfinite(tensors):
        faults.append("tensors not finite, or of another shape")
    elif not tensors <= allowed.tensors:
        faults.append(f"tensors differ by {tensors:.2g}, allowed {allowed.tensors:g}")
    if agreement.unmatched:
        plural = "s" * (agreement.unmatched > 1)
        faults.append(f"{agreement.unmatched} detection{plural} without a partner")
    if not agreement.score_difference <= allowed.scores:
        difference = agreement.score_difference
        faults.append(f"a score differs by {difference:.2g}, allowed {allowed.scores:g}")
    if not agreement.least_iou >= allowed.iou:
        least = agreement.least_iou
        faults.append(f"a box overlaps its partner by {least:.4g}, wanted {allowed.iou:g}")
    return faults


def _size(size_hw: tuple[int, ...]) -> str:
    height, width = size_hw
    return f"{width} x {height}"
