"""Adoption as a gate too: read, rewrite, compare with the original, show, and only then write."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx

from spotlet import Detector
from spotlet.annotate import contact_sheet, draw_detections
from spotlet.detections import Detections
from spotlet.errors import GateError, ModelFileError, UsageError
from spotlet.image_files import read_image
from spotlet.letterbox import PAD_VALUE, ImageArray
from spotlet.manifest import DetectionRule, InputRule, Manifest, OutputRule
from spotlet.session import ModelSession
from spotlet_export.adoption.foreign import MOST_BYTES, Foreign, load_foreign
from spotlet_export.adoption.metadata import told
from spotlet_export.adoption.original import Original
from spotlet_export.adoption.package import write_adopted
from spotlet_export.adoption.plausibility import doubts
from spotlet_export.adoption.proof import limits_of, prove, same_in_batches
from spotlet_export.adoption.reading import SUPPRESSED, Reading
from spotlet_export.adoption.recognition import classes_of, read_network
from spotlet_export.adoption.rewriting import rewrite
from spotlet_export.adoption.settings import AdoptSettings
from spotlet_export.frames import Picture, check_frames
from spotlet_export.package_folder import PREVIEW_FILE, check_package_folder
from spotlet_export.reference import make_reference
from spotlet_export.report import Report
from spotlet_export.witness import witness_canvas

__all__ = ["AdoptSettings", "Adoption", "Preview", "adopt_package"]

CELL_HW = (480, 640)
"""Of one picture where the preview has several."""

MOST_SHOWN = 9
"""Images in the preview."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Preview:
    """What an adopted model finds on the user's images.

    Attributes:
        picture: the file with the boxes drawn, until the package is written or refused.
        detections: by the image's name.
    """

    picture: Path
    detections: dict[str, Detections]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Adoption:
    """What an adoption came to.

    Attributes:
        package: the folder that was written.
        manifest: of the model.
        report: what the gate measured; every row passed.
        file_bytes: of the model file.
        doubts: what looked wrong, where it was written by force.
    """

    package: Path
    manifest: Manifest
    report: Report
    file_bytes: int
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Photograph:
    """One of the user's images."""

    image_bgr: ImageArray


@dataclass(frozen=True, slots=True)
class Photographs:
    """The user's images."""

    images: tuple[ImageArray, ...]

    def __len__(self) -> int:
        return len(self.images)

    def load(self, index: int, /) -> Picture:
        """Returns one, by its index."""
        return Photograph(self.images[index])


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Who is told of an adoption's course.

    Attributes:
        on_step: called with what begins now.
        on_remark: called with what was found out or assumed.
        on_report: called with what was measured, passed or not.
        confirm: called with the preview; whether these are the boxes.
    """

    on_step: Callable[[str], None] = field(default=lambda _: None)
    on_remark: Callable[[str], None] = field(default=lambda _: None)
    on_report: Callable[[Report], None] = field(default=lambda _: None)
    confirm: Callable[[Preview], bool] = field(default=lambda _: True)


def adopt_package(
    path: Path,
    package: Path,
    images: Sequence[Path],
    settings: AdoptSettings = AdoptSettings(),  # noqa: B008
    listener: Listener = Listener(),
) -> Adoption:
    """Writes a package of another's ONNX detector, if and only if it finds the same in it.

    Args:
        path: of the ONNX file.
        package: folder to write; one that is there is replaced as a whole.
        images: with objects of the model's classes on them, at least one.
        settings: how the network is to be read; what is not said is found or has a default.
        listener: who is told.

    Raises:
        GateError: the rewritten file does not find the same, what it finds looks wrong, or was
            refused; nothing was written.
        UsageError: an option is missing or contradicts the file.
        ModelFileError: the file cannot be used.
        SourceError: an image cannot be read.
        OutputError: the folder cannot be written, or holds something else than a package.
    """
    check_package_folder(package, settings.attachments)
    if not images:
        raise UsageError("no image; give --image with objects of the model's classes on it")
    photographs = Photographs(tuple(read_image(image) for image in images))
    foreign = load_foreign(path)
    classes = classes_of(foreign, settings)
    reading, resize = read_network(foreign, len(classes), settings, listener.on_remark)
    manifest = make_manifest(foreign, classes, reading, resize, settings, package)
    for remark in remarks(manifest, reading):
        listener.on_remark(remark)
    original = Original(foreign.session, reading)
    wrong = looks_wrong(original, photographs, manifest)
    if wrong and not settings.force:
        raise GateError(f"nothing written: {'; '.join(wrong)} (--force writes it anyway)")
    with tempfile.TemporaryDirectory(prefix="spotlet-adopt-") as folder:
        scratch = Path(folder)
        listener.on_step("rewriting the graph")
        model, file = rewritten(foreign.model, reading, manifest, scratch)
        report = compare(original, ModelSession(file), manifest, photographs, scratch, listener)
        preview = make_preview(file, images, photographs, scratch)
        if not listener.confirm(preview):
            raise GateError(
                "nothing written: these are not the boxes; see docs/adopt.md for what to try"
            )
        listener.on_step("recording golden frames and writing the package")
        size = write_adopted(
            package, model, file, report, photographs, preview.picture, settings, wrong
        )
    return Adoption(
        package=package, manifest=manifest, report=report, file_bytes=size, doubts=tuple(wrong)
    )


def make_manifest(
    foreign: Foreign,
    classes: tuple[str, ...],
    reading: Reading,
    resize: str,
    settings: AdoptSettings,
    package: Path,
) -> Manifest:
    """Returns what the rewritten file says of itself, before it was measured."""
    metadata = told(foreign.metadata)
    licence = settings.licence or metadata.get("license")
    origin: dict[str, Any] = {
        "adopted_from": foreign.path.name,
        "sha256": foreign.sha256,
        "licence": licence,
        "metadata": metadata,
        "reading": reading.to_json(),
    }
    rule = (
        DetectionRule(iou_threshold=1.0) if reading.output.layout in SUPPRESSED else DetectionRule()
    )
    asked = {
        "score_threshold": settings.score_threshold,
        "iou_threshold": settings.iou_threshold,
        "max_detections": settings.max_detections,
    }
    try:
        return Manifest(
            name=settings.name or package.resolve().name,
            classes=classes,
            input=InputRule(
                size_hw=reading.input.size_hw,
                resize=resize,
                interpolation=settings.interpolation or "linear",
                pad_value=PAD_VALUE if settings.pad_value is None else settings.pad_value,
            ),
            output=OutputRule(
                score_activation="softmax" if reading.output.activation == "softmax" else "sigmoid"
            ),
            detection=replace(rule, **{k: v for k, v in asked.items() if v is not None}),  # type: ignore[arg-type]
            training=origin,
            producer=f"spotlet {version('spotlet')}",
        )
    except ModelFileError as error:
        raise UsageError(str(error).replace("; export the model again", "")) from error


def remarks(manifest: Manifest, reading: Reading) -> list[str]:
    """Returns how a network is read, told or by default, and under which licence it is."""
    given, found = reading.input, reading.output
    front = (
        "as they are"
        if given.plain
        else (f"(pixel * {given.scale:.6g} - {_few(given.mean)}) / {_few(given.std)}")
    )
    kinds = [f"boxes {found.box_format} in {found.box_unit}", f"activation {found.activation}"]
    if found.background != "none":
        kinds.append(f"background {found.background}")
    if found.strides:
        kinds.append(f"strides {_few(found.strides)}")
    if found.anchors is not None:
        kinds.append(f"{len(found.anchors)} anchors, offsets by {found.offsets}")
    licence = manifest.training["licence"]
    return [
        f"in front: {manifest.input.resize} to {given.size_hw[1]}x{given.size_hw[0]} "
        f"({manifest.input.interpolation}, border {manifest.input.pad_value}), {given.colour}, "
        f"{given.axes} {given.dtype}, pixels {front}",
        f"behind: {', '.join(kinds)}; score from {manifest.detection.score_threshold:g}, "
        f"suppression over IoU {manifest.detection.iou_threshold:g}",
        f"licence of the weights: {licence}; it goes on to hold for the package"
        if licence
        else "licence of the weights: not in the file; find it out before you pass them on",
    ]


def _few(numbers: Sequence[float]) -> str:
    return ",".join(f"{number:g}" for number in numbers)


def looks_wrong(original: Original, photographs: Photographs, manifest: Manifest) -> list[str]:
    """Returns what looks wrong in what the original finds on the user's images."""
    canvases = [witness_canvas(image, manifest) for image in photographs.images]
    found = [original.uncut(canvas) for canvas in canvases]
    return doubts(found, original.reading, manifest)


