"""The manifest of an adopted model, and the remarks on how the model is read."""

from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from spotlet.errors import ModelFileError, UsageError
from spotlet.letterbox import PAD_VALUE
from spotlet.manifest import DetectionRule, InputRule, Manifest, OutputRule
from spotlet_export.adoption.metadata import kept
from spotlet_export.adoption.original.file import OriginalFile
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
    """Returns the manifest of the rewritten file, before it was measured.

    Raises:
        UsageError: a setting breaks a rule of manifests.
    """
    metadata = kept(original.metadata)
    rule = DetectionRule()
    suppressed = signature.output.layout in SUPPRESSED and not signature.output.overlapping
    iou_threshold = 1.0 if suppressed else signature.output.iou_threshold or rule.iou_threshold
    thresholds = ("score_threshold", "iou_threshold", "max_detections")
    asked = {
        name: value
        for given in (original.suppression, settings)
        for name in thresholds
        if (value := getattr(given, name, None)) is not None
    }
    activation = "softmax" if signature.output.activation == "softmax" else "sigmoid"
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
            output=OutputRule(score_activation=activation),
            detection=replace(
                replace(rule, iou_threshold=iou_threshold),
                **asked,
            ),
            training={
                "adopted_from": original.path.name,
                "sha256": original.sha256,
                "licence": settings.licence or metadata.get("license"),
                "metadata": metadata,
                "reading": signature.to_json(),
            },
            producer=f"spotlet {version('spotlet')}",
        )
    except ModelFileError as error:
        raise UsageError(str(error).replace("; export the model again", "")) from error


def remarks(manifest: Manifest, signature: Signature) -> list[str]:
    """Returns how the network is read, as given or by default, and under which licence it is."""
    given, found = signature.input, signature.output
    pixels = (
        "unchanged"
        if given.plain
        else f"(pixel * {given.scale:.6g} - {_few(given.mean)}) / {_few(given.std)}"
    )
    kinds = [f"boxes {found.box_format} in {found.box_unit}", f"activation {found.activation}"]
    if found.background != "none":
        kinds.append(f"background {found.background}")
    if found.strides:
        kinds.append(f"strides {_few(found.strides)}")
    if found.anchors is not None:
        kinds.append(f"{len(found.anchors)} anchors, offsets in {found.offsets}")
    if found.grids is not None:
        grids = found.grids
        steps = [stride for grid in grids.grids for stride in grid.strides]
        kinds.append(f"grids of {_few(steps)} pixels, coding {grids.coding}, point {grids.point:g}")
    licence, rule = manifest.training["licence"], manifest.detection
    return [
        f"preprocessing: {manifest.input.resize} to {given.size_hw[1]}x{given.size_hw[0]} "
        f"({manifest.input.interpolation}, border {manifest.input.pad_value}), {given.colour}, "
        f"{given.axes} {given.dtype}, pixels {pixels}",
        f"postprocessing: {', '.join(kinds)}; score threshold {rule.score_threshold:g}, "
        f"IoU threshold {rule.iou_threshold:g}",
        f"licence of the weights: {licence}; it applies to the package too"
        if licence
        else "licence of the weights: not in the file; find it out before you pass them on",
    ]


def _few(numbers: Sequence[float]) -> str:
    return ",".join(f"{number:g}" for number in numbers)
