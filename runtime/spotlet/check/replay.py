"""Replays a package's golden frames: does this machine compute what the export's did?

Two separate verdicts: whether OpenCV resizes a frame to the same canvas, and whether the network
returns the same for that canvas.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from spotlet.check.agreement import PARTNER_IOU, Agreement, agree, agreeing, count_duplicates
from spotlet.check.golden import read_golden, read_golden_frame
from spotlet.check.golden_rows import DIGEST_SLACK, INFINITE, GoldenResult
from spotlet.check.records import FrameRecord, digest_canvas, pixels_sha256, record_frame
from spotlet.check.resizes import exported_canvas
from spotlet.check.tolerances import UNKNOWN_CANVAS, GoldenTolerance
from spotlet.detections import Detections
from spotlet.detector import Detector, Outputs
from spotlet.errors import UsageError
from spotlet.letterbox import ImageArray
from spotlet.model.package import cells_file


def replay_golden(
    detector: Detector, folder: Path, floor: GoldenTolerance | None = None
) -> tuple[GoldenResult, ...]:
    """Returns how this machine's results differ from the export's, for each golden frame.

    Args:
        detector: of a file of the package, with the model's own rule.
        folder: the package's golden frames.
        floor: allowed at least, whatever the export recorded.

    Raises:
        ModelFileError: the folder is incomplete, or has no record of this model file.
        UsageError: the detector does not use the model's own thresholds.
    """
    if detector.rule != detector.manifest.detection:
        raise UsageError(f"{folder}: was recorded with the model's own thresholds; give none")
    file_name = detector.session.path.name
    tolerance, recorded = read_golden(folder, file_name, detector.class_names)
    tolerance = tolerance.at_least(floor)
    results = []
    for name, wanted in recorded.items():
        frame = read_golden_frame(folder, name)
        fault = _picture_fault(frame, wanted)
        if fault is None:
            result = compare(name, wanted, detector, frame, tolerance)
        else:
            result = GoldenResult(name=name, allowed=tolerance, faults=(fault,))
        sure = wanted.detections.scores >= detector.rule.score_threshold + tolerance.scores
        results.append(replace(result, objects=int(sure.sum())))
    return tuple(results)


def compare(
    name: str,
    wanted: FrameRecord,
    detector: Detector,
    frame: ImageArray,
    allowed: GoldenTolerance,
) -> GoldenResult:
    """Returns how a detector's results for a frame differ from its record.

    If the export's canvas cannot be made, the network is compared within `UNKNOWN_CANVAS`, and not
    at all if the canvas itself fails.

    Args:
        name: of the frame.
        wanted: the record, from another detector of the model or another machine.
        detector: of the model.
        frame: (H, W, 3) uint8 BGR.
        allowed: the tolerance.
    """
    outputs = detector.outputs(frame)
    here = found = record_frame(detector, frame, outputs)
    canvas = wanted.canvas.difference(here.canvas)
    if canvas == INFINITE:
        fault = "canvas size differs: not the same model"
        return GoldenResult(name=name, allowed=allowed, faults=(fault,))
    same_input, limits = True, allowed
    if canvas:
        exported = exported_canvas(outputs.letterbox, frame)
        same_input = exported is not None and not digest_canvas(exported).difference(wanted.canvas)
        if same_input:
            outputs = detector.outputs(frame, canvas=exported)
            found = record_frame(detector, frame, outputs)
        else:
            limits = allowed.at_least(UNKNOWN_CANVAS)
    least_score = detector.rule.score_threshold + limits.scores
    pair, faults = (wanted.detections, found.detections), []
    if allowed.ties and same_input:
        faults = _suppression_faults(*pair, least_score, detector.rule.iou_threshold)
        pair = _without_ties(*pair, detector, frame, outputs, allowed)
    agreement = agree(*pair, least_score=least_score)
    tensors = _tensor_difference(wanted, found, detector, agreement)
    faults = [*_faults(tensors, agreement, limits), *faults]
    least_score = detector.rule.score_threshold + allowed.scores
    reference = (found if same_input else wanted).detections
    return GoldenResult(
        name=name,
        allowed=allowed,
        faults=tuple(faults) if same_input or canvas <= allowed.canvas + DIGEST_SLACK else (),
        canvas=canvas,
        effect=agree(reference, here.detections, least_score=least_score) if canvas else None,
        same_input=same_input,
        tensors=tensors,
        agreement=agreement,
    )


def _picture_fault(frame: ImageArray, wanted: FrameRecord) -> str | None:
    if frame.shape[:2] != wanted.size_hw:
        (height, width), (was_height, was_width) = frame.shape[:2], wanted.size_hw
        return f"the picture is {width} x {height}, the export's was {was_width} x {was_height}"
    if pixels_sha256(frame) != wanted.pixels:
        return "the picture is not the export's, or this OpenCV decodes it differently"
    return None


def _tensor_difference(
    wanted: FrameRecord, found: FrameRecord, detector: Detector, agreement: Agreement
) -> float:
    if detector.manifest.output.form == "detections":
        # The order of tied rows differs by machine: the detections are compared instead.
        return agreement.score_difference
    heads = [wanted.boxes.difference(found.boxes), wanted.scores.difference(found.scores)]
    return float(np.max(heads))  # Python's max() could skip a NaN


def _suppression_faults(
    wanted: Detections, found: Detections, least_score: float, iou_threshold: float
) -> list[str]:
    """Returns the faults that no tie explains: objects missed, or found several times."""
    sure = wanted.select(wanted.scores >= least_score)
    missed = int((~agreeing(sure, found, least_iou=PARTNER_IOU, score_difference=1.0)).sum())
    # Far over the threshold: clipping boxes at the frame's border changes their overlaps.
    clearly = (1 + iou_threshold) / 2
    more = count_duplicates(found, clearly) - count_duplicates(wanted, clearly)
    faults = [f"{missed} of {len(sure)} objects not found"] * (missed > 0)
    return faults + [f"{more} more duplicates than at the export"] * (more > 0)


def _without_ties(
    wanted: Detections,
    found: Detections,
    detector: Detector,
    frame: ImageArray,
    outputs: Outputs,
    allowed: GoldenTolerance,
) -> tuple[Detections, Detections]:
    """Returns the wanted detections that are not candidates here, and the found ones not wanted.

    If the graph suppresses, the candidates are those of the package's file without suppression;
    without that file, nothing is dropped.
    """
    if detector.manifest.output.form == "detections":
        file = cells_file(detector.session.path)
        if file is None:
            return wanted, found
        detector = Detector(file, session=detector.session.settings)
        outputs = detector.outputs(frame, canvas=outputs.canvas)
    least_score = max(detector.rule.score_threshold - allowed.scores, 0)
    candidates = detector.candidates(outputs, least_score)
    known = agreeing(wanted, candidates, least_iou=allowed.iou, score_difference=allowed.scores)
    same_object = agreeing(found, wanted, least_iou=PARTNER_IOU, score_difference=1.0)
    return wanted.select(~known), found.select(~same_object)


def _faults(tensors: float, agreement: Agreement, allowed: GoldenTolerance) -> list[str]:
    """Returns what is wrong, as text. Each test is written so that a NaN fails it."""
    faults = []
    if not np.isfinite(tensors):
        faults.append("tensors not finite, or shapes differ")
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
        faults.append(f"a box overlaps its partner by {least:.4g}, at least {allowed.iou:g} needed")
    return faults
