"""The second comparison of the gate: detections, the witness against the shipped runtime."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spotlet import Detector, open_stream
from spotlet.check.agreement import Agreement, agree
from spotlet.detections import Detections
from spotlet.session import ModelSession
from spotlet_export.gate.reference import Reference, judged_by_witness
from spotlet_export.gate.report import Row
from spotlet_export.gate.variants import Limits

TIES_ALLOWED = 4
"""One frame in so many may be decided by a tie."""


def compare_detections(
    reference: Reference, session: ModelSession, limits: Limits, variant: str
) -> list[Row]:
    """Returns the rows for the witness against the shipped runtime, from image files.

    Two cells whose scores differ by less than float noise, or one at the very threshold, may
    fall either way. So where the detections of a variant that must be exact differ, the witness
    judges again on onnxruntime's tensors, which the tensor rows bind to PyTorch's: if the runtime
    agrees with that, a tie decided the frame, and it is counted as such.

    Args:
        reference: PyTorch's side.
        session: of the exported file, which the shipped runtime loads for itself.
        limits: how near it must come.
        variant: its name, for the report.
    """
    found = _detections_of_files(reference, session)
    ties = 0
    agreements = []
    slack = 0.0 if limits.exact else reference.score_threshold + limits.scores
    for frame, want, canvas, got in zip(
        reference.frames, reference.detections, reference.canvases, found, strict=True
    ):
        agreement = agree(want, got, least_score=slack)
        if limits.exact and not agreement.within(limits.iou, limits.scores):
            (tie,) = judged_by_witness(
                session.run(canvas[None]), [frame], reference.manifest, reference.score_threshold
            )
            judged_again = agree(tie, got)
            if judged_again.within(limits.iou, limits.scores):
                agreement = judged_again
                ties += 1
        agreements.append(agreement)
    files = len(reference.frames)
    wanted = sum(map(len, reference.detections))
    sizes = len({frame.image_bgr.shape for frame in reference.frames})
    over = f"{wanted} detections, {files} files of {sizes} sizes"
    return detection_rows(agreements, wanted, ties, over, limits, variant)


def detection_rows(
    agreements: Sequence[Agreement],
    wanted: int,
    ties: int,
    over: str,
    limits: Limits,
    variant: str,
) -> list[Row]:
    """Returns the rows for detections that were compared.

    Args:
        agreements: of each frame.
        wanted: how many detections there should be in all of them.
        ties: how many frames were decided by one; looked at in a variant that must be exact.
        over: on what, for a person.
        limits: how near they must come.
        variant: its name, for the report.
    """
    ious = np.concatenate([item.ious for item in agreements])
    scores = np.concatenate([item.score_differences for item in agreements])
    least, most = (np.min, np.max) if limits.exact else (np.mean, np.mean)
    rows = [
        Row(
            variant=variant,
            name="detections without a partner, share",
            over=over,
            measured=sum(item.unmatched for item in agreements) / max(wanted, 1),
            limit=limits.unmatched,
        ),
        Row(
            variant=variant,
            name=f"detections, {'least' if limits.exact else 'mean'} IoU",
            over=over,
            measured=float(least(ious)) if len(ious) else 0.0,
            limit=limits.iou,
            at_least=True,
        ),
        Row(
            variant=variant,
            name=f"detections, {limits.statistic} |Δ| of scores",
            over=over,
            measured=float(most(scores)) if len(scores) else 1.0,
            limit=limits.scores,
        ),
    ]
    if limits.exact:
        rows.append(
            Row(
                variant=variant,
                name="frames that a tie decided",
                over=f"{len(agreements)} results",
                measured=ties,
                limit=len(agreements) // TIES_ALLOWED,
            )
        )
    return rows


def _detections_of_files(reference: Reference, session: ModelSession) -> list[Detections]:
    detector = Detector(session.path, score_threshold=reference.score_threshold)
    with open_stream(reference.folder) as stream:
        found = {Path(frame.source).stem: detector(frame.image) for frame in stream}
    return [found[frame.name] for frame in reference.frames]
