"""What an adopted model says of itself, and what a person is told of how it is read."""

from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from spotlet.errors import ModelFileError, UsageError
from spotlet.letterbox import PAD_VALUE
from spotlet.manifest import DetectionRule, InputRule, Manifest, OutputRule
from spotlet_export.adoption.metadata import told
from spotlet_export.adoption.original_file import OriginalFile
from spotlet_export.adoption.settings import AdoptSettings
from spotlet_export.adoption.signature import SUPPRESSED, Signature


def make_manifest(
    original: OriginalFile,
    classes: tuple[str, ...],
    signature: Signature,
    resize: str,
    settings: AdoptSettings,
    package: Path,
) -> Manifest:
    """Returns what the rewritten file says of itself, before it was measured."""
    metadata = told(original.metadata)
    licence = settings.licence or metadata.get("license")
    origin: dict[str, Any] = {
        "adopted_from": original.path.name,
        "sha256": original.sha256,
        "licence": licence,
        "metadata": metadata,
        "reading": signature.to_json(),
    }
    rule = (
        DetectionRule(iou_threshold=1.0)
        if signature.output.layout in SUPPRESSED
        else DetectionRule()
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
                size_hw=signature.input.size_hw,
                resize=resize,
                interpolation=settings.interpolation or "linear_exact",
                pad_value=PAD_VALUE if settings.pad_value is None else settings.pad_value,
            ),
            output=OutputRule(
                score_activation="softmax"
                if signature.output.activation == "softmax"
                else "sigmoid"
            ),
            detection=replace(rule, **{k: v for k, v in asked.items() if v is not None}),  # type: ignore[arg-type]
            training=origin,
            producer=f"spotlet {version('spotlet')}",
        )
    except ModelFileError as error:
        raise UsageError(str(error).replace("; export the model again", "")) from error


def remarks(manifest: Manifest, signature: Signature) -> list[str]:
    """Returns how a network is read, told or by default, and under which licence it is."""
    given, found = signature.input, signature.output
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
