"""Writes the package of an adoption, whole or not at all."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import onnx

from spotlet.check.golden import record_golden, write_golden
from spotlet.image_files import write_image
from spotlet.letterbox import ImageArray
from spotlet.manifest import METADATA_KEY, Manifest
from spotlet.model.package import CARD_FILE, GOLDEN_FOLDER, MODEL_FILE
from spotlet.session import ModelSession
from spotlet_export.adoption.card import AdoptedCard, adopted_card
from spotlet_export.adoption.proof import limits_of
from spotlet_export.adoption.settings import AdoptSettings
from spotlet_export.card.letterbox import LETTERBOX_FILE, draw_letterbox
from spotlet_export.gate.interruption import interruptible
from spotlet_export.gate.report import Report
from spotlet_export.gate.variants import FP32
from spotlet_export.package.folder import PREVIEW_FILE, file_entry, package_folder, write_record
from spotlet_export.package.golden_frames import golden_frames

VERSIONS_OF = ("spotlet", "onnx", "onnxruntime", "numpy")
"""Distributions whose versions are recorded."""


def write_adopted(
    package: Path,
    model: onnx.ModelProto,
    proven: Path,
    report: Report,
    photographs: Sequence[ImageArray],
    preview: Path,
    settings: AdoptSettings,
    doubts: Sequence[str],
) -> int:
    """Writes a package; returns the bytes of its model file.

    Precondition: every row of `report` passed.

    Args:
        package: the folder.
        model: the rewritten model.
        proven: its file, which passed the gate.
        report: of the gate.
        photographs: the user's images, for golden frames.
        preview: the picture of what was found.
        settings: for notes, golden frames and attachments.
        doubts: what looked wrong, if it is written all the same.

    Raises:
        GateError: the written file does not pass the check.
        OutputError: it cannot be written.
    """
    manifest = ModelSession(proven).manifest
    limits = limits_of(proven)
    content = _with_verdict(model, manifest, report)
    golden = golden_frames(settings.golden, photographs.__getitem__, len(photographs))
    card = adopted_card(
        AdoptedCard(
            manifest=manifest,
            report=report,
            file_bytes=len(content),
            golden_frames=len(golden),
            golden_source=settings.golden,
            doubts=tuple(doubts),
            notes=settings.notes,
        )
    )
    entry = file_entry(FP32, content, proven, report, limits)
    with package_folder(package, settings.attachments) as folder:
        (folder / MODEL_FILE).write_bytes(content)
        record = interruptible(lambda: record_golden(proven, golden, limits.golden))
        write_golden(folder / GOLDEN_FOLDER, golden, {MODEL_FILE: record})
        (folder / CARD_FILE).write_text(card, encoding="utf-8", errors="backslashreplace")
        drawing = draw_letterbox(manifest, next(iter(golden.values())))
        write_image(folder / LETTERBOX_FILE, drawing)
        shutil.copyfile(preview, folder / PREVIEW_FILE)
        facts = {"adopted": dict(manifest.training), "doubts": list(doubts)}
        write_record(folder, {MODEL_FILE: entry}, settings.attachments, facts, VERSIONS_OF)
    return len(content)


def _with_verdict(model: onnx.ModelProto, manifest: Manifest, report: Report) -> bytes:
    """Returns the content of the file, with a manifest that says that it passed."""
    verdict = {"variant": FP32, "passed": True, "rows": len(report.of(FP32))}
    onnx.helper.set_model_props(model, {METADATA_KEY: replace(manifest, parity=verdict).to_json()})
    content: bytes = model.SerializeToString()
    return content
