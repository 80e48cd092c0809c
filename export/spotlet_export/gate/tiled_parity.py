"""Detections in frames that are cut into tiles: the witness against the shipped runtime.

The witness cuts the frames, letterboxes the parts and judges their tensors itself. What joins the
parts, `spotlet.seams`, is on both sides: its own tests show that each object is found once.
"""

from collections.abc import Sequence

import numpy as np

from spotlet import Detector
from spotlet.check.agreement import agree
from spotlet.detections import Detections
from spotlet.manifest import Manifest
from spotlet.seams import border_pixels, merge_parts, moved
from spotlet.session import ModelSession
from spotlet_export.gate.detection_parity import detection_rows
from spotlet_export.gate.frames import CheckFrame
from spotlet_export.gate.reference import Reference, TensorsOf
from spotlet_export.gate.report import Row
from spotlet_export.gate.variants import Limits
from spotlet_export.gate.witness import witness_canvas, witness_detections

TILED_FRAMES = 12
"""Frames to compare on: each costs the original network an inference for every part."""


def tiled_frames(reference: Reference) -> list[CheckFrame]:
    """Returns the real frames to compare on that are cut; none without tiles."""
    manifest = reference.manifest
    cut = [frame for frame in reference.frames if frame.real and len(_parts(frame, manifest)) > 1]
    return cut[:TILED_FRAMES]


def judged_in_tiles(
    original: TensorsOf, frames: Sequence[CheckFrame], manifest: Manifest, threshold: float
) -> list[Detections]:
    """Returns the witness's detections in each frame.

    Args:
        original: the network, of canvases.
        frames: as they were read.
        manifest: the rules, with the tiles.
        threshold: the least score kept.
    """
    judged = []
    for frame in frames:
        parts = _parts(frame, manifest)
        crops = [frame.image_bgr[top:bottom, left:right] for left, top, right, bottom in parts]
        canvases = np.stack([witness_canvas(crop, manifest) for crop in crops])
        found = [
            moved(witness_detections(boxes, scores, crop, manifest, threshold), part)
            for boxes, scores, crop, part in zip(*original(canvases), crops, parts, strict=True)
        ]
        borders = [
            border_pixels(manifest.input.letterbox((crop.shape[0], crop.shape[1])))
            for crop in crops
        ]
        judged.append(merge_parts(found, parts, borders, manifest.detection))
    return judged


def compare_in_tiles(
    reference: Reference,
    wanted: Sequence[Detections],
    session: ModelSession,
    limits: Limits,
    variant: str,
) -> list[Row]:
    """Returns the rows for frames that are cut, as `compare_detections` does for whole ones.

    Args:
        reference: has the frames and the rules.
        wanted: of the original network, in each of `tiled_frames`.
        session: of the exported file.
        limits: the largest differences.
        variant: its name, for the report.
    """
    frames, manifest, threshold = (
        tiled_frames(reference),
        reference.manifest,
        reference.score_threshold,
    )
    if not frames:
        return []
    detector = Detector(session.path, score_threshold=threshold, tiles=manifest.tiles)
    agreements, ties = [], 0
    slack = 0.0 if limits.exact else threshold + limits.scores
    for frame, want in zip(frames, wanted, strict=True):
        got = detector(frame.image_bgr)
        agreement = agree(want, got, least_score=slack)
        if limits.exact and not agreement.within(limits.iou, limits.scores):
            (tie,) = judged_in_tiles(session.run, [frame], manifest, threshold)
            again = agree(tie, got)
            if again.within(limits.iou, limits.scores):
                agreement, ties = again, ties + 1
        agreements.append(agreement)
    count = sum(map(len, wanted))
    over = f"{count} detections, {len(frames)} files, tiles {manifest.tiles.layout}"
    return detection_rows(agreements, count, ties, over, limits, variant)


def _parts(frame: CheckFrame, manifest: Manifest) -> list[tuple[int, int, int, int]]:
    height, width = frame.image_bgr.shape[:2]
    return manifest.tiles.parts((height, width), manifest.input.size_hw)
