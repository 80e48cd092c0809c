"""Recognises how to read the original: from the file, the settings and defaults by layout."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from spotlet.errors import UsageError
from spotlet.manifest import DetectionRule
from spotlet_export.adoption.family import BYTE, NONE, ONES, Three, family_output
from spotlet_export.adoption.metadata import OTHER_TASKS, class_names
from spotlet_export.adoption.original_decoder import run
from spotlet_export.adoption.original_file import OriginalFile
from spotlet_export.adoption.recognition_input import axes_of, fixed_values, image_port, size_of
from spotlet_export.adoption.recognition_layout import Match, find_layout
from spotlet_export.adoption.settings import AdoptSettings
from spotlet_export.adoption.signature import (
    SUPPRESSED,
    InputSignature,
    OutputSignature,
    Signature,
    grid_size,
)

INPUT_DEFAULTS: dict[str, tuple[str, float, float, float, str]] = {
    "4+C,K": ("RGB", BYTE, 0.0, 1.0, "letterbox"),
    "K,4+C": ("RGB", BYTE, 0.0, 1.0, "letterbox"),
    "K,5+C": ("RGB", BYTE, 0.0, 1.0, "letterbox"),
    "K,5+C undecoded": ("BGR", 1.0, 0.0, 1.0, "letterbox_corner"),
    "K,6": ("RGB", BYTE, 0.0, 1.0, "letterbox"),
    "boxes+scores": ("RGB", BYTE, 0.0, 1.0, "stretch"),
    "boxes+scores+ids": ("RGB", BYTE, 0.0, 1.0, "stretch"),
    "ssd": ("RGB", 1.0, 127.5, 127.5, "stretch"),
}
"""Colour, scale, mean, std and resize that most networks with a layout expect."""

OUTPUT_DEFAULTS: dict[str, tuple[str, str, str, str]] = {
    "4+C,K": ("cxcywh", "pixels", "none", "none"),
    "K,4+C": ("cxcywh", "pixels", "none", "none"),
    "K,5+C": ("cxcywh", "pixels", "none", "none"),
    "K,6": ("xyxy", "pixels", "none", "none"),
    "boxes+scores": ("xyxy", "pixels", "none", "none"),
    "boxes+scores+ids": ("xyxy", "pixels", "none", "none"),
    "ssd": ("cxcywh", "unit", "softmax", "first"),
}
"""Box format, box unit, activation and background that most of them have."""


def classes_of(original: OriginalFile, settings: AdoptSettings) -> tuple[str, ...]:
    """Returns the names of the classes.

    Raises:
        UsageError: neither the file nor the settings have them, or one is a duplicate.
    """
    names = settings.classes or class_names(original.metadata)
    if names is None:
        outputs = ", ".join(map(str, original.outputs))
        raise UsageError(
            f"{original.path}: has no class names; give --classes a,b,c or a file with one name on "
            f"each line (outputs: {outputs})"
        )
    if len(set(names)) < len(names):
        raise UsageError(
            f"{original.path}: duplicate class name in its metadata; give --classes with a "
            "different name for each"
        )
    return names


def recognise(
    original: OriginalFile, classes: int, settings: AdoptSettings, on_remark: Callable[[str], None]
) -> tuple[Signature, str]:
    """Returns how to read a file, and how to resize its frames.

    Args:
        original: the file.
        classes: how many there are.
        settings: what the user says; the rest has a default by layout.
        on_remark: called with what was found.

    Raises:
        UsageError: it cannot be recognised, or options contradict the file.
        GateError: the number of classes does not fit any output.
    """
    task = original.metadata.get("task", "").strip()
    if task in OTHER_TASKS:
        on_remark(f"the file's task is {task!r}: only its boxes are adopted")
    image = image_port(original, settings)
    axes = settings.axes or axes_of(image)
    size_hw = size_of(original, image, axes, settings)
    fixed = fixed_values(original, image, settings)
    shape = (1, 3, *size_hw) if axes == "NCHW" else (1, *size_hw, 3)
    feeds: dict[str, npt.NDArray[Any]] = {image.name: np.zeros(shape, image.dtype), **fixed}
    given = run(original.session, [port.name for port in original.outputs], feeds)
    match = find_layout(given, classes, size_hw, settings, on_remark)
    colour, scale, mean, std, resize = _expected(match, settings)
    if not image.dtype.startswith("float"):
        scale, mean, std = 1.0, NONE, ONES
    if any(each is not None for each in (settings.scale, settings.mean, settings.std)):
        mean, std = NONE, ONES  # the user set a part of the pixels' range: defaults do not mix in
    rows = _rows(original, match, given[match.boxes], settings)
    signature = Signature(
        input=InputSignature(
            name=image.name,
            dtype=image.dtype,
            axes=axes,
            size_hw=size_hw,
            colour=settings.colour or colour,
            scale=scale if settings.scale is None else settings.scale,
            mean=settings.mean or mean,
            std=settings.std or std,
            fixed=fixed,
        ),
        output=_output_signature(match, classes, rows, settings),
    )
    _check_cells(signature, given[match.boxes].shape)
    if not image.dtype.startswith("float") and not signature.input.plain:
        raise UsageError(f"input {image}: takes whole numbers; drop --scale, --mean and --std")
    return signature, settings.resize or resize


def _expected(match: Match, settings: AdoptSettings) -> tuple[str, float, Three, Three, str]:
    """Returns colour, scale, mean, std and resize that a network mostly expects."""
    if match.family is not None:
        family = match.family
        return family.colour, family.scale, family.mean, family.std, family.resize
    undecoded = match.layout == "K,5+C" and settings.strides != ()
    colour, scale, mean, std, resize = INPUT_DEFAULTS[match.layout + " undecoded" * undecoded]
    return colour, scale, (mean, mean, mean), (std, std, std), resize


def _output_signature(
    match: Match, classes: int, rows: int | None, settings: AdoptSettings
) -> OutputSignature:
    if match.family is not None:
        return family_output(match.family, classes, rows, settings)
    box_format, box_unit, activation, background = OUTPUT_DEFAULTS[match.layout]
    return OutputSignature(
        layout=match.layout,
        boxes=match.boxes,
        scores=match.scores,
        ids=match.ids,
        classes=classes,
        box_format=settings.box_format or box_format,
        box_unit=settings.box_unit or box_unit,
        activation=settings.activation or activation,
        background=settings.background or background,
        strides=settings.strides,
        anchors=settings.anchors,
        offsets=settings.offsets or "variances",
        variances=settings.variances or (0.1, 0.1, 0.2, 0.2),
        extra=settings.extra,
        rows=rows,
    )


def _rows(
    original: OriginalFile, match: Match, some: npt.NDArray[Any], settings: AdoptSettings
) -> int | None:
    """Returns how many rows to take if their number is free, as after suppression."""
    if match.layout not in SUPPRESSED:
        return None
    (port,) = (port for port in original.outputs if port.name == match.boxes)
    axis = some.ndim - 2
    if len(port.shape) == some.ndim and port.shape[axis] is not None:
        return None
    return max(int(some.shape[axis]), settings.max_detections or DetectionRule().max_detections)


def _check_cells(signature: Signature, shape: tuple[int, ...]) -> None:
    """Raises UsageError if the output does not have as many cells as the grids or anchors."""
    rule, size_hw = signature.output, signature.input.size_hw
    cells = shape[2] if rule.layout == "4+C,K" else shape[1]
    if rule.strides:
        if rule.box_format not in ("cxcywh", "cycxhw") or rule.layout in ("K,6", "ssd"):
            raise UsageError("--strides: only for boxes as centre and size, without anchors")
        if grid_size(size_hw, rule.strides) != cells:
            strides = ",".join(map(str, rule.strides))
            raise UsageError(
                f"--strides {strides}: {grid_size(size_hw, rule.strides)} cells on a canvas of "
                f"{size_hw[0]}x{size_hw[1]}, but the output has {cells}"
            )
    if rule.layout == "ssd":
        if rule.anchors is None:
            raise UsageError("layout ssd: needs --anchors FILE, a .npy or .csv of (K, 4)")
        if len(rule.anchors) != cells:
            raise UsageError(
                f"--anchors: {len(rule.anchors)} anchors, but the output has {cells} cells"
            )
        if rule.box_format not in ("cxcywh", "cycxhw"):
            raise UsageError(f"--box-format {rule.box_format}: offsets must be cxcywh or cycxhw")
    elif rule.anchors is not None:
        raise UsageError(f"--anchors: only for layout ssd, not for {rule.layout}")
