"""Adopts a model: the file goes in, step by step, and a package comes out if every step passes.

In order: `settings` (what was given), `original` (the file, opened and made loadable), `reading`
(`recognition` of its `signature`, checked on the user's images; `trials` of other readings),
`rewriting`, `proof` (are the results the same?), `preview` (are these the boxes?), `variants`
(int8, suppression in the graph) and `package` with its `card`.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spotlet.errors import GateError, UsageError
from spotlet.image_files import read_image
from spotlet.manifest import Manifest
from spotlet.model.package import MODEL_FILE
from spotlet.session import ModelSession
from spotlet_export.adoption.eight_bits import Pictures
from spotlet_export.adoption.listener import Listener
from spotlet_export.adoption.original.file import load_original
from spotlet_export.adoption.package import write_adopted
from spotlet_export.adoption.preview import make_preview
from spotlet_export.adoption.proof import limits_of, prove
from spotlet_export.adoption.reading import proposed, read
from spotlet_export.adoption.rewriting.candidates import rewritten
from spotlet_export.adoption.settings import AdoptSettings
from spotlet_export.adoption.signature import Signature
from spotlet_export.adoption.variants import (
    Variant,
    make_variants,
    require_passed,
)
from spotlet_export.gate.frames import check_frames
from spotlet_export.gate.interruption import interruptible
from spotlet_export.gate.reference import Reference, make_reference
from spotlet_export.gate.report import Report
from spotlet_export.package.folder import check_package_folder
from spotlet_export.package.golden_search import choose_golden_frames

MOST_PROPOSALS = 3
"""One after the other: the range of the pixels, then their colour order."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Adoption:
    """The result of an adoption.

    Attributes:
        package: the folder that was written.
        manifest: of the model.
        report: what the gate measured; every row passed.
        file_bytes: of the model file.
        doubts: what looked wrong, if it was written all the same.
        sizes: bytes of all model files, by name.
        golden_detections: that a check of the package compares; 0 proves nothing about them.
        quantisation: record of the int8 file; None without one.
    """

    package: Path
    manifest: Manifest
    report: Report
    file_bytes: int
    doubts: tuple[str, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    golden_detections: int = 0
    quantisation: Mapping[str, Any] | None = None


def adopt_package(
    path: Path,
    package: Path,
    images: Sequence[Path],
    settings: AdoptSettings = AdoptSettings(),  # noqa: B008
    listener: Listener = Listener(),  # noqa: B008
) -> Adoption:
    """Writes a package of another exporter's detector, if and only if it finds the same objects.

    Args:
        path: of the ONNX file.
        package: folder to write; an existing package is replaced as a whole.
        images: at least one, with objects of the model's classes.
        settings: how to read the network; what is not set is found, or has a default.
        listener: its callbacks.

    Raises:
        GateError: the rewritten file does not find the same objects, they look wrong, or `confirm`
            refused them; nothing was written.
        UsageError: an option is missing or contradicts the file.
        ModelFileError: the file cannot be used.
        SourceError: an image cannot be read.
        OutputError: the folder cannot be written, or holds something other than a package.
    """
    check_package_folder(package, settings.attachments)
    if not images:
        raise UsageError("no image; give --image with objects of the model's classes")
    photographs = tuple(read_image(image) for image in images)
    listener.on_step("opening the file")
    original = load_original(path, listener.on_remark)
    reading = read(original, photographs, settings, package, listener)
    for _ in range(MOST_PROPOSALS):
        if not reading.wrong or reading.unclear or settings.force:
            break
        settings = proposed(
            reading, original.metadata, images, photographs, settings, package, listener
        )
        reading = read(original, photographs, settings, package, listener)
    wrong = (*reading.wrong, *reading.unclear)
    if wrong and not settings.force:
        raise GateError(f"nothing written: {'; '.join(wrong)} (--force writes it anyway)")
    decoder, signature = reading.decoder, reading.decoder.signature
    with tempfile.TemporaryDirectory(prefix="spotlet-adopt-") as folder:
        scratch = Path(folder)
        listener.on_step("running the original on the frames of the gate")
        frames = scratch / "frames"
        frames.mkdir()
        checked = check_frames(photographs.__getitem__, len(photographs))
        decoder.on_canvases = listener.on_progress
        reference = make_reference(decoder, reading.manifest, checked, frames, enough=1)
        listener.on_step("rewriting the graph")
        model, session = rewritten(
            original, signature, reference, scratch, listener.on_remark, listener.on_progress
        )
        report = compare(reference, session, signature, listener)
        preview = interruptible(lambda: make_preview(session.path, images, photographs, scratch))
        if not listener.confirm(preview):
            raise GateError(
                "nothing written: the boxes were not confirmed; docs/adopt.md says what to try"
            )
        made = make_variants(
            Variant(model=model, proven=session.path, limits=limits_of(session.path)),
            reference,
            Pictures(photographs),
            settings,
            listener.on_step,
            listener.on_remark,
        )
        if made.rows:
            listener.on_report(Report(tuple(made.rows)))
            require_passed(made.rows)
        golden = choose_golden_frames(
            settings.golden,
            photographs.__getitem__,
            len(photographs),
            [(each.proven, each.limits.golden) for each in made.files.values()],
            listener.on_step,
        )
        listener.on_remark(golden.remark)
        listener.on_step("recording golden frames and writing the package")
        report = Report((*report.rows, *made.rows))
        sizes = write_adopted(package, made, report, golden, preview.picture, settings, wrong)
    return Adoption(
        package=package,
        manifest=reading.manifest,
        report=report,
        file_bytes=sizes[MODEL_FILE],
        doubts=wrong,
        sizes=sizes,
        golden_detections=golden.detections,
        quantisation=made.quantisation,
    )


def compare(
    reference: Reference, session: ModelSession, signature: Signature, listener: Listener
) -> Report:
    """Returns the report of the comparison; every row passed.

    Raises:
        GateError: a row failed.
    """
    listener.on_step("comparing tensors and detections of the original and the runtime")
    limits = limits_of(session.path)
    report = prove(reference, session, signature, limits, listener.on_progress)
    listener.on_report(report)
    if not report.passed:
        failed = "; ".join(f"{row.name} ({row.over})" for row in report.failures)
        raise GateError(
            f"nothing written: results of the rewritten file differ from the original's: {failed}"
        )
    return report
