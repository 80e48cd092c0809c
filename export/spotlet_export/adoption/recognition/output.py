"""Puts together what the outputs mean, from the layout, its defaults and what the user says."""

from collections.abc import Sequence

from spotlet.errors import UsageError
from spotlet.manifest import DetectionRule
from spotlet_export.adoption.original.file import OriginalFile
from spotlet_export.adoption.recognition.match import Match
from spotlet_export.adoption.recognition.views import Views
from spotlet_export.adoption.settings import AdoptSettings
from spotlet_export.adoption.signature import SUPPRESSED, OutputSignature, Signature, grid_size

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


def output_signature(
    original: OriginalFile, match: Match, classes: int, views: Views, settings: AdoptSettings
) -> OutputSignature:
    """Returns what the outputs mean.

    Args:
        original: the file.
        match: the layout.
        classes: C, without background.
        views: what the outputs hold.
        settings: what the user says.
    """
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
        rows=free_rows(original, match.layout, match.boxes, views, settings),
    )


def free_rows(
    original: OriginalFile, layout: str, boxes: str, views: Views, settings: AdoptSettings
) -> int | None:
    """Returns how many rows to take if their number is free, as after suppression.

    Args:
        original: the file.
        layout: of its outputs.
        boxes: the output with the boxes, or with all.
        views: what the outputs hold.
        settings: what the user says.
    """
    if layout not in SUPPRESSED:
        return None
    (port,) = (port for port in original.outputs if port.name == boxes)
    seen = [each[boxes].shape for each in views.real]
    axis = len(seen[0]) - 2
    if len(port.shape) == len(seen[0]) and port.shape[axis] is not None:
        return None
    most = settings.max_detections or DetectionRule().max_detections
    return max(most, *(int(shape[axis]) for shape in seen))


def check_duplicates(original: OriginalFile, names: Sequence[str]) -> None:
    """Raises UsageError if two classes have one name."""
    if len(set(names)) < len(names):
        raise UsageError(
            f"{original.path}: duplicate class name in its metadata; give --classes with a "
            "different name for each"
        )


def check_cells(signature: Signature, shape: tuple[int, ...]) -> None:
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
