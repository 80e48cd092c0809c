"""Writes the package of an adoption, whole or not at all."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import onnx

from spotlet.check.golden import record_golden, write_golden
from spotlet.image_files import write_image
from spotlet.manifest import METADATA_KEY
from spotlet.model.package import ADOPTED_KEY, CARD_FILE, GOLDEN_FOLDER, VARIANTS
from spotlet.session import ModelSession
from spotlet_export.adoption.card import AdoptedCard, adopted_card
from spotlet_export.adoption.settings import AdoptSettings
from spotlet_export.adoption.variants import Variant, Variants
from spotlet_export.card.letterbox import LETTERBOX_FILE, draw_letterbox
from spotlet_export.gate.interruption import interruptible
from spotlet_export.gate.report import Report
from spotlet_export.gate.variants import FP32
from spotlet_export.package.folder import PREVIEW_FILE, file_entry, package_folder, write_record
from spotlet_export.package.golden_search import GoldenFrames

VERSIONS_OF = ("spotlet", "onnx", "onnxruntime", "numpy")
"""Distributions whose versions are recorded."""


def write_adopted(
    package: Path,
    variants: Variants,
    report: Report,
    golden: GoldenFrames,
    preview: Path,
    settings: AdoptSettings,
    doubts: Sequence[str],
) -> dict[str, int]:
    """Writes a package; returns the bytes of its model files, by name.

    Precondition: every row of `report` passed.

    Args:
        package: the folder.
        variants: the model files, which passed the gate.
        report: of the gate, on all files.
        golden: the golden frames.
        preview: the picture of what was found.
        settings: for notes and attachments.
        doubts: what looked wrong, if it is written all the same.

    Raises:
        GateError: the written file does not pass the check.
        OutputError: it cannot be written.
    """
    manifest = ModelSession(variants.files[FP32].proven).manifest
    contents, entries, records = {}, {}, {}
    for variant, file in variants.files.items():
        name = VARIANTS[variant]
        contents[name] = _with_verdict(variant, file, report)
        entries[name] = file_entry(variant, contents[name], file.proven, report, file.limits)
        records[name] = interruptible(
            partial(record_golden, file.proven, golden.frames, file.limits.golden)
        )
    sizes = {name: len(content) for name, content in contents.items()}
    card = adopted_card(
        AdoptedCard(
            manifest=manifest,
            report=report,
            file_bytes=sizes,
            golden=golden,
            quantisation=variants.quantisation,
            doubts=tuple(doubts),
            notes=settings.notes,
        )
    )
    with package_folder(package, settings.attachments) as folder:
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        write_golden(folder / GOLDEN_FOLDER, golden.frames, records)
        (folder / CARD_FILE).write_text(card, encoding="utf-8", errors="backslashreplace")
        drawing = draw_letterbox(manifest, next(iter(golden.frames.values())))
        write_image(folder / LETTERBOX_FILE, drawing)
        shutil.copyfile(preview, folder / PREVIEW_FILE)
        facts = {
            ADOPTED_KEY: dict(manifest.training),
            "doubts": list(doubts),
            "quantisation": variants.quantisation,
        }
        write_record(folder, entries, settings.attachments, facts, VERSIONS_OF)
    return sizes


def _with_verdict(variant: str, file: Variant, report: Report) -> bytes:
    """Returns the content of the file, with a manifest that says that it passed."""
    verdict = {"variant": variant, "passed": True, "rows": len(report.of(variant))}
    manifest = replace(ModelSession(file.proven).manifest, parity=verdict)
    onnx.helper.set_model_props(file.model, {METADATA_KEY: manifest.to_json()})
    content: bytes = file.model.SerializeToString()
    return content
