"""What a model gives for one frame: everything between the picture and the detections."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from spotlet.check.digest import Digest, digest, finite_numbers, rounded
from spotlet.detections import Detections
from spotlet.detector import Detector
from spotlet.letterbox import ImageArray

CANVAS_SAMPLES, CANVAS_RUNS = 256, 64
"""Of a canvas's digest: it is larger than the tensors, and blank at the borders."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Observation:
    """What a model gave for one frame.

    Attributes:
        size_hw: height and width of the frame, pixels.
        pixels: `pixels_sha256` of it.
        canvas: of the letterboxed frame, grey levels.
        boxes: of the tensor (K, 4), in [0, 1] of the canvas.
        scores: of the tensor (K, C).
        detections: in pixels of the frame.
    """

    size_hw: tuple[int, int]
    pixels: str
    canvas: Digest
    boxes: Digest
    scores: Digest
    detections: Detections

    def to_json(self) -> dict[str, Any]:
        """Returns it as JSON can hold it, detections as [class_id, score, x1, y1, x2, y2]."""
        found = self.detections
        rows = np.column_stack([found.class_ids, found.scores, found.boxes_xyxy])
        return {
            "size_hw": list(self.size_hw),
            "pixels": self.pixels,
            "canvas": self.canvas.to_json(),
            "boxes": self.boxes.to_json(),
            "scores": self.scores.to_json(),
            "detections": [rounded(row) for row in rows.astype(np.float64)],
        }

    @classmethod
    def from_json(cls, content: Any, class_names: tuple[str, ...]) -> "Observation":
        """Returns it as it was written, for a model of these classes.

        Raises:
            KeyError: a key is missing.
            TypeError: a value is of another type.
            ValueError: a value breaks its rule.
        """
        height, width = finite_numbers(content["size_hw"])
        if not isinstance(content["pixels"], str) or not isinstance(content["detections"], list):
            raise ValueError("pixels must be text, detections a list")
        rows = [finite_numbers(row) for row in content["detections"]]
        table = np.array(rows, np.float64).reshape(len(rows), 6)
        return cls(
            size_hw=(int(height), int(width)),
            pixels=content["pixels"],
            canvas=Digest.from_json(content["canvas"]),
            boxes=Digest.from_json(content["boxes"]),
            scores=Digest.from_json(content["scores"]),
            detections=Detections(
                table[:, 2:].astype(np.float32),
                table[:, 1].astype(np.float32),
                table[:, 0].astype(np.int64),
                class_names,
            ),
        )


def observe(
    detector: Detector, frame_bgr: ImageArray, canvas: ImageArray | None = None
) -> Observation:
    """Returns what a model gives for a frame, here and now.

    Args:
        detector: of the model.
        frame_bgr: (H, W, 3) uint8 BGR.
        canvas: the letterboxed frame, where it is to be another than the detector's.

    Raises:
        UsageError: the array is no such frame.
    """
    letterbox = detector.letterbox(frame_bgr)
    own = canvas is None
    canvas = letterbox.apply(frame_bgr) if canvas is None else canvas
    boxes, scores = detector.session.run(canvas[np.newaxis])
    return Observation(
        size_hw=letterbox.frame_hw,
        pixels=pixels_sha256(frame_bgr),
        canvas=digest(canvas, CANVAS_SAMPLES, CANVAS_RUNS),
        boxes=digest(boxes[0]),
        scores=digest(scores[0]),
        detections=detector(frame_bgr)
        if own
        else detector.found_in(boxes[0], scores[0], letterbox),
    )


def pixels_sha256(frame_bgr: ImageArray) -> str:
    """Returns a checksum of what is in a picture, however its file holds it."""
    return hashlib.sha256(np.ascontiguousarray(frame_bgr).tobytes()).hexdigest()
