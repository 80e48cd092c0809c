"""How far a model's results here may differ from those at its export."""

from dataclasses import dataclass, replace
from typing import Any

from spotlet.check.probe import PROBE_KEY, PROBE_TOLERANCE, PROBE_TOLERANCE_KEY, SHA256_KEY
from spotlet.errors import ModelFileError
from spotlet.model.package import INT8_VARIANTS, PARITY_FILE
from spotlet.model.providers import CPU_PROVIDER
from spotlet.session import ModelSession

BATCH_TOLERANCE = 1e-4
"""Greatest |Δ| between a canvas alone and in a batch."""


@dataclass(frozen=True, slots=True)
class GoldenTolerance:
    """How far a machine's results may differ from the export's.

    Attributes:
        tensors: greatest |Δ| of a digest's number: boxes in [0, 1] of the canvas, scores.
        scores: greatest |Δ| of a detection's score.
        iou: least overlap of a detection with its partner, in [0, 1].
        canvas: greatest |Δ| of the letterboxed canvas's digest, grey levels. A difference up
            to it is a warning: OpenCV's `linear` rounds differently on some processors. A
            different interpolation is off by tens.
        ties: whether suppression may keep another box of an object. Then each detection of the
            export must agree with a candidate here, and each one here be of an object there.

    Raises:
        ValueError: a value is not a number, or out of range.
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

    def at_least(self, other: "GoldenTolerance | None") -> "GoldenTolerance":
        """Returns the tolerance that allows whatever either of the two allows."""
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
most 1e-6. Rounding them to half precision moves them by up to 2.4e-4, computing in it by about
1e-3: 1e-4 lies between."""

INT8_TOLERANCE = GoldenTolerance(0.03, 0.05, 0.8, ties=True)
"""Between onnxruntime 1.18 and 1.32, graph optimisation on and off, int8 networks differ by up to
0.01 in a score and 0.0023 in a box: a value at the edge of a step falls to either side, and
later layers amplify that. Noise of that size changed suppression's choice in one frame of five,
hence `ties`."""

INT8_PROVIDER_TOLERANCE = GoldenTolerance(0.15, 0.1, 0.8, ties=True)
"""For an int8 network on a provider other than the CPU: each rounds differently between integer
layers. OpenVINO differs from onnxruntime's CPU by up to 0.11 in a tensor's score and 0.043 in a
detection's; quantising alone moved them by 0.12. Float32 needs no such tolerance: OpenVINO is
within 2e-6."""

UNKNOWN_CANVAS = GoldenTolerance(0.15, 0.1, 0.5)
"""For a network whose canvas at the export cannot be made here: one grey level moved the tensors of
the bundled models by up to 0.054."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerances:
    """The tolerances of one check of a model file.

    Attributes:
        probe: greatest |Δ| of a tensor's number from the record, for a synthetic canvas.
        batch: greatest |Δ| between a canvas alone and in a batch: what was recorded for a network
            in float16 or eight bits, else `BATCH_TOLERANCE`.
        same_machine: for the file's precision, between two runs on one machine.
        floor: allowed at least, whatever the export recorded; None if the record alone counts.
    """

    probe: float
    batch: float
    same_machine: GoldenTolerance
    floor: GoldenTolerance | None

    @property
    def text(self) -> str:
        """The tolerance for a provider other than the CPU, as text."""
        if self.floor is None:
            return f"as on the CPU, tensors within {self.probe:g}"
        tensors, scores, iou = self.floor.tensors, self.floor.scores, self.floor.iou
        limits = f"tensors within {tensors:g}, scores {scores:g}, overlap {iou:g}"
        return f"for int8 on a provider other than the CPU, {limits}"


def choose_tolerances(session: ModelSession, parity: dict[str, Any] | None) -> Tolerances:
    """Returns the tolerances of a model file here, by its precision, provider and record.

    Args:
        session: of the model file.
        parity: the file's record in `parity.json`; None without one.

    Raises:
        ModelFileError: the record is incomplete.
    """
    variants = (session.manifest.parity.get("variant"), (parity or {}).get("variant"))
    int8 = any(name in INT8_VARIANTS for name in variants)
    elsewhere = session.provider != CPU_PROVIDER
    same_machine = INT8_TOLERANCE if int8 else FP32_TOLERANCE
    floor = INT8_PROVIDER_TOLERANCE if int8 and elsewhere else None
    probe = INT8_TOLERANCE.tensors if int8 else PROBE_TOLERANCE
    if parity is not None:
        probe = _recorded_tolerance(session, parity, probe)
    # Sums in another order may move a value across a step of eight bits, or of float16. Exports
    # record more than the default only for these.
    coarse = int8 or probe > PROBE_TOLERANCE
    batch = probe if coarse else BATCH_TOLERANCE
    if coarse and not int8:
        same_machine = same_machine.at_least(replace(same_machine, tensors=probe, scores=probe))
    if floor is not None:
        probe = max(probe, floor.tensors)
    elif parity is None and elsewhere:  # compared on one machine
        probe = FP32_TOLERANCE.tensors
    return Tolerances(probe=probe, batch=batch, same_machine=same_machine, floor=floor)


def _recorded_tolerance(session: ModelSession, parity: dict[str, Any], default: float) -> float:
    needed = {"cells": [PROBE_KEY, SHA256_KEY], "detections": [SHA256_KEY]}
    missing = [key for key in needed[session.manifest.output.form] if key not in parity]
    tolerance = parity.get(PROBE_TOLERANCE_KEY, default)
    if missing or type(tolerance) not in (int, float) or not 0 <= tolerance <= 1:
        why = f"no {missing[0]}" if missing else f"{PROBE_TOLERANCE_KEY} {tolerance!r}"
        folder, name = session.path.parent, session.path.name
        raise ModelFileError(f"{folder / PARITY_FILE}: {why} for {name}; export the model again")
    return float(tolerance)
