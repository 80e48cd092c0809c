"""The comparison of two models, as rows with limits: rules, tensors, detections, accuracy."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from spotlet.check.agreement import agree, agreeing
from spotlet.detections import Detections
from spotlet.manifest import DetectionRule
from spotlet_export.gate.detection_parity import detection_rows
from spotlet_export.gate.frames import CheckFrame
from spotlet_export.gate.reference import ENOUGH_DETECTIONS, FIRST_THRESHOLD, LAST_THRESHOLD
from spotlet_export.gate.report import Row
from spotlet_export.gate.rules import said_rules
from spotlet_export.gate.variants import Limits
from spotlet_export.judging.changes import AS_IS
from spotlet_export.judging.likeness import with_ids
from spotlet_export.judging.pairs import A, B, Pair
from spotlet_export.judging.sides import Side
from spotlet_export.judging.subjects import Cells, Subject
from spotlet_training.datasets import Dataset
from spotlet_training.evaluation.evaluation import (
    COCO_RULE,
    SHOWN_RULE,
    Evaluation,
    evaluate_detector,
)

RULE_ROW = "manifest, rules that differ"

UNCOMPARED_RULES = ("classes", "score activation", "box encoding", "colour order")
"""Of manifests: what the results show better, or what is always the same."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compared:
    """What two models found on the frames.

    Attributes:
        rows: of the report.
        found: by A and by B in each frame, with A's class ids.
    """

    rows: list[Row]
    found: tuple[list[Detections], list[Detections]]


def compared_rule(
    sides: tuple[Side, Side], subjects: Sequence[Subject], frames: Sequence[CheckFrame]
) -> DetectionRule:
    """Returns the rule for the detections of both: A's, from a score at which enough is found."""
    a, b = sides
    own = a.detection if a.manifest is not None or b.manifest is None else b.detection
    least = max(side.least_score for side in sides)
    threshold = max(FIRST_THRESHOLD, least)
    while True:
        rule = replace(own, score_threshold=threshold)
        counts = 0
        for frame in frames:
            cells = subjects[A].cells(frame.name, frame.image_bgr, AS_IS, threshold)
            assert cells is not None
            counts += len(subjects[A].found(cells, AS_IS, rule))
        if counts >= ENOUGH_DETECTIONS or threshold / 2 < max(LAST_THRESHOLD, least):
            return rule
        threshold /= 2


def rule_rows(sides: tuple[Side, Side], variant: str) -> list[Row]:
    """Returns the row for the manifests of both; none if one has none."""
    a, b = (side.manifest for side in sides)
    if a is None or b is None:
        return []
    ours, theirs = said_rules(a), said_rules(b)
    stretched = ours["resize"] == theirs["resize"] == "stretch"
    unused = (*UNCOMPARED_RULES, "pad value" if stretched else "")
    names = [name for name in ours if name not in unused]
    wrong = [
        f"{name} {ours[name]} and {theirs[name]}" for name in names if ours[name] != theirs[name]
    ]
    return [
        Row(
            variant=variant,
            name=RULE_ROW,
            over=f"{len(names)} rules" + (f"; {', '.join(wrong)}" if wrong else ""),
            measured=len(wrong),
            limit=0,
        )
    ]


def compare_found(pair: Pair, limits: Limits, variant: str) -> Compared:
    """Returns the comparison of detections on the frames, each in its own size.

    Between equal models, two cells with equal scores, or one right at the threshold, may fall
    either way: what the other model has among its candidates is a tie, and frames with one are
    counted.
    """
    both = pair.both((AS_IS, AS_IS), pair.frames)
    assert both is not None
    threshold = pair.rule.score_threshold
    slack = 0.0 if limits.exact else threshold + limits.scores
    agreements, ties = [], 0
    for frame, one, other in zip(pair.frames, *both, strict=True):
        agreement = agree(one, other, least_score=slack)
        if limits.exact and not agreement.within(limits.iou, limits.scores):
            sure = [
                each.select(~_tied(pair, index, frame, each, limits))
                for index, each in ((A, one), (B, other))
            ]
            if len(sure[A]) < len(one) or len(sure[B]) < len(other):
                judged = agree(sure[A], sure[B])
                if judged.within(limits.iou, limits.scores):
                    agreement, ties = judged, ties + 1
        agreements.append(agreement)
    wanted = sum(map(len, both[A]))
    sizes = len({frame.image_bgr.shape for frame in pair.frames})
    over = f"{wanted} detections, {len(pair.frames)} pictures of {sizes} sizes"
    rows = detection_rows(agreements, wanted, ties, over, limits, variant)
    if wanted == 0 and not any(map(len, both[B])):
        rows = []
    return Compared(rows=rows, found=both)


def _tied(
    pair: Pair, index: int, frame: CheckFrame, found: Detections, limits: Limits
) -> np.ndarray:
    """Returns which detections of one model are only among the candidates of the other."""
    other = B if index == A else A
    subject = pair.subjects[other]
    cells = pair.cells(other, frame, AS_IS)
    assert cells is not None
    every = DetectionRule(
        score_threshold=max(pair.rule.score_threshold - limits.scores, 0.0),
        iou_threshold=1.0,
        max_detections=max(cells.scores.size, 1),
        every_class=True,
    )
    a = pair.subjects[A].side.classes
    ids = pair.new_ids if other == B else np.arange(len(a))
    candidates = with_ids(subject.found(cells, AS_IS, every), ids, a)
    chosen = with_ids(subject.found(cells, AS_IS, pair.rule), ids, a)
    options = {"least_iou": limits.iou, "score_difference": limits.scores}
    tied: np.ndarray = agreeing(found, candidates, **options) & ~agreeing(found, chosen, **options)
    return tied


def accuracy_row(
    evaluations: tuple[Evaluation, Evaluation], count: int, limits: Limits, variant: str
) -> Row | None:
    """Returns the row for the AP of B against A's; None without labelled objects."""
    before, after = (each.accuracy.ap for each in evaluations)
    if before is None or after is None:
        return None
    drop = before - after
    return Row(
        variant=variant,
        name="AP, |Δ|" if limits.exact else "AP, drop",
        over=f"{count} images, {before:.4f} by A, {after:.4f} by B",
        measured=abs(drop) if limits.exact else drop,
        limit=limits.accuracy,
    )


def evaluate_side(subject: Subject, new_ids: np.ndarray, dataset: Dataset) -> Evaluation:
    """Returns how a model does on a set.

    Args:
        subject: the model.
        new_ids: the set's class of each of the model's classes; -1 for none.
        dataset: labelled images.
    """
    side = subject.side
    iou = side.detection.iou_threshold
    find = replace(COCO_RULE, iou_threshold=iou)
    show = replace(side.detection, score_threshold=SHOWN_RULE.score_threshold)

    def detect(image: np.ndarray) -> tuple[Detections, Detections]:
        letterbox = side.letterbox((image.shape[0], image.shape[1]), AS_IS.input)
        canvas = image if side.input is None else letterbox.apply(image)
        cells = Cells(letterbox, *side.compute(canvas, COCO_RULE.score_threshold))
        found, shown = (subject.found(cells, AS_IS, rule) for rule in (find, show))
        names = dataset.class_names
        return with_ids(found, new_ids, names), with_ids(shown, new_ids, names)

    return evaluate_detector(detect, dataset)
