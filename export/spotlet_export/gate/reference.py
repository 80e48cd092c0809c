"""The original network's results on the frames of the gate, computed once for all variants.

The original is PyTorch's network for an export, the original file for an adoption.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spotlet.boxes import FloatArray
from spotlet.check.probe import synthetic_canvases
from spotlet.detections import Detections
from spotlet.errors import GateError
from spotlet.image_files import write_image
from spotlet.letterbox import ImageArray
from spotlet.manifest import Manifest
from spotlet_export.gate.frames import CheckFrame
from spotlet_export.gate.witness import witness_canvas, witness_detections

FIRST_THRESHOLD = 0.1
LAST_THRESHOLD = 0.001
"""Detections are compared from a low score on; lower still if there are too few."""

ENOUGH_DETECTIONS = 50
"""Detections that make a comparison meaningful. For a network with few cells, half of what it can
produce is enough."""

MOST_CANDIDATES = 1000
"""Cells of one frame that fire at the threshold of the comparison: fewer than the runtime's limit,
and few enough for a slow witness. In a barely trained network all cells fire."""

Tensors = tuple[FloatArray, FloatArray]
"""Boxes (N, K, 4) and scores (N, K, C)."""

TensorsOf = Callable[[ImageArray], Tensors]
"""The original network: of canvases (N, H, W, 3) uint8 BGR."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CanvasGroup:
    """Canvases, and the original network's tensors for them.

    Attributes:
        name: for the report.
        natural: whether they show what the network is for.
        canvases: (N, H, W, 3) uint8 BGR.
        tensors: of the original network, float32.
    """

    name: str
    natural: bool
    canvases: ImageArray
    tensors: Tensors


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reference:
    """What every variant is compared with.

    Attributes:
        manifest: the rules.
        groups: real frames and edge cases, letterboxed by the witness.
        frames: that detections are compared on, written as files into `folder`.
        folder: has one PNG with the name of each frame.
        detections: of each frame, by the witness.
        canvases: (N, H, W, 3) uint8 BGR, of each frame.
        score_threshold: of those detections.
    """

    manifest: Manifest
    groups: tuple[CanvasGroup, ...]
    frames: tuple[CheckFrame, ...]
    folder: Path
    canvases: ImageArray
    detections: tuple[Detections, ...]
    score_threshold: float


def make_reference(
    original: TensorsOf,
    manifest: Manifest,
    frames: Sequence[CheckFrame],
    folder: Path,
    *,
    enough: int = ENOUGH_DETECTIONS,
) -> Reference:
    """Returns the original network's results for frames, and writes these as files.

    Args:
        original: the network as it was trained: not folded, not traced, not rewritten.
        manifest: the rules.
        frames: real ones and edge cases.
        folder: an empty one.
        enough: detections that a comparison needs.

    Raises:
        GateError: the network finds too little for a meaningful comparison.
    """
    canvases = np.stack([witness_canvas(frame.image_bgr, manifest) for frame in frames])
    boxes, scores = original(canvases)
    threshold, detections = _enough_detections((boxes, scores), frames, manifest, enough)
    synthetic = synthetic_canvases(manifest.input.size_hw)
    extra = original(synthetic)
    real = np.array([frame.real for frame in frames])
    for frame in frames:
        write_image(folder / f"{frame.name}.png", frame.image_bgr)
    return Reference(
        manifest=manifest,
        groups=(
            CanvasGroup(
                name="real frames",
                natural=True,
                canvases=canvases[real],
                tensors=(boxes[real], scores[real]),
            ),
            CanvasGroup(
                name="edge cases",
                natural=False,
                canvases=np.concatenate([canvases[~real], synthetic]),
                tensors=(
                    np.concatenate([boxes[~real], extra[0]]),
                    np.concatenate([scores[~real], extra[1]]),
                ),
            ),
        ),
        frames=tuple(frames),
        folder=folder,
        canvases=canvases,
        detections=tuple(detections),
        score_threshold=threshold,
    )


def judged_by_witness(
    tensors: Tensors, frames: Sequence[CheckFrame], manifest: Manifest, threshold: float
) -> list[Detections]:
    """Returns the witness's detections for tensors."""
    return [
        witness_detections(boxes, scores, frame.image_bgr, manifest, threshold)
        for boxes, scores, frame in zip(*tensors, frames, strict=True)
    ]


def _enough_detections(
    tensors: Tensors, frames: Sequence[CheckFrame], manifest: Manifest, enough: int
) -> tuple[float, list[Detections]]:
    """Returns a score threshold with enough detections to compare, and these."""
    enough = min(enough, tensors[0].shape[1] * len(frames) // 2)
    threshold = max(FIRST_THRESHOLD, _crowded(tensors[1]))
    while threshold >= LAST_THRESHOLD:
        found = judged_by_witness(tensors, frames, manifest, threshold)
        if sum(map(len, found)) >= enough:
            return threshold, found
        threshold /= 2
    raise GateError(
        f"nothing to compare: fewer than {enough} objects found in {len(frames)} frames even at a "
        f"score of {LAST_THRESHOLD}; train it longer, or give --data images that it was trained for"
    )


def _crowded(scores: FloatArray) -> float:
    """Returns the least score that at most `MOST_CANDIDATES` cells of any frame reach.

    Args:
        scores: (N, K, C).
    """
    best = np.sort(scores.max(axis=2), axis=1)[:, ::-1]
    if best.shape[1] <= MOST_CANDIDATES:
        return 0.0
    return float(np.nextafter(best[:, MOST_CANDIDATES].max(), np.float32(np.inf)))
