"""Weighs what the boxes on the user's pictures say against a reading, and corrects it or doubts."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from spotlet.letterbox import ImageArray
from spotlet.manifest import DetectionRule
from spotlet_export.adoption.original.decoder import OriginalDecoder, Wide
from spotlet_export.adoption.original.file import OriginalFile
from spotlet_export.adoption.recognition.boxes import (
    Found,
    mirror_agreement,
    mirror_scale,
    neighbours_exchanged,
    not_suppressed,
    upright_turned,
)
from spotlet_export.adoption.recognition.views import mirrored, upside_down
from spotlet_export.adoption.settings import AdoptSettings
from spotlet_export.adoption.signature import MOST_SUPPRESSED, SUPPRESSED, Signature

Change = Callable[[ImageArray], ImageArray]

OTHER_AXES = {"xyxy": "yxyx", "yxyx": "xyxy", "cxcywh": "cycxhw", "cycxhw": "cxcywh"}
"""Box formats with x and y exchanged; `xywh` has none."""

SAME_OBJECT = 0.45
"""Mean IoU of boxes in mirrored pictures and the mirrored boxes, from which a reading is right."""

CLEARLY = 0.25
"""By how much that of another reading must be higher."""

UNITS = {"pixels": "pixels", "unit": "fractions of the canvas"}

NOT_MOVED = 0.45
"""Lenient agreement below which boxes do not move with the picture. Of 96 networks that are read
rightly, the least is 0.60; of corners in a wrong order, the most is 0.30 to 0.49."""

SCALED = 0.6
"""Agreement of scaled boxes from which their scale is certain."""


class Evidence:
    """What a file says about the user's pictures, and about the same mirrored.

    The network runs once on each canvas, however many meanings its outputs may have.

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
        self._outputs: dict[Change | None, list[list[Wide]]] = {}
        self._found: dict[tuple[Signature, Change | None], list[Found]] = {}
        rule = DetectionRule()
        score, iou = settings.score_threshold, settings.iou_threshold
        self.threshold = rule.score_threshold if score is None else score
        self._iou = rule.iou_threshold if iou is None else iou

    def found(self, signature: Signature, change: Change | None = None) -> list[Found]:
        """Returns what is found with a signature, in the pictures or in changed ones.

        Precondition: all signatures have the same input and use the same outputs.
        """
        if (signature, change) not in self._found:
            decoder = OriginalDecoder(self._original.session, signature)
            if change not in self._outputs:
                canvases = [change(each) if change else each for each in self._canvases]
                self._outputs[change] = list(map(decoder.outputs, canvases))
            self._found[signature, change] = list(map(decoder.decoded, self._outputs[change]))
        return self._found[signature, change]

    def agreement(self, signature: Signature, *, lenient: bool = False) -> float:
        """Returns how well boxes in mirrored pictures are the mirrored ones; -1 without any."""
        found = self.found(signature)
        if not any((scores >= self.threshold).any() for _, scores in found):
            return -1.0
        pairs = list(zip(found, self.found(signature, mirrored), strict=True))
        agreement = mirror_agreement(pairs, self.threshold, self._iou, lenient=lenient)
        return -1.0 if agreement is None else agreement

    def scales(self, signature: Signature) -> list[float | None]:
        """Returns the width and the height of the canvas that boxes have; None if it is right.

        Pictures are mirrored left to right, then top to bottom. Many networks find nothing in
        pictures that are upside down: only another scale that fits says something then.
        """
        found = self.found(signature)
        across = list(zip(found, self.found(signature, mirrored), strict=True))
        turned = self.found(signature, upside_down)
        down = [
            (upright_turned(each), upright_turned(again))
            for each, again in zip(found, turned, strict=True)
        ]
        return [self._scale(pairs) for pairs in (across, down)]

    def _scale(self, pairs: list[tuple[Found, Found]]) -> float | None:
        own = mirror_agreement(pairs, self.threshold, self._iou)
        scaled = mirror_scale(pairs, self.threshold, self._iou)
        if own is None or scaled is None or own >= SAME_OBJECT:
            return None
        return scaled[0] if scaled[1] > max(SCALED, own + CLEARLY) else None

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
) -> tuple[Signature, list[str], list[str]]:
    """Returns the signature, corrected where it is certain.

    Also doubts that only the user can answer, with the option to try, and what another reading of
    pixels or boxes may mend.
    """
    evidence = Evidence(original, canvases, settings)
    if signature.output.anchors is not None:
        doubts = _anchors(evidence, signature)
    else:
        signature, doubts = _axes(evidence, signature, settings, on_remark)
    wrong: list[str] = []
    if not doubts:
        doubts, wrong = _places(evidence, signature)
    if signature.output.layout in SUPPRESSED:
        found = evidence.found(signature)
        counts = not_suppressed(found, evidence.threshold)
        many = len(found[0][0])
        if counts is None and many > max(MOST_SUPPRESSED, settings.max_detections or 0):
            on_remark(f"rows: {many}, too many to be suppressed already; Spotlet suppresses them")
            signature = _changed(signature, overlapping=True)
        elif counts is not None:
            on_remark(
                f"rows: {counts[0]} of {counts[1]} are duplicates of better ones (same class, "
                "almost the same box), so they were not suppressed; Spotlet suppresses them"
            )
            signature = _changed(signature, overlapping=True)
    return signature, doubts, wrong


