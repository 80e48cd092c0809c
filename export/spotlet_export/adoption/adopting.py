"""Adopts a model: the file goes in, step by step, and a package comes out if every step passes.

The order of the modules: `settings` and `original_file` (what was given; `original_graph` makes it
loadable), `recognition` (how the file is read: its `signature`), `manifest`, `original_decoder` and
`plausibility` (do its results look right?), `candidates` of the `rewriting`, `proof` (are the
results the same?), `preview` (are these the boxes?), `package` with its `card`. Where the
results do not look right, `proposal` names another reading.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from spotlet.errors import GateError, UsageError
from spotlet.image_files import read_image
from spotlet.letterbox import ImageArray
from spotlet.manifest import Manifest
from spotlet.session import ModelSession
from spotlet_export.adoption.budget import Budget
from spotlet_export.adoption.candidates import rewritten
from spotlet_export.adoption.exporters import with_exporter
from spotlet_export.adoption.manifest import make_manifest, remarks
from spotlet_export.adoption.original_decoder import OriginalDecoder
from spotlet_export.adoption.original_file import OriginalFile, load_original
from spotlet_export.adoption.package import write_adopted
from spotlet_export.adoption.plausibility import doubts
from spotlet_export.adoption.preview import Preview, draw_preview, make_preview
from spotlet_export.adoption.proof import limits_of, prove
from spotlet_export.adoption.proposal import Proposal, propose
from spotlet_export.adoption.recognition import recognise
from spotlet_export.adoption.settings import AdoptSettings
from spotlet_export.adoption.signature import Signature
from spotlet_export.gate.frames import check_frames
from spotlet_export.gate.interruption import interruptible
from spotlet_export.gate.reference import Reference, make_reference
from spotlet_export.gate.report import Report
from spotlet_export.gate.witness import witness_canvas
from spotlet_export.package.folder import check_package_folder


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Adoption:
    """The result of an adoption.

    Attributes:
        package: the folder that was written.
        manifest: of the model.
        report: what the gate measured; every row passed.
        file_bytes: of the model file.
        doubts: what looked wrong, if it was written all the same.
    """

    package: Path
    manifest: Manifest
    report: Report
    file_bytes: int
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Callbacks of an adoption.

    Attributes:
        on_step: called with the step that starts.
        on_progress: called with how many frames of that step are done, and how many there are.
        on_remark: called with what was found or assumed.
        on_report: called with what was measured, passed or not.
        confirm: called with the preview; returns whether its boxes are right.
        propose: called where the reading is in doubt and another finds objects, with the preview
            of that; returns whether to adopt it so. By default it is not.
    """

    on_step: Callable[[str], None] = field(default=lambda _: None)
    on_progress: Callable[[int, int], None] = field(default=lambda _, __: None)
    on_remark: Callable[[str], None] = field(default=lambda _: None)
    on_report: Callable[[Report], None] = field(default=lambda _: None)
    confirm: Callable[[Preview], bool] = field(default=lambda _: True)
    propose: Callable[[Proposal, Preview], bool] = field(default=lambda *_: False)


def adopt_package(
    path: Path,
    package: Path,
    images: Sequence[Path],
    settings: AdoptSettings = AdoptSettings(),  # noqa: B008
    listener: Listener = Listener(),
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
    decoder, manifest, wrong, unclear = read(original, photographs, settings, package, listener)
    if wrong and not unclear and not settings.force:
        settings = proposed(
            decoder, manifest, wrong, images, photographs, settings, package, listener
        )
        decoder, manifest, wrong, unclear = read(original, photographs, settings, package, listener)
    wrong = (*wrong, *unclear)
    if wrong and not settings.force:
        raise GateError(f"nothing written: {'; '.join(wrong)} (--force writes it anyway)")
    signature = decoder.signature
    with tempfile.TemporaryDirectory(prefix="spotlet-adopt-") as folder:
        scratch = Path(folder)
        listener.on_step("running the original on the frames of the gate")
        frames = scratch / "frames"
        frames.mkdir()
        checked = check_frames(photographs.__getitem__, len(photographs))
        decoder.on_canvases = listener.on_progress
        reference = make_reference(decoder, manifest, checked, frames, enough=1)
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
        listener.on_step("recording golden frames and writing the package")
        size = write_adopted(
            package, model, session.path, report, photographs, preview.picture, settings, wrong
        )
    return Adoption(
        package=package, manifest=manifest, report=report, file_bytes=size, doubts=wrong
    )


def read(
    original: OriginalFile,
    photographs: Sequence[ImageArray],
    settings: AdoptSettings,
    package: Path,
    listener: Listener,
) -> tuple[OriginalDecoder, Manifest, tuple[str, ...], tuple[str, ...]]:
    """Returns the original with its reading, the manifest, and two kinds of doubts.

    The first are about what it finds on the images, which another reading may answer; the others
    about what the outputs mean, which only the user can.
    """
    settings = with_exporter(settings, original.metadata, listener.on_remark)
    reading = recognise(original, photographs, settings, listener.on_remark)
    signature = reading.signature
    manifest = make_manifest(
        original, reading.classes, signature, reading.resize, settings, package
    )
    for remark in remarks(manifest, signature):
        listener.on_remark(remark)
    decoder = OriginalDecoder(original.session, signature)
    found = [decoder.uncut(witness_canvas(image, manifest)) for image in photographs]
    return decoder, manifest, tuple(doubts(found, signature, manifest)), reading.doubts


def proposed(
    decoder: OriginalDecoder,
    manifest: Manifest,
    wrong: tuple[str, ...],
    images: Sequence[Path],
    photographs: Sequence[ImageArray],
    settings: AdoptSettings,
    package: Path,
    listener: Listener,
) -> AdoptSettings:
    """Returns the settings with which the trials found objects, if `propose` agrees to them.

    Raises:
        GateError: nothing was found with other settings either, or they are not agreed to.
    """
    budget = Budget(listener.on_step)
    proposal = propose(decoder, manifest, photographs, settings, wrong, budget)
    said = f"nothing written: {'; '.join(wrong)}"
    if proposal is None:
        raise GateError(
            f"{said}; other settings were tried too ({budget}), and none finds the same objects in "
            "the images and in shifted, scaled and mirrored copies of them: do they show objects "
            "of its classes? (--force writes it anyway)"
        )
    picture = package.with_name(f"{package.name}-proposal.png")
    picture.parent.mkdir(parents=True, exist_ok=True)
    preview = draw_preview(picture, images, photographs, proposal.detections)
    if not listener.propose(proposal, preview):
        raise GateError(f"{said}; {proposal}, drawn in {picture}: add these options, or --yes")
    picture.unlink()
    return replace(settings, **proposal.changes)


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
