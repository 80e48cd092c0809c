"""Export as a gate: build, measure, and only then write."""

import hashlib
import json
import platform
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import onnx

from spotlet.atomic import atomic_folder, check_replaceable
from spotlet.errors import CheckpointError, GateError, ModelFileError, OutputError
from spotlet.manifest import METADATA_KEY, DetectionRule, InputRule, Manifest, OutputRule
from spotlet.package import CARD_FILE, MODEL_FILE, PARITY_FILE
from spotlet.session import ModelSession
from spotlet.verification import PROBE_KEY, SHA256_KEY, probe
from spotlet_export.card import model_card
from spotlet_export.frames import check_frames
from spotlet_export.graph import IR_VERSION, OPSET, build_graph
from spotlet_export.parity import compare_detections, compare_tensors
from spotlet_export.report import Report
from spotlet_training.checkpoint import Checkpoint
from spotlet_training.datasets import Dataset
from spotlet_training.network import Localizer
from spotlet_training.operating_point import THRESHOLD_KEY

PACKAGE_FILES = {MODEL_FILE, PARITY_FILE, CARD_FILE}
"""What a package is made of, and so what a new one may replace."""

VERSIONS_OF = ("spotlet", "torch", "onnx", "onnxscript", "onnxruntime", "numpy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What an export came to.

    Attributes:
        package: the folder that was written.
        report: what the gate measured; every row passed.
        model_bytes: size of the ONNX file.
    """

    package: Path
    report: Report
    model_bytes: int


def export_package(
    checkpoint: Checkpoint,
    package: Path,
    compare_on: Dataset,
    *,
    name: str | None = None,
    notes: str = "",
    on_step: Callable[[str], None] = lambda _: None,
    on_report: Callable[[Report], None] = lambda _: None,
) -> Export:
    """Writes a model package, if and only if its ONNX file is the same network.

    Args:
        checkpoint: what was trained.
        package: folder to write; one that is there is replaced as a whole.
        compare_on: images to compare on, best of the kind that the model is meant for.
        name: of the model; the folder's name by default.
        notes: Markdown for the card: where the data is from, under which licence, what the
            model is for.
        on_step: called with what begins now.
        on_report: called with what was measured, passed or not.

    Raises:
        GateError: a row failed; nothing was written.
        OutputError: the folder cannot be written, or holds something else than a package.
    """
    check_package_folder(package)
    manifest = make_manifest(checkpoint, name or package.resolve().name)
    on_step("building the ONNX graph")
    model = build_graph(checkpoint.network, manifest)
    with tempfile.TemporaryDirectory(prefix="spotlet-export-") as scratch:
        report, probed = _measure(checkpoint, model, compare_on, Path(scratch), on_step)
        on_report(report)
        if not report.passed:
            failed = "; ".join(f"{row.name} ({row.over})" for row in report.failures)
            raise GateError(f"the ONNX file is not the same network, nothing written: {failed}")
        summary = {"passed": True, "rows": len(report.rows)}
        final = replace(manifest, parity=summary)
        onnx.helper.set_model_props(model, {METADATA_KEY: final.to_json()})
        content = model.SerializeToString()
        parity = parity_record(report, probed, content)
        with atomic_folder(package, marker=PARITY_FILE) as folder:
            (folder / MODEL_FILE).write_bytes(content)
            text = json.dumps(parity, indent=1, ensure_ascii=False)
            (folder / PARITY_FILE).write_text(text + "\n", encoding="utf-8")
            card = model_card(final, report, len(content), notes)
            (folder / CARD_FILE).write_text(card, encoding="utf-8")
    return Export(package=package, report=report, model_bytes=len(content))


def check_package_folder(package: Path) -> None:
    """Does nothing where a package may be written: in a new or empty folder, or over a package.

    Raises:
        OutputError: the folder holds something that is not ours, which would be lost.
    """
    check_replaceable(package, marker=PARITY_FILE)
    if package.is_dir():
        foreign = sorted({path.name for path in package.iterdir()} - PACKAGE_FILES)
        if foreign:
            raise OutputError(
                f"{package}: holds {', '.join(foreign[:3])}, which would be lost; give a new folder"
            )


def make_detection_rule(checkpoint: Checkpoint) -> DetectionRule:
    """Returns the default rule; a localizer gives one object a frame.

    The score threshold is the one that was best on the training's validation images, where the
    checkpoint has one.

    Raises:
        CheckpointError: it has one that is none.
    """
    rule = DetectionRule()
    if isinstance(checkpoint.network, Localizer):
        rule = replace(rule, max_detections=1)
    threshold = checkpoint.training.get(THRESHOLD_KEY)
    if threshold is None:
        return rule
    try:
        return replace(rule, score_threshold=threshold)
    except ModelFileError as error:
        raise CheckpointError(
            f"the checkpoint's {THRESHOLD_KEY} {threshold!r} must be a number from 0 to 1; train "
            "again, or take that line out of its record"
        ) from error


def make_manifest(checkpoint: Checkpoint, name: str) -> Manifest:
    """Returns the manifest of a checkpoint's export, before it was measured."""
    return Manifest(
        name=name,
        classes=checkpoint.class_names,
        input=InputRule(size_hw=checkpoint.network.settings.size_hw),
        detection=make_detection_rule(checkpoint),
        output=OutputRule(score_activation=checkpoint.network.score_activation),
        training=checkpoint.training,
        producer=f"spotlet {version('spotlet')}",
    )


def _measure(
    checkpoint: Checkpoint,
    model: onnx.ModelProto,
    compare_on: Dataset,
    scratch: Path,
    on_step: Callable[[str], None],
) -> tuple[Report, list[dict[str, Any]]]:
    """Returns the gate's rows, and what the file gives for the synthetic canvases."""
    file = scratch / MODEL_FILE
    file.write_bytes(model.SerializeToString())
    frames = check_frames(compare_on)
    session = ModelSession(file)
    on_step("comparing tensors: PyTorch against onnxruntime")
    rows = compare_tensors(checkpoint.network, session, frames)
    on_step("comparing detections: PyTorch against the runtime, from image files")
    folder = scratch / "frames"
    folder.mkdir()
    rows += compare_detections(checkpoint.network, session, frames, folder)
    return Report(tuple(rows)), probe(session)


def parity_record(report: Report, probed: list[dict[str, Any]], model: bytes) -> dict[str, Any]:
    """Returns the content of `parity.json`."""
    return {
        "schema": 1,
        "passed": report.passed,
        "rows": report.to_json(),
        SHA256_KEY: hashlib.sha256(model).hexdigest(),
        "opset": OPSET,
        "ir_version": IR_VERSION,
        "provider": "CPUExecutionProvider",
        "platform": f"{platform.system()} {platform.machine()}",
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in VERSIONS_OF},
        PROBE_KEY: probed,
    }