def _axes(
    evidence: Evidence,
    signature: Signature,
    settings: AdoptSettings,
    on_remark: Callable[[str], None],
) -> tuple[Signature, list[str]]:
    """Changes the format of boxes if the mirrored pictures show another one."""
    rule = signature.output
    if rule.strides or rule.grids is not None:
        return signature, []  # the grid's order says where x and y are, not the columns'
    others: list[dict[str, str]] = []
    if rule.box_format in OTHER_AXES:
        others = [{"box_format": OTHER_AXES[rule.box_format]}, {"box_format": "xywh"}]
        if settings.box_unit is None:
            unit = "unit" if rule.box_unit == "pixels" else "pixels"
            others.append({"box_format": "xywh", "box_unit": unit})
    better = evidence.better(signature, [_changed(signature, **each) for each in others])
    if better is None:
        return signature, []
    now = better.output.box_format
    shown = "x and y of boxes are exchanged"
    if now == "xywh":
        shown = f"boxes are upper left corners and sizes, in {UNITS[better.output.box_unit]}"
    why = f"mirrored pictures show that {shown}"
    if settings.box_format is None:
        on_remark(f"{why}; they are read as {now}")
        return better, []
    unit = "" if better.output.box_unit == rule.box_unit else f" --box-unit {unit}"
    return signature, [f"{why}: --box-format {now}{unit}"]


def _places(evidence: Evidence, signature: Signature) -> tuple[list[str], list[str]]:
    """Returns doubts about where boxes are: that they have another scale, or do not move."""
    agreement = evidence.agreement(signature, lenient=True)
    if agreement < 0 or evidence.agreement(signature) < 0:
        return [], []  # nothing is found in one of the pictures, or only weakly
    scales = zip(("wide", "high"), evidence.scales(signature), strict=True)
    wrong = [f"{scale:.2g} times as {side}" for side, scale in scales if scale is not None]
    if wrong:
        fixed = ", ".join(f"--fix {name}" for name in signature.input.fixed)
        remedy = f"is {fixed} right?" if fixed else "export it with boxes in pixels of its input"
        return [
            f"boxes in mirrored images fit a canvas {' and '.join(wrong)}, not the network's own: "
            f"{remedy}"
        ], []
    if agreement >= NOT_MOVED:
        return [], []
    return [], [
        f"boxes do not move with the mirrored image (they agree to {agreement:.0%} with the "
        "mirrored boxes)"
    ]


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
