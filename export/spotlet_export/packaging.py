"""The package: what passed the gate, written whole or not at all."""

import hashlib
import json
import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import onnx

from spotlet.atomic import atomic_folder, check_replaceable, check_writable
from spotlet.errors import GateError, InputError, OutputError
from spotlet.golden import record_golden, write_golden
from spotlet.letterbox import ImageArray
from spotlet.manifest import METADATA_KEY
from spotlet.package import CARD_FILE, GOLDEN_FOLDER, PARITY_FILE, PARITY_SCHEMA, VARIANTS
from spotlet.probing import PROBE_KEY, PROBE_TOLERANCE_KEY, SHA256_KEY, probe
from spotlet.session import CPU_PROVIDER, ModelSession
from spotlet.verification import check_model
from spotlet_export.card import CardContents, model_card
from spotlet_export.gate import Gate
from spotlet_export.graph import IR_VERSION, OPSET
from spotlet_export.letterbox_drawing import LETTERBOX_FILE, draw_letterbox
from spotlet_export.report import Report
from spotlet_export.suppression import manifest_of
from spotlet_export.variants import Limits

PACKAGE_FILES = {*VARIANTS.values(), PARITY_FILE, CARD_FILE, GOLDEN_FOLDER, LETTERBOX_FILE}
"""What a package is made of, beside what is attached to it."""

ATTACHED_KEY = "attached"
"""Where `parity.json` names the files that were attached, which a new package may replace."""

VERSIONS_OF = ("spotlet", "torch", "onnx", "onnxscript", "onnxruntime", "numpy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What goes into a package beside its model files.

    Attributes:
        golden: frames, by name.
        golden_source: one of `golden_frames.SOURCES`.
        notes: Markdown for the card.
        attachments: files to copy: the licence of the data, pictures that the notes show.
        quantisation: record of the int8 variant; None without one.
    """

    golden: Mapping[str, ImageArray]
    golden_source: str
    notes: str
    attachments: Sequence[Path]
    quantisation: Mapping[str, Any] | None


def check_package_folder(package: Path, attachments: Sequence[Path] = ()) -> None:
    """Does nothing where a package may be written: in a new or empty folder, or over a package.

    Raises:
        OutputError: the folder cannot be written, or holds something that is not ours, which would
            be lost.
        InputError: an attachment is no file, or its name is taken.
    """
    # Without regard to case: some systems have none.
    taken = {name.casefold() for name in PACKAGE_FILES}
    for file in attachments:
        if not file.is_file():
            raise InputError(f"{file}: no such file to attach")
        if file.name.casefold() in taken:
            raise InputError(
                f"{file}: the package has another file of this name already; rename it"
            )
        taken.add(file.name.casefold())
    check_replaceable(package, marker=PARITY_FILE)
    check_writable(package.parent)
    if package.is_dir():
        ours = PACKAGE_FILES | {file.name for file in attachments} | _attached_before(package)
        foreign = sorted({path.name for path in package.iterdir()} - ours)
        if foreign:
            raise OutputError(
                f"{package}: holds {', '.join(foreign[:3])}, which would be lost; give a new folder"
            )


def write_package(
    package: Path,
    gate: Gate,
    report: Report,
    models: Mapping[str, tuple[onnx.ModelProto, Limits]],
    contents: Contents,
) -> dict[str, int]:
    """Writes a package; returns the bytes of its model files, by name.

    Precondition: every variant in `models` passed `gate`, and their files lie in its scratch.
    Postcondition: the folder holds all of it, checked as a device would, or is as it was.

    Raises:
        GateError: what was written does not pass the check.
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
        golden[name] = record_golden(gate.files[variant], contents.golden, limits.golden)
        entries[name] = {
            "variant": variant,
            SHA256_KEY: hashlib.sha256(files[name]).hexdigest(),
            "bytes": len(files[name]),
            "rows": report.of(variant),
            **_probe(gate.files[variant]),
            PROBE_TOLERANCE_KEY: limits.golden.tensors,
            "accuracy": _accuracy(gate, variant),
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
            golden_frames=len(contents.golden),
            golden_source=contents.golden_source,
            notes=contents.notes,
        )
    )
    record = _parity_record(entries, contents)
    with atomic_folder(package, marker=PARITY_FILE) as folder:
        for name, content in files.items():
            (folder / name).write_bytes(content)
        write_golden(folder / GOLDEN_FOLDER, contents.golden, golden)
        text = json.dumps(record, indent=1, ensure_ascii=False)
        (folder / PARITY_FILE).write_text(text + "\n", encoding="utf-8")
        (folder / CARD_FILE).write_text(card, encoding="utf-8")
        drawing = draw_letterbox(manifest, next(iter(contents.golden.values())))
        cv2.imwrite(str(folder / LETTERBOX_FILE), drawing)
        for file in contents.attachments:
            shutil.copyfile(file, folder / file.name)
        for name in files:
            require_sound(folder / name)
    return sizes


def require_sound(file: Path) -> None:
    """Does nothing where a file of a package is what its package says, as a device would see it.

    Raises:
        GateError: it is not; what was proven is not what was written.
    """
    failures = check_model(file).failures
    if failures:
        told = "; ".join(f"{row.rule}: {row.measured}" for row in failures)
        raise GateError(f"{file.name}, as written, does not pass `spotlet check`: {told}")


def _probe(file: Path) -> dict[str, Any]:
    """Returns the probe of a file's tensors; none of one that gives detections."""
    session = ModelSession(file)
    return {} if session.manifest.output.form == "detections" else {PROBE_KEY: probe(session)}


def _accuracy(gate: Gate, variant: str) -> dict[str, Any] | None:
    """Returns the figures before and after; None where they were not measured.

    They are not of a file with suppression in it, which keeps too little for a curve.
    """
    if gate.before is None or variant not in gate.evaluations:
        return None
    return {
        "before": asdict(gate.before.accuracy),
        "after": asdict(gate.evaluations[variant].accuracy),
    }


def _parity_record(entries: Mapping[str, Any], contents: Contents) -> dict[str, Any]:
    """Returns the content of `parity.json`."""
    return {
        "schema": PARITY_SCHEMA,
        "passed": True,
        "files": entries,
        "quantisation": contents.quantisation,
        "opset": OPSET,
        "ir_version": IR_VERSION,
        "provider": CPU_PROVIDER,
        "platform": f"{platform.system()} {platform.machine()}",
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in VERSIONS_OF},
        ATTACHED_KEY: sorted(file.name for file in contents.attachments),
    }


def _attached_before(package: Path) -> set[str]:
    """Returns the names of files that an earlier export attached."""
    try:
        names = json.loads((package / PARITY_FILE).read_text("utf-8"))[ATTACHED_KEY]
        return {str(name) for name in names}
    except (OSError, ValueError, KeyError, TypeError):
        return set()
