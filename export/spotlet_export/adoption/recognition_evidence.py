"""Weighs what the boxes on the user's pictures say against a reading, and corrects it or doubts."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from spotlet.letterbox import ImageArray
from spotlet.manifest import DetectionRule
from spotlet_export.adoption.original_decoder import OriginalDecoder
from spotlet_export.adoption.original_file import OriginalFile
from spotlet_export.adoption.recognition_boxes import (
    Found,
    mirror_agreement,
    neighbours_exchanged,
    not_suppressed,
)
from spotlet_export.adoption.recognition_views import mirrored
from spotlet_export.adoption.settings import AdoptSettings
from spotlet_export.adoption.signature import SUPPRESSED, Signature

OTHER_AXES = {"xyxy": "yxyx", "yxyx": "xyxy", "cxcywh": "cycxhw", "cycxhw": "cxcywh"}
"""Box formats with x and y exchanged."""

SAME_OBJECT = 0.45
"""Mean IoU of boxes in mirrored pictures and the mirrored boxes, from which a reading is right."""

CLEARLY = 0.25
"""By how much that of another reading must be higher."""


class Evidence:
    """What a file says about the user's pictures, and about the same mirrored.

    Args:
        original: the file.
        canvases: the user's pictures on the canvas, (H, W, 3) uint8 BGR.
        settings: for the thresholds.
    """

    def __init__(
        self, original: OriginalFile, canvases: Sequence[ImageArray], settings: AdoptSettings
    ) -> None:
        self._original = original
        self._canvases = canvases
        rule = DetectionRule()
        score, iou = settings.score_threshold, settings.iou_threshold
        self.threshold = rule.score_threshold if score is None else score
        self._iou = rule.iou_threshold if iou is None else iou

    def found(self, signature: Signature, *, again: bool = False) -> list[Found]:
        """Returns what is found with a signature; `again` in the mirrored pictures."""
        decoder = OriginalDecoder(self._original.session, signature)
        return [decoder.uncut(mirrored(each) if again else each) for each in self._canvases]

    def agreement(self, signature: Signature) -> float:
        """Returns how well boxes in mirrored pictures are the mirrored ones; -1 without any."""
        found = self.found(signature)
        if not any((scores >= self.threshold).any() for _, scores in found):
            return -1.0
        pairs = list(zip(found, self.found(signature, again=True), strict=True))
        agreement = mirror_agreement(pairs, self.threshold, self._iou)
        return -1.0 if agreement is None else agreement

    def better(self, signature: Signature, others: Sequence[Signature]) -> Signature | None:
        """Returns the one of others that mirrored pictures clearly prefer; None if none is."""
        own = self.agreement(signature)
        if not 0 <= own < SAME_OBJECT:
            return None
        agreement, best = max(
            ((self.agreement(each), each) for each in others), key=lambda each: each[0]
        )
        return best if agreement > max(SAME_OBJECT, own + CLEARLY) else None


def weigh(
    original: OriginalFile,
    signature: Signature,
    canvases: Sequence[ImageArray],
    settings: AdoptSettings,
    on_remark: Callable[[str], None],
) -> tuple[Signature, list[str]]:
    """Returns the signature, corrected where it is certain, and doubts with the option to try."""
    evidence = Evidence(original, canvases, settings)
    if signature.output.anchors is not None:
        return signature, _anchors(evidence, signature)
    signature, doubts = _axes(evidence, signature, settings, on_remark)
    if signature.output.layout in SUPPRESSED:
        counts = not_suppressed(evidence.found(signature), evidence.threshold)
        if counts is not None:
            on_remark(
                f"rows: {counts[0]} of {counts[1]} are duplicates of better ones (same class, "
                "almost the same box), so they were not suppressed; Spotlet suppresses them"
            )
            signature = _changed(signature, overlapping=True)
    return signature, doubts


def _axes(
    evidence: Evidence,
    signature: Signature,
    settings: AdoptSettings,
    on_remark: Callable[[str], None],
) -> tuple[Signature, list[str]]:
    """Exchanges x and y of boxes if the mirrored pictures show it."""
    if signature.output.strides or signature.output.grids is not None:
        return signature, []  # the grid's order says where x and y are, not the columns'
    other = OTHER_AXES[signature.output.box_format]
    better = evidence.better(signature, [_changed(signature, box_format=other)])
    if better is None:
        return signature, []
    why = "mirrored pictures show that x and y of boxes are exchanged"
    if settings.box_format is None:
        on_remark(f"{why}; they are read as {other}")
        return better, []
    return signature, [f"{why}: --box-format {other}"]


def _anchors(evidence: Evidence, signature: Signature) -> list[str]:
    """Returns the doubt that the axes of anchors or offsets are exchanged, with the option."""
    rule = signature.output
    assert rule.anchors is not None
    turned = np.ascontiguousarray(rule.anchors[:, [1, 0, 3, 2]])
    other = OTHER_AXES[rule.box_format]
    of_anchors = _changed(signature, anchors=turned)
    of_offsets = _changed(signature, box_format=other)
    of_both = _changed(signature, anchors=turned, box_format=other)
    crossed = neighbours_exchanged(
        evidence.found(signature),
        evidence.found(of_anchors),
        rule.anchors.astype(np.float64),
        evidence.threshold,
    )
    # Neighbours say whether anchors and offsets agree; mirrored pictures, whether places are right.
    if crossed:
        better = max((of_anchors, of_offsets), key=evidence.agreement)
        sure = evidence.agreement(better) > SAME_OBJECT
    else:
        others = [of_both] if crossed is False else [of_anchors, of_both]
        preferred = evidence.better(signature, others)
        if preferred is None:
            return []
        better, sure = preferred, True
    options = {
        of_anchors: "--anchor-format cycxhw",
        of_offsets: f"--box-format {other}",
        of_both: f"--anchor-format cycxhw --box-format {other}",
    }
    found = options[better] if sure else f"--anchor-format cycxhw, or --box-format {other}"
    return [f"x and y of anchors or offsets are exchanged: {found}"]


def _changed(signature: Signature, **changes: object) -> Signature:
    return replace(signature, output=replace(signature.output, **changes))  # type: ignore[arg-type]
