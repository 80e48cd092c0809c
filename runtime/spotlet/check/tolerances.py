"""How far a model may be here from what it was where it was proven."""

from dataclasses import dataclass
from typing import Any

from spotlet.check.probe import PROBE_KEY, PROBE_TOLERANCE, PROBE_TOLERANCE_KEY, SHA256_KEY
from spotlet.errors import ModelFileError
from spotlet.model.package import INT8_VARIANTS, PARITY_FILE
from spotlet.model.providers import CPU_PROVIDER
from spotlet.session import ModelSession

BATCH_TOLERANCE = 1e-4
"""Between a canvas alone and the same one in a batch."""


@dataclass(frozen=True, slots=True)
class GoldenTolerance:
    """How far a machine may be from the one of the export.

    Attributes:
        tensors: greatest |Δ| of a digest's number: boxes in [0, 1] of the canvas, scores.
        scores: greatest |Δ| of a detection's score.
        iou: least overlap of a detection with its partner, in [0, 1].
        canvas: greatest |Δ| of the letterboxed canvas's digest, grey levels. Up to it, a canvas
            that differs is a warning: OpenCV's `linear` rounds differently on some processors. A
            different interpolation is off by tens.
        ties: whether suppression may keep another box of an object. Then a detection of the
            export must agree with a candidate here, and one here must be of an object there.

    Raises:
        ValueError: a value is not a number, or out of its range.
    """

    tensors: float
    scores: float
    iou: float
    canvas: float = 1.0
    ties: bool = False

    def __post_init__(self) -> None:
        for name, highest in (("tensors", 1), ("scores", 1), ("iou", 1), ("canvas", 255)):
            value = getattr(self, name)
            if type(value) not in (int, float) or not 0 <= value <= highest:
                raise ValueError(f"tolerance {name} {value!r} must be from 0 to {highest}")
        if type(self.ties) is not bool:
            raise ValueError(f"tolerance ties {self.ties!r} must be true or false")

    def loosened(self, other: "GoldenTolerance | None") -> "GoldenTolerance":
        """Returns a tolerance that allows all that either of the two allows."""
        if other is None:
            return self
        return GoldenTolerance(
            max(self.tensors, other.tensors),
            max(self.scores, other.scores),
            min(self.iou, other.iou),
            max(self.canvas, other.canvas),
            self.ties or other.ties,
        )


FP32_TOLERANCE = GoldenTolerance(1e-4, 1e-3, 0.99)
"""Between onnxruntime 1.18 and 1.32, graph optimisation on and off, float32 outputs differ by at
most 1e-6. Rounding them to half precision moves them by up to 2.4e-4, and computing in it by some
1e-3: 1e-4 lies between."""

INT8_TOLERANCE = GoldenTolerance(0.03, 0.05, 0.8, ties=True)
"""Between onnxruntime 1.18 and 1.32, graph optimisation on and off, int8 networks differ by up to
0.01 in a score and 0.0023 in a box: a value at the edge of a step falls to either side, and the
layers after enlarge that. Noise of that size changed suppression's choice in one frame of five,
hence `ties`."""

INT8_PROVIDER_TOLERANCE = GoldenTolerance(0.15, 0.1, 0.8, ties=True)
"""Of an int8 network on a provider other than the CPU: each rounds between its integer layers in
its own way. OpenVINO is up to 0.11 from onnxruntime's CPU in a score of a tensor, and 0.043 in a
detection's, where quantising alone moved them by 0.12. Float32 needs no such tolerance: OpenVINO is
within 2e-6."""

UNKNOWN_CANVAS = GoldenTolerance(0.15, 0.1, 0.5)
"""Of a network whose input at the export cannot be made here: a grey level moved the tensors of the
bundled models by up to 0.054."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerances:
    """What one check of a model file allows, chosen once.

    Attributes:
        probe: greatest |Δ| of a tensor's number from the record, for synthetic canvases.
        batch: greatest |Δ| between a canvas alone and in a batch.
        usual: of the file's precision on one machine.
        loosened: what another provider than the CPU may differ by at least, whatever the export
            recorded; None where the record alone counts.
    """

    probe: float
    batch: float
    usual: GoldenTolerance
    loosened: GoldenTolerance | None

    @property
    def text(self) -> str:
        """What another provider than the CPU is held to, as text."""
        if self.loosened is None:
            return f"as on the CPU, tensors within {self.probe:g}"
        tensors, scores, iou = self.loosened.tensors, self.loosened.scores, self.loosened.iou
        limits = f"tensors within {tensors:g}, scores {scores:g}, overlap {iou:g}"
        return f"of int8 on another provider than the CPU, {limits}"


def choose_tolerances(session: ModelSession, parity: dict[str, Any] | None) -> Tolerances:
    """Returns what a model file may differ by here: by its precision, provider and record.

    Args:
        session: of the model file.
        parity: of the file, from `parity.json`; None without a record.

    Raises:
        ModelFileError: the record is incomplete.
    """
    variants = (session.manifest.parity.get("variant"), (parity or {}).get("variant"))
    int8 = any(name in INT8_VARIANTS for name in variants)
    elsewhere = session.provider != CPU_PROVIDER
    usual = INT8_TOLERANCE if int8 else FP32_TOLERANCE
    loosened = INT8_PROVIDER_TOLERANCE if int8 and elsewhere else None
    probe = INT8_TOLERANCE.tensors if int8 else PROBE_TOLERANCE
    if parity is not None:
        probe = _recorded_tolerance(session, parity, probe)
    # Sums in another order may move an eight-bit value across a step.
    batch = probe if int8 else BATCH_TOLERANCE
    if loosened is not None:
        probe = max(probe, loosened.tensors)
    elif parity is None and elsewhere:  # one machine, not two
        probe = FP32_TOLERANCE.tensors
    return Tolerances(probe=probe, batch=batch, usual=usual, loosened=loosened)


def _recorded_tolerance(session: ModelSession, parity: dict[str, Any], default: float) -> float:
    needed = {"cells": [PROBE_KEY, SHA256_KEY], "detections": [SHA256_KEY]}
    missing = [key for key in needed[session.manifest.output.form] if key not in parity]
    tolerance = parity.get(PROBE_TOLERANCE_KEY, default)
    if missing or type(tolerance) not in (int, float) or not 0 <= tolerance <= 1:
        why = f"no {missing[0]}" if missing else f"{PROBE_TOLERANCE_KEY} {tolerance!r}"
        folder, name = session.path.parent, session.path.name
        raise ModelFileError(f"{folder / PARITY_FILE}: {why} of {name}; export the model again")
    return float(tolerance)
