"""Does a graph that suppresses find what the runtime finds in the same network's cells?"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from spotlet.check.agreement import Agreement, agree
from spotlet.check.golden import FP32_TOLERANCE
from spotlet.check.report import CheckRow
from spotlet.detections import Detections
from spotlet.detector import Detector
from spotlet.letterbox import ImageArray
from spotlet.postprocess import detections_from_outputs

TIE = 1e-5
"""What the IoU threshold is moved by to see whether a tie decided a frame. The graph's arithmetic
and OpenCV's round an overlap otherwise, by less."""

SUPPRESSION_RULE = "the graph suppresses as the runtime does"


def compare_suppression(
    source: Detector, image: ImageArray, want: Detections, got: Detections
) -> tuple[Agreement, bool]:
    """Returns how well the results for one frame agree, and whether a tie decided it.

    Args:
        source: of the file without suppression, with the other's thresholds.
        image: (H, W, 3) uint8 BGR.
        want: what `source` found.
        got: what the graph with suppression found.
    """
    agreement = agree(want, got)
    if not is_same(agreement):
        for judged in _either_way(source, image):
            again = agree(judged, got)
            if is_same(again):
                return again, True
    return agreement, False


def is_same(agreement: Agreement) -> bool:
    """Returns whether two results of one frame are the same but for float noise."""
    return (
        agreement.unmatched == 0
        and agreement.least_iou >= FP32_TOLERANCE.iou
        and agreement.score_difference <= FP32_TOLERANCE.scores
    )


def check_suppression(
    detector: Detector, source: Detector, images: Iterable[ImageArray]
) -> CheckRow:
    """Returns whether both find the same in some frames, as one rule of a check.

    One network on one machine: it must be the same in eight bits as well, where what was recorded
    on another may differ by much more.

    Args:
        detector: of the file with suppression, with its own rule.
        source: of the one without.
        images: (H, W, 3) uint8 BGR each.
    """
    frames = unlike = 0
    for image in images:
        agreement, _ = compare_suppression(source, image, source(image), detector(image))
        frames += 1
        unlike += not is_same(agreement)
    measured = f"{frames - unlike} of {frames} frames as by {source.session.path.name}"
    return CheckRow(SUPPRESSION_RULE, unlike == 0, measured)


def _either_way(source: Detector, image: ImageArray) -> Iterator[Detections]:
    """Yields what is found where an overlap at the threshold falls to one side, and the other."""
    letterbox = source.letterbox(image)
    boxes, scores = source.session.run(letterbox.apply(image)[np.newaxis])
    iou = source.rule.iou_threshold
    for moved in (max(iou - TIE, TIE), min(iou + TIE, 1.0)):
        rule = replace(source.rule, iou_threshold=moved)
        yield detections_from_outputs(boxes[0], scores[0], letterbox, source.class_names, rule)
