"""The comparisons of the gate: tensors, then detections."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from spotlet import Detector, open_stream
from spotlet.boxes import FloatArray, box_iou
from spotlet.detections import Detections
from spotlet.errors import GateError
from spotlet.letterbox import ImageArray
from spotlet.manifest import Manifest
from spotlet.session import ModelSession, synthetic_canvases
from spotlet_export.frames import CheckFrame
from spotlet_export.report import Row
from spotlet_export.witness import witness_canvas, witness_detections, witness_tensors
from spotlet_training.network import Network

TENSOR_LIMIT = 1e-4
"""Greatest difference of a tensor's elements: boxes in [0, 1] of the canvas, scores."""

NOISE_PIXELS = 0.01
"""Boxes whose sides lie this near are the same, whatever their IoU."""

IOU_LIMIT = 0.99
"""Least overlap of a detection with its partner."""

SCORE_LIMIT = 1e-3
"""Greatest difference of a detection's score from its partner's."""

PARTNER_IOU = 0.5
"""Overlap from which two detections are taken for the same object."""

FIRST_THRESHOLD = 0.1
LAST_THRESHOLD = 0.001
"""Detections are compared from a low score up, lower still where there are too few."""

ENOUGH_DETECTIONS = 50
"""For a comparison to prove something. A network of few cells cannot give so many: of it, half
of what it can give is enough."""

TIES_ALLOWED = 4
"""One frame in so many may be decided by a tie."""

BATCH = 8


def compare_tensors(
    network: Network, session: ModelSession, frames: Sequence[CheckFrame]
) -> list[Row]:
    """Returns the rows for PyTorch against onnxruntime on the same canvases.

    Args:
        network: the checkpoint's, as trained: not folded, not traced.
        session: of the exported file.
        frames: real ones and edge cases.
    """
    manifest = session.manifest
    groups = {
        "real frames": [witness_canvas(f.image_bgr, manifest) for f in frames if f.real],
        "edge cases": [
            *(witness_canvas(f.image_bgr, manifest) for f in frames if not f.real),
            *synthetic_canvases(manifest.input.size_hw),
        ],
    }
    rows = []
    for over, canvases in groups.items():
        expected = witness_tensors(network, np.stack(canvases))
        batched = _in_batches(session, np.stack(canvases), BATCH)
        single = _in_batches(session, np.stack(canvases), 1)
        for name, want, many, one in zip(
            ("boxes", "scores"), expected, batched, single, strict=True
        ):
            for what, got in ((f"batch {BATCH}", many), ("batch 1", one)):
                rows.append(
                    Row(
                        name=f"tensor {name}, max |Δ|",
                        over=f"{len(canvases)} {over}, {what}",
                        measured=largest_difference(want, got),
                        limit=TENSOR_LIMIT,
                    )
                )
    return rows


def compare_detections(
    network: Network, session: ModelSession, frames: Sequence[CheckFrame], folder: Path
) -> list[Row]:
    """Returns the rows for the witness against the shipped runtime, from image files.

    Two cells whose scores differ by less than float noise, or one at the very threshold, may
    fall either way. So where a frame's detections differ, the witness judges again on
    onnxruntime's tensors, which the tensor rows bind to PyTorch's: if the runtime agrees with
    that, a tie decided the frame, and it is counted as such.

    Args:
        network: the checkpoint's.
        session: of the exported file, which the shipped runtime loads for itself.
        frames: real ones and edge cases.
        folder: where the frames can be written as files; empty.

    Raises:
        GateError: the network finds too little for the comparison to prove anything.
    """
    manifest = session.manifest
    canvases = np.stack([witness_canvas(frame.image_bgr, manifest) for frame in frames])
    threshold, expected = _enough_detections(witness_tensors(network, canvases), frames, manifest)
    for frame in frames:
        cv2.imwrite(str(folder / f"{frame.name}.png"), frame.image_bgr)
    detector = Detector(session.path, score_threshold=threshold)
    with open_stream(folder) as stream:
        found = {Path(frame.source).stem: detector(frame.image) for frame in stream}
    ties = 0
    agreements = []
    for frame, want, canvas in zip(frames, expected, canvases, strict=True):
        agreement = agree(want, found[frame.name])
        if not agreement.passed:
            (tie,) = _witness(session.run(canvas[None]), [frame], manifest, threshold)
            judged_again = agree(tie, found[frame.name])
            if judged_again.passed:
                agreement = judged_again
                ties += 1
        agreements.append(agreement)
    sizes = len({frame.image_bgr.shape for frame in frames})
    over = f"{sum(map(len, expected))} detections, {len(frames)} files of {sizes} sizes"
    return [
        Row(
            name="detections without a partner",
            over=over,
            measured=sum(item.unmatched for item in agreements),
            limit=0,
        ),
        Row(
            name="detections, least IoU",
            over=over,
            measured=min(item.least_iou for item in agreements),
            limit=IOU_LIMIT,
            at_least=True,
        ),
        Row(
            name="detections, max |Δ| of scores",
            over=over,
            measured=max(item.score_difference for item in agreements),
            limit=SCORE_LIMIT,
        ),
        Row(
            name="frames that a tie decided",
            over=f"{len(frames)} files",
            measured=ties,
            limit=len(frames) // TIES_ALLOWED,
        ),
    ]


