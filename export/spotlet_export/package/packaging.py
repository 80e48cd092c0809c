"""Writes the package of an export, whole or not at all."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import onnx

from spotlet.check.golden import record_golden, write_golden
from spotlet.image_files import write_image
from spotlet.manifest import METADATA_KEY
from spotlet.model.package import CARD_FILE, GOLDEN_FOLDER, VARIANTS
from spotlet_export.card.card import CardContents, model_card
from spotlet_export.card.letterbox import LETTERBOX_FILE, draw_letterbox
from spotlet_export.gate.gate import Gate
from spotlet_export.gate.report import Report
from spotlet_export.gate.variants import Limits
from spotlet_export.graph.graph import IR_VERSION, OPSET
from spotlet_export.graph.suppression import manifest_of
from spotlet_export.package.folder import file_entry, package_folder, write_record
from spotlet_export.package.golden_search import GoldenFrames

VERSIONS_OF = ("spotlet", "torch", "onnx", "onnxscript", "onnxruntime", "numpy")
"""Distributions whose versions are recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What goes into a package besides its model files.

    Attributes:
        golden: frames, by name, and where they are from.
        notes: Markdown for the card.
        attachments: files to copy: the licence of the data, pictures that the notes show.
        quantisation: record of the int8 variant; None without one.
    """

    golden: GoldenFrames
    notes: str
    attachments: Sequence[Path]
    quantisation: Mapping[str, Any] | None


def write_package(
    package: Path,
    gate: Gate,
    report: Report,
    models: Mapping[str, tuple[onnx.ModelProto, Limits]],
    contents: Contents,
) -> dict[str, int]:
    """Writes a package; returns the bytes of its model files, by name.

    Precondition: every variant in `models` passed `gate`, and its file is in the gate's scratch.
    Postcondition: the folder holds all of it, checked as on a device, or did not change.

    Raises:
        GateError: a written file does not pass the check.
        OutputError: it cannot be written.
    """
    manifest = gate.reference.manifest
    entries, files, golden = {}, {}, {}
    for variant, (model, limits) in models.items():
        name = VARIANTS[variant]
        passed = {"variant": variant, "passed": True, "rows": len(report.of(variant))}
        onnx.helper.set_model_props(
            model, {METADATA_KEY: replace(manifest_of(model), parity=passed).to_json()}
        )
        files[name] = model.SerializeToString()
        golden[name] = record_golden(gate.files[variant], contents.golden.frames, limits.golden)
        entries[name] = file_entry(variant, files[name], gate.files[variant], report, limits) | {
            "accuracy": _accuracy(gate, variant)
        }
    sizes = {name: len(content) for name, content in files.items()}
    card = model_card(
        CardContents(
            manifest=manifest,
            report=report,
            file_bytes=sizes,
            evaluations={VARIANTS[name]: found for name, found in gate.evaluations.items()},
            quantisation=contents.quantisation,
            data_name=manifest.training.get("data"),
            golden_frames=len(contents.golden.frames),
            golden_source=contents.golden.source,
            golden_detections=contents.golden.detections,
            notes=contents.notes,
        )
    )
    drawing = draw_letterbox(manifest, next(iter(contents.golden.frames.values())))
    with package_folder(package, contents.attachments) as folder:
        for name, content in files.items():
            (folder / name).write_bytes(content)
        write_golden(folder / GOLDEN_FOLDER, contents.golden.frames, golden)
        (folder / CARD_FILE).write_text(card, encoding="utf-8", errors="backslashreplace")
        write_image(folder / LETTERBOX_FILE, drawing)
        write_record(
            folder,
            entries,
            contents.attachments,
            {"quantisation": contents.quantisation, "opset": OPSET, "ir_version": IR_VERSION},
            VERSIONS_OF,
        )
    return sizes


def _accuracy(gate: Gate, variant: str) -> dict[str, Any] | None:
    """Returns the figures before and after; None if they were not measured.

    A file with suppression in its graph has none: it keeps too few detections for a curve.
    """
    if gate.before is None or variant not in gate.evaluations:
        return None
    return {
        "before": asdict(gate.before.accuracy),
        "after": asdict(gate.evaluations[variant].accuracy),
    }
