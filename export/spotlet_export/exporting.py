"""Exports a checkpoint: build the graph, measure it, and only then write a package.

The order of the rooms: `package.describing` (the manifest), `graph` (ONNX, int8), `gate` (is it the
same network?), `package` with its `card`.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import onnx

from spotlet.bench.int8_gain import measure_int8_gain
from spotlet.errors import UsageError
from spotlet_export.gate.gate import Gate
from spotlet_export.gate.report import Report
from spotlet_export.gate.variants import (
    DEFAULT_BUDGET,
    END_TO_END,
    FP32,
    FP32_LIMITS,
    INT8,
    Limits,
    int8_limits,
)
from spotlet_export.graph.budget import quantise_within
from spotlet_export.graph.graph import build_graph
from spotlet_export.graph.quantisation import Calibration
from spotlet_export.package.describing import make_manifest
from spotlet_export.package.folder import check_package_folder
from spotlet_export.package.golden_frames import SOURCES
from spotlet_export.package.golden_search import choose_golden_frames
from spotlet_export.package.packaging import Contents, write_package
from spotlet_training.datasets import Dataset
from spotlet_training.network.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSettings:
    """What to export, and what to put into the package.

    Attributes:
        name: of the model; the folder's name by default.
        int8_budget: AP that the int8 variant may cost, absolute, in [0, 1].
        end_to_end: whether to write each file a second time, with suppression in the graph.
        golden: source of the golden frames, one of `golden_frames.SOURCES`.
        notes: Markdown for the card: source and licence of the data, purpose of the model.
        attachments: files to copy into the package.

    Raises:
        UsageError: a value breaks its rule.
    """

    name: str | None = None
    int8_budget: float = DEFAULT_BUDGET
    end_to_end: bool = False
    golden: str = "data"
    notes: str = ""
    attachments: Sequence[Path] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.int8_budget <= 1:
            raise UsageError(f"int8 budget {self.int8_budget}: must be from 0 to 1")
        if self.golden not in SOURCES:
            raise UsageError(f"golden {self.golden!r}: must be one of {', '.join(SOURCES)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """The result of an export.

    Attributes:
        package: the folder that was written.
        report: what the gate measured; every row passed.
        file_bytes: of the model files, by name.
        quantisation: record of the int8 variant; None without one.
        golden_detections: that a check of the package compares; 0 proves nothing about them.
    """

    package: Path
    report: Report
    file_bytes: Mapping[str, int] = field(default_factory=dict)
    quantisation: Mapping[str, Any] | None = None
    golden_detections: int = 0


def export_package(
    checkpoint: Checkpoint,
    package: Path,
    compare_on: Dataset,
    settings: ExportSettings = ExportSettings(),
    *,
    calibrate_on: Dataset | None = None,
    on_step: Callable[[str], None] = lambda _: None,
    on_report: Callable[[Report], None] = lambda _: None,
) -> Export:
    """Writes a model package, if and only if its ONNX files are the same network.

    Args:
        checkpoint: what was trained.
        package: folder to write; an existing package is replaced as a whole.
        compare_on: images to compare on, best the validation images of the model's own set: if
            its classes are the model's, the accuracy is compared too.
        settings: what to export, and what to put into the package.
        calibrate_on: training images; with them the package gets an int8 variant too.
        on_step: called with the step that starts.
        on_report: called with what was measured, passed or not.

    Raises:
        GateError: a row failed, or int8 is over its budget; nothing was written.
        OutputError: the folder cannot be written, or holds something other than a package.
    """
    check_package_folder(package, settings.attachments)
    manifest = make_manifest(checkpoint, settings.name or package.resolve().name)
    on_step("building the ONNX graph")
    graph = build_graph(checkpoint.network, manifest)
    models: dict[str, tuple[onnx.ModelProto, Limits]] = {FP32: (graph, FP32_LIMITS)}
    quantisation = None
    with tempfile.TemporaryDirectory(prefix="spotlet-export-") as folder:
        gate = Gate.of(checkpoint, manifest, compare_on, Path(folder), on_step)
        try:
            if calibrate_on is not None:
                gate.require_labels(INT8)
            passed = gate.prove(FP32, graph, FP32_LIMITS).passed
            if passed and calibrate_on is not None:
                models[INT8], quantisation = prove_int8(
                    gate, graph, calibrate_on, settings.int8_budget
                )
            if settings.end_to_end and all(row.passed for row in gate.rows):
                for variant, (model, limits) in tuple(models.items()):
                    joined = gate.prove_end_to_end(variant, model)
                    models[END_TO_END[variant]] = (joined, limits)
        finally:  # whatever happens, what was measured is reported
            on_report(Report(tuple(gate.rows)))
        report = gate.require_passed()
        on_step("recording golden frames and writing the package")
        golden = choose_golden_frames(
            settings.golden,
            lambda index: compare_on.load(index).image_bgr,
            len(compare_on),
            [(gate.files[name], limits.golden) for name, (_, limits) in models.items()],
            on_step,
        )
        contents = Contents(
            golden=golden,
            notes=settings.notes,
            attachments=settings.attachments,
            quantisation=quantisation,
        )
        sizes = write_package(package, gate, report, models, contents)
    return Export(
        package=package,
        report=report,
        file_bytes=sizes,
        quantisation=quantisation,
        golden_detections=golden.detections,
    )


def prove_int8(
    gate: Gate, graph: onnx.ModelProto, calibrate_on: Dataset, budget: float
) -> tuple[tuple[onnx.ModelProto, Limits], dict[str, Any]]:
    """Returns the int8 variant, measured by the gate, with its limits and its record.

    Precondition: the float32 graph passed `gate`, which has labels.

    Raises:
        GateError: it is over the budget (AP, absolute), or there are no images to calibrate on.
    """
    limits = int8_limits(budget)
    calibration = Calibration.of(calibrate_on, gate.reference.manifest)
    quantised = quantise_within(
        budget,
        graph,
        calibration,
        lambda model: gate.accuracy_drop(model, limits, INT8),
        gate.scratch,
        gate.on_step,
    )
    gate.prove(INT8, quantised.model, limits)
    record = {
        "calibration_images": calibration.count,
        "budget": budget,
        "ap_drop": quantised.drops[-1],
        "ap_drops": list(quantised.drops),
        "layers": quantised.layers,
        "float_layers": list(quantised.float_layers),
        "damage": quantised.damage,
        "latency": asdict(measure_int8_gain(gate.files[FP32], gate.files[INT8])),
    }
    return (quantised.model, limits), record
