"""Weighs what the boxes on the user's pictures say against a reading, and corrects it or doubts."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from spotlet.letterbox import ImageArray
from spotlet.manifest import DetectionRule
from spotlet_export.adoption.original_decoder import OriginalDecoder
from spotlet_export.adoption.original_file import OriginalFile
from spotlet_export.adoption.recognition_boxes import (
    Found,
    axes_exchanged,
    neighbours_exchanged,
    not_suppressed,
)
from spotlet_export.adoption.recognition_views import mirrored
from spotlet_export.adoption.settings import AdoptSettings
from spotlet_export.adoption.signature import SUPPRESSED, Signature

OTHER_AXES = {"xyxy": "yxyx", "yxyx": "xyxy", "cxcywh": "cycxhw", "cycxhw": "cxcywh"}
"""Box formats with x and y exchanged."""


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

    def exchanged(self, signature: Signature) -> bool | None:
        """Returns whether a signature exchanges x and y; None if that cannot be told."""
        found = self.found(signature)
        if not any((scores >= self.threshold).any() for _, scores in found):
            return None
        pairs = list(zip(found, self.found(signature, again=True), strict=True))
        return axes_exchanged(pairs, self.threshold, self._iou)


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
    if not evidence.exchanged(signature):
        return signature, []
    other = OTHER_AXES[signature.output.box_format]
    why = "in a picture mirrored left to right, boxes move up and down: x and y are exchanged"
    corrected = _changed(signature, box_format=other)
    free = settings.box_format is None and not signature.output.strides
    if free and evidence.exchanged(corrected) is False:
        on_remark(f"{why}; boxes are read as {other}")
        return corrected, []
    return signature, [f"{why}: --box-format {other}"]


def _anchors(evidence: Evidence, signature: Signature) -> list[str]:
    """Returns the doubt that the axes of anchors or offsets are exchanged, with the option."""
    rule = signature.output
    assert rule.anchors is not None
    turned = np.ascontiguousarray(rule.anchors[:, [1, 0, 3, 2]])
    found = evidence.found(signature)
    apart = neighbours_exchanged(
        found,
        evidence.found(_changed(signature, anchors=turned)),
        rule.anchors.astype(np.float64),
        evidence.threshold,
    )
    if not apart and not evidence.exchanged(signature):
        return []
    other = OTHER_AXES[rule.box_format]
    for anchors, box_format in product((turned, rule.anchors), (rule.box_format, other)):
        crossed = (anchors is turned) != (box_format != rule.box_format)
        corrected = _changed(signature, anchors=anchors, box_format=box_format)
        # Neighbours say whether anchors and offsets agree, mirrored pictures which one is wrong.
        if (apart is None or apart == crossed) and evidence.exchanged(corrected) is False:
            options = ["--anchor-format cycxhw"] * (anchors is turned)
            options += [f"--box-format {other}"] * (box_format != rule.box_format)
            return [f"x and y of anchors or offsets are exchanged: {' '.join(options)}"]
    return [
        "boxes of neighbouring anchors overlap more with x and y exchanged: of the anchors "
        f"(--anchor-format cycxhw), or of the offsets (--box-format {other})?"
    ]


def _changed(signature: Signature, **changes: object) -> Signature:
    return replace(signature, output=replace(signature.output, **changes))  # type: ignore[arg-type]
