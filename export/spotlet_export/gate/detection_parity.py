"""The second comparison of the gate: detections, the witness against the shipped runtime."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from spotlet import Detector, open_stream
from spotlet.check.agreement import Agreement, agree
from spotlet.detections import Detections
from spotlet.manifest import NO_TILES
from spotlet.session import ModelSession
from spotlet_export.gate.interruption import interruptible
from spotlet_export.gate.reference import Reference, judged_by_witness
from spotlet_export.gate.report import Row
from spotlet_export.gate.variants import Limits

OnProgress = Callable[[int, int], None]

TIES_ALLOWED = 4
"""One frame in this many may be decided by a tie."""


def compare_detections(
    reference: Reference,
    session: ModelSession,
    limits: Limits,
    variant: str,
    on_progress: OnProgress = lambda _, __: None,
) -> list[Row]:
    """Returns the rows for the witness against the shipped runtime, on image files.

    Two cells whose scores differ by less than float noise, or one right at the threshold, may fall
    either way. So if the detections of an exact variant differ, the witness runs again on
    onnxruntime's tensors, which the tensor rows bind to PyTorch's. If the runtime agrees with that
    result, a tie decided the frame, and it is counted as one.

    Args:
        reference: the original network's results.
        session: of the exported file; the shipped runtime loads that file itself.
        limits: the largest differences.
        variant: its name, for the report.
        on_progress: called with the number of files that were run, and of all.
    """
    found = _detections_of_files(reference, session, on_progress)
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
    """Returns the rows for compared detections.

    Args:
        agreements: of each frame.
        wanted: how many detections there should be in all frames.
        ties: how many frames were decided by a tie; used for exact variants.
        over: what was compared on, for a person.
        limits: the largest differences.
        variant: its name, for the report.
    """
    ious = np.concatenate([item.ious for item in agreements])
    scores = np.concatenate([item.score_differences for item in agreements])
    least, most = (np.min, np.max) if limits.exact else (np.mean, np.mean)
    row = partial(Row, variant=variant, over=over)
    rows = [
        row(
            name="detections without a partner, share",
            measured=sum(item.unmatched for item in agreements) / max(wanted, 1),
            limit=limits.unmatched,
        ),
        row(
            name=f"detections, {'least' if limits.exact else 'mean'} IoU",
            measured=float(least(ious)) if len(ious) else 0.0,
            limit=limits.iou,
            at_least=True,
        ),
        row(
            name=f"detections, {limits.statistic} |Δ| of scores",
            measured=float(most(scores)) if len(scores) else 1.0,
            limit=limits.scores,
        ),
    ]
    if limits.exact:
        allowed, results = len(agreements) // TIES_ALLOWED, f"{len(agreements)} results"
        rows.append(row(name="frames decided by a tie", over=results, measured=ties, limit=allowed))
    return rows


def _detections_of_files(
    reference: Reference, session: ModelSession, on_progress: OnProgress
) -> list[Detections]:
    detector = Detector(session.path, score_threshold=reference.score_threshold, tiles=NO_TILES)
    found: dict[str, Detections] = {}
    with open_stream(reference.folder) as stream:
        for frame in stream:
            found[Path(frame.source).stem] = interruptible(partial(detector, frame.image))
            on_progress(len(found), len(reference.frames))
    return [found[frame.name] for frame in reference.frames]