class Agreement(NamedTuple):
    """How well the detections of one frame agree.

    Attributes:
        unmatched: how many on either side have no partner.
        least_iou: of the pairs; 1 where there is none.
        score_difference: greatest of the pairs; 0 where there is none.
    """

    unmatched: int
    least_iou: float
    score_difference: float

    @property
    def passed(self) -> bool:
        """Whether every figure keeps its limit."""
        return (
            self.unmatched == 0
            and self.least_iou >= IOU_LIMIT
            and self.score_difference <= SCORE_LIMIT
        )


def agree(wanted: Detections, found: Detections) -> Agreement:
    """Returns how well two results for one frame agree."""
    pairs = match(wanted, found)
    overlaps = box_iou(wanted.boxes_xyxy, found.boxes_xyxy)
    # Of a sliver at the border, float noise is a share that counts, of no pixel that does.
    same = [
        np.abs(wanted.boxes_xyxy[a] - found.boxes_xyxy[b]).max() <= NOISE_PIXELS for a, b in pairs
    ]
    return Agreement(
        len(wanted) + len(found) - 2 * len(pairs),
        min(
            (
                1.0 if noise else float(overlaps[pair])
                for pair, noise in zip(pairs, same, strict=True)
            ),
            default=1.0,
        ),
        max((abs(float(wanted.scores[a] - found.scores[b])) for a, b in pairs), default=0.0),
    )


def match(wanted: Detections, found: Detections) -> list[tuple[int, int]]:
    """Returns pairs of indices, best overlap first, one to one.

    Partners are of the same class and overlap by `PARTNER_IOU` at least; how well they agree
    is for the rows to say.
    """
    iou = box_iou(wanted.boxes_xyxy, found.boxes_xyxy)
    fits = (wanted.class_ids[:, None] == found.class_ids[None]) & (iou >= PARTNER_IOU)
    quality = np.where(fits, iou, -1.0)
    pairs = []
    while quality.size and quality.max() > 0:
        a, b = (int(index) for index in np.unravel_index(quality.argmax(), quality.shape))
        pairs.append((a, b))
        quality[a, :] = -1.0
        quality[:, b] = -1.0
    return pairs


def largest_difference(wanted: FloatArray, got: FloatArray) -> float:
    """Returns max |wanted - got|; infinite where shapes differ or a value is not finite."""
    if wanted.shape != got.shape or not (np.isfinite(wanted).all() and np.isfinite(got).all()):
        return float("inf")
    return float(np.abs(wanted - got).max())


def _in_batches(
    session: ModelSession, canvases: ImageArray, size: int
) -> tuple[FloatArray, FloatArray]:
    parts = [session.run(canvases[i : i + size]) for i in range(0, len(canvases), size)]
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def _witness(
    tensors: tuple[FloatArray, FloatArray],
    frames: Sequence[CheckFrame],
    manifest: Manifest,
    threshold: float,
) -> list[Detections]:
    return [
        witness_detections(boxes, scores, frame.image_bgr, manifest, threshold)
        for boxes, scores, frame in zip(*tensors, frames, strict=True)
    ]


def _enough_detections(
    tensors: tuple[FloatArray, FloatArray], frames: Sequence[CheckFrame], manifest: Manifest
) -> tuple[float, list[Detections]]:
    """Returns a score threshold that gives enough detections to compare, and those."""
    enough = min(ENOUGH_DETECTIONS, tensors[0].shape[1] * len(frames) // 2)
    threshold = FIRST_THRESHOLD
    while threshold >= LAST_THRESHOLD:
        found = _witness(tensors, frames, manifest, threshold)
        if sum(map(len, found)) >= enough:
            return threshold, found
        threshold /= 2
    raise GateError(
        f"the network finds fewer than {enough} objects in {len(frames)} frames even "
        f"at a score of {LAST_THRESHOLD}: nothing to compare; train it longer, or give --data "
        "images that it was trained for"
    )