def rewritten(
    model: onnx.ModelProto, reading: Reading, manifest: Manifest, scratch: Path
) -> tuple[onnx.ModelProto, Path]:
    """Returns the rewritten file, with a free batch where the graph allows it.

    Raises:
        ModelFileError: it is over 2 GB, or onnxruntime cannot run it.
    """
    file = scratch / "adopted.onnx"
    for free_batch in (True, False):
        result = rewrite(model, reading, manifest, free_batch=free_batch)
        if result.ByteSize() > MOST_BYTES:
            raise ModelFileError("over 2 GB when rewritten, more than one ONNX file holds")
        file.write_bytes(result.SerializeToString())
        if not free_batch or same_in_batches(file):
            break
    return result, file


def compare(
    original: Original,
    session: ModelSession,
    manifest: Manifest,
    photographs: Photographs,
    scratch: Path,
    listener: Listener,
) -> Report:
    """Returns the report of the comparison; every row passed.

    Raises:
        GateError: a row failed.
    """
    listener.on_step("running the original on the frames of the gate")
    folder = scratch / "frames"
    folder.mkdir()
    reference = make_reference(original, manifest, check_frames(photographs), folder, enough=1)
    listener.on_step("comparing tensors and detections, the original against the runtime")
    report = prove(reference, session, original.reading, limits_of(session.path))
    listener.on_report(report)
    if not report.passed:
        failed = "; ".join(f"{row.name} ({row.over})" for row in report.failures)
        raise GateError(f"the rewritten file does not give the same, nothing written: {failed}")
    return report


def make_preview(
    file: Path, images: Sequence[Path], photographs: Photographs, scratch: Path
) -> Preview:
    """Returns what the rewritten file finds on the user's images, drawn and in figures."""
    detector = Detector(file)
    found = [detector(image) for image in photographs.images]
    drawn = [
        draw_detections(image, each) for image, each in zip(photographs.images, found, strict=True)
    ][:MOST_SHOWN]
    columns = int(np.ceil(np.sqrt(len(drawn))))
    picture = scratch / PREVIEW_FILE
    cv2.imwrite(
        str(picture), drawn[0] if len(drawn) == 1 else contact_sheet(drawn, columns, CELL_HW)
    )
    return Preview(
        picture=picture,
        detections={image.name: each for image, each in zip(images, found, strict=True)},
    )
