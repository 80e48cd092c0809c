"""What a model returned for a frame, recorded for comparison on other machines.

A record holds the detections, and digests of canvas, boxes and scores. A digest is a few hundred
numbers that change when any large part of an array does: few enough for JSON, and as many for an
empty frame as for a crowded one, so that it proves as much.
"""

import hashlib
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray
from spotlet.detections import Detections
from spotlet.detector import Detector, Outputs
from spotlet.letterbox import ImageArray
from spotlet.text.schema import require_keys

NumberArray = npt.NDArray[np.float64]

DIGITS = 7
"""Significant digits kept: float32 has no more."""

DIGESTS = ("canvas", "boxes", "scores")

CANVAS_SAMPLES, CANVAS_RUNS = 256, 64
"""For a canvas's digest: it is larger than the tensors, and its borders are blank."""


@dataclass(frozen=True, slots=True, eq=False)
class Digest:
    """The digest of an array.

    Attributes:
        shape: of the array.
        sample: (S,) elements spread over it.
        means: (R,) means of consecutive runs of nearly equal length.
        peaks: (R,) greatest elements of the same runs.
    """

    shape: tuple[int, ...]
    sample: NumberArray
    means: NumberArray
    peaks: NumberArray

    def difference(self, other: "Digest") -> float:
        """Returns the greatest |Δ| of any number, never more than that of the arrays.

        Returns:
            In the arrays' unit; infinite if their shapes differ, NaN if either holds one.
        """
        here, there = ((each.sample, each.means, each.peaks) for each in (self, other))
        if self.shape != other.shape or [len(a) for a in here] != [len(b) for b in there]:
            return float("inf")
        with np.errstate(invalid="ignore"):
            gaps = np.abs(np.concatenate(here) - np.concatenate(there))
        return float(gaps.max(initial=0.0))

    def to_json(self) -> dict[str, Any]:
        """Returns the digest as a dict for JSON."""
        return {each.name: np.asarray(getattr(self, each.name)).tolist() for each in fields(self)}

    @classmethod
    def from_json(cls, content: Any) -> "Digest":
        """Returns the digest that `to_json` wrote.

        Raises:
            ValueError: a key is missing or unknown, or a value is not a list of finite numbers.
        """
        given = require_keys(content, cls, "digest: ")
        shape, *parts = (finite_numbers(given[each.name]) for each in fields(cls))
        return cls(tuple(int(side) for side in shape), *parts)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FrameRecord:
    """What a model returned for one frame.

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
        """Returns a dict for JSON, with detections as [class_id, score, x1, y1, x2, y2]."""
        found = self.detections
        rows = np.column_stack([found.class_ids, found.scores, found.boxes_xyxy])
        return {
            "size_hw": list(self.size_hw),
            "pixels": self.pixels,
            **{name: getattr(self, name).to_json() for name in DIGESTS},
            "detections": [rounded(row) for row in rows.astype(np.float64)],
        }

    @classmethod
    def from_json(cls, content: Any, class_names: tuple[str, ...]) -> "FrameRecord":
        """Returns the record that `to_json` wrote for a model with these classes.

        Raises:
            KeyError: a key is missing.
            TypeError: a value has the wrong type.
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
            **{name: Digest.from_json(content[name]) for name in DIGESTS},
            detections=Detections(
                table[:, 2:].astype(np.float32),
                table[:, 1].astype(np.float32),
                table[:, 0].astype(np.int64),
                class_names,
            ),
        )


def record_frame(detector: Detector, frame_bgr: ImageArray, outputs: Outputs) -> FrameRecord:
    """Returns the record of a frame (H, W, 3) uint8 BGR and of the detector's outputs for it."""
    return FrameRecord(
        size_hw=outputs.letterbox.frame_hw,
        pixels=pixels_sha256(frame_bgr),
        canvas=digest_canvas(outputs.canvas),
        boxes=digest(outputs.boxes),
        scores=digest(outputs.scores),
        detections=detector.found_in(outputs),
    )


def digest(values: FloatArray | ImageArray, samples: int = 192, runs: int = 48) -> Digest:
    """Returns the digest of an array, rounded to `DIGITS` significant digits.

    Args:
        values: of any shape, in any unit.
        samples: how many single elements to keep; all if there are fewer.
        runs: how many runs to summarize.

    Example:
        >>> digest(np.array([[0, 1], [2, 6]], np.float32), samples=4, runs=2).means.tolist()
        [0.5, 4.0]
    """
    flat = values.astype(np.float64).ravel()
    starts, lengths = _runs(flat.size, runs)
    with np.errstate(invalid="ignore"):  # infinities of a broken network show in the result
        means = np.add.reduceat(flat, starts) / lengths
    parts = flat[sample_indices(flat.size, samples)], means, np.maximum.reduceat(flat, starts)
    return Digest(values.shape, *(np.array(rounded(part), np.float64) for part in parts))


def digest_canvas(canvas: ImageArray) -> Digest:
    """Returns the digest of a letterboxed frame, grey levels."""
    return digest(canvas, CANVAS_SAMPLES, CANVAS_RUNS)


def sample_indices(size: int, count: int) -> npt.NDArray[np.int64]:
    """Returns one index in each of `count` nearly equal runs of range(size).

    Its place in the run is pseudo-random, so that every row, column and colour channel is sampled,
    and computed in integers, so that it is the same on every machine.
    """
    starts, lengths = _runs(size, count)
    # Knuth's multiplicative hash, TAOCP vol. 3, section 6.4, as a fraction of 2**32.
    fraction = (np.arange(1, len(starts) + 1, dtype=np.int64) * 2654435761) % 2**32
    indices: npt.NDArray[np.int64] = starts + ((fraction * lengths) >> 32)
    return indices


def pixels_sha256(frame_bgr: ImageArray) -> str:
    """Returns a checksum of a picture's pixels, whatever its file format."""
    return hashlib.sha256(np.ascontiguousarray(frame_bgr).tobytes()).hexdigest()


def finite_numbers(content: Any) -> NumberArray:
    """Converts a list read from JSON to (N,) float64.

    Raises:
        ValueError: it is not a list of finite numbers.
    """
    if not isinstance(content, list) or not all(type(each) in (int, float) for each in content):
        raise ValueError("expected a list of numbers")
    try:
        numbers = np.array(content, np.float64)
    except OverflowError as error:
        raise ValueError("a number is too large") from error
    if not np.isfinite(numbers).all():
        raise ValueError("a number is not finite")
    return numbers


def rounded(values: NumberArray) -> list[float]:
    """Returns the numbers with `DIGITS` significant digits, to keep the JSON short."""
    return [float(f"{value:.{DIGITS}g}") for value in values.tolist()]


def _runs(size: int, count: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Returns the starts and lengths of nearly equal runs of range(size)."""
    count = min(count, size)
    edges = np.arange(count + 1, dtype=np.int64) * size // max(count, 1)
    return edges[:-1], np.diff(edges)
