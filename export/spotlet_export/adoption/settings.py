"""What the user says about the original network; the rest has a default by layout."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from spotlet.boxes import FloatArray
from spotlet.errors import InputError, UsageError
from spotlet.letterbox import INTERPOLATIONS, RESIZES
from spotlet_export.adoption.metadata import class_names
from spotlet_export.adoption.signature import (
    ACTIVATIONS,
    AXES,
    BACKGROUNDS,
    BOX_FORMATS,
    BOX_UNITS,
    COLOURS,
    LAYOUTS,
    OFFSETS,
)
from spotlet_export.gate.variants import DEFAULT_BUDGET
from spotlet_export.package.golden_frames import SOURCES

CHOICES = {
    "layout": tuple(LAYOUTS),
    "colour": COLOURS,
    "axes": AXES,
    "resize": RESIZES,
    "interpolation": tuple(INTERPOLATIONS),
    "box_format": BOX_FORMATS,
    "box_unit": BOX_UNITS,
    "activation": ACTIVATIONS,
    "background": BACKGROUNDS,
    "offsets": OFFSETS,
    "golden": SOURCES,
}
"""The values that a setting may have."""

MOST_NAME = 255
"""Characters of a file's name; longer text is a list of class names."""

MOST_ANCHOR = 4
"""Sides of the canvas. An anchor with a greater number is in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AdoptSettings:
    """How to read the original network, and what to put into the package.

    None leaves a value to the file, or to the default of its layout.

    Attributes:
        classes: their names; the index is the class id.
        layout: one of `signature.LAYOUTS`.
        outputs: names of outputs in the layout's order, if there are more than it uses.
        size_hw: of the canvas, pixels, if the file leaves it free.
        axes: one of `signature.AXES`.
        colour: one of `signature.COLOURS`.
        scale: multiplies a pixel's 0 to 255.
        mean: subtracted after that, in the order of `colour`.
        std: divides after that.
        fixed: constant values of other inputs, by name.
        resize: one of `spotlet.letterbox.RESIZES`.
        interpolation: a key of `spotlet.letterbox.INTERPOLATIONS`.
        pad_value: grey of the border, 0 to 255.
        box_format: one of `signature.BOX_FORMATS`.
        box_unit: one of `signature.BOX_UNITS`.
        activation: one of `signature.ACTIVATIONS`.
        background: one of `signature.BACKGROUNDS`.
        strides: of the grids of undecoded boxes, pixels.
        anchors: (K, 4) float32 cxcywh in [0, 1] of the canvas.
        offsets: one of `signature.OFFSETS`.
        variances: of x, y, width, height.
        extra: columns after the class scores that are dropped.
        score_threshold: the least score kept, in [0, 1].
        iou_threshold: suppression drops a box with more overlap, in (0, 1].
        max_detections: the most for one frame.
        name: of the model; the folder's name by default.
        licence: of the weights, if the file does not have it.
        notes: Markdown for the card.
        golden: source of the golden frames, one of `golden_frames.SOURCES`. None: drawings, and if
            the model finds nothing in them, small cuts of the user's images.
        end_to_end: whether to write each file a second time, with suppression in the graph.
        int8: whether to write an int8 file too.
        calibrate: folder of pictures to calibrate int8 on, of the kind that the model will see; by
            default the training images of `data`, else the user's images.
        data: labelled set of the model's classes, to measure what int8 costs.
        int8_budget: AP that int8 may cost, absolute, in [0, 1]; measured with `data` alone.
        attachments: files to copy into the package.
        force: write it even if what it finds looks wrong.

    Raises:
        UsageError: a value breaks its rule.
    """

    classes: tuple[str, ...] | None = None
    layout: str | None = None
    outputs: Sequence[str] = ()
    size_hw: tuple[int, int] | None = None
    axes: str | None = None
    colour: str | None = None
    scale: float | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    fixed: Mapping[str, Sequence[float]] = field(default_factory=dict)
    resize: str | None = None
    interpolation: str | None = None
    pad_value: int | None = None
    box_format: str | None = None
    box_unit: str | None = None
    activation: str | None = None
    background: str | None = None
    strides: tuple[int, ...] = ()
    anchors: FloatArray | None = None
    offsets: str | None = None
    variances: tuple[float, float, float, float] | None = None
    extra: int = 0
    score_threshold: float | None = None
    iou_threshold: float | None = None
    max_detections: int | None = None
    name: str | None = None
    licence: str | None = None
    notes: str = ""
    golden: str | None = None
    end_to_end: bool = False
    int8: bool = False
    calibrate: Path | None = None
    data: Path | None = None
    int8_budget: float = DEFAULT_BUDGET
    attachments: Sequence[Path] = ()
    force: bool = False

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value is not None and value not in choices:
                option = name.replace("_", "-")
                raise UsageError(f"--{option} {value}: must be one of {', '.join(choices)}")
        if self.std is not None and not all(self.std):
            raise UsageError(f"--std {self.std}: must not contain 0")
        if not self.int8 and (self.calibrate or self.data):
            raise UsageError("--calibrate and --data are for int8; add --int8")
        if not 0 <= self.int8_budget <= 1:
            raise UsageError(f"--int8-budget {self.int8_budget}: must be from 0 to 1")
        if self.extra < 0 or min(self.strides, default=1) < 1:
            raise UsageError("--extra must be at least 0, and each of --strides at least 1")


def read_classes(given: str) -> tuple[str, ...]:
    """Returns class names from a file, or from comma-separated words.

    Args:
        given: the path of a text file with one name on each line, or of a JSON file with a list or
            a dict by class id; or `a,b,c`.

    Raises:
        InputError: the file cannot be read.
        UsageError: there are no names in it, or one is a duplicate.
    """
    path = Path(given)
    if len(path.name) > MOST_NAME or not path.is_file():
        if path.suffix in (".txt", ".json", ".names") or "/" in given:
            raise InputError(f"{given}: no such file of class names")
        names: tuple[str, ...] | None = tuple(name.strip() for name in given.split(","))
    else:
        try:
            text = path.read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: cannot be read as UTF-8 text") from error
        if path.suffix == ".json":
            names = class_names({"names": text})
        else:
            names = tuple(line.strip() for line in text.splitlines() if line.strip())
    if not names or not all(names):
        raise UsageError(
            f"--classes {given}: no names found; give a,b,c or a file with one name on each line"
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"--classes {given}: duplicate name {twice[0]!r}; give each class its own")
    return names


def read_anchors(path: Path, box_format: str) -> FloatArray:
    """Returns anchors (K, 4) as cxcywh in [0, 1] of the canvas, from a .npy or .csv.

    Args:
        path: of the file.
        box_format: of its rows, one of `signature.BOX_FORMATS`.

    Raises:
        InputError: the file cannot be read.
        UsageError: its content is not such anchors.
    """
    try:
        if path.suffix == ".npy":
            values = np.load(path, allow_pickle=False)
        else:
            values = np.loadtxt(path, delimiter=",", ndmin=2)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as .npy or .csv of numbers ({error})") from error
    if values.ndim != 2 or values.shape[1] != 4 or not np.isfinite(values).all():
        raise UsageError(f"{path}: anchors of shape {values.shape}; must be (K, 4), finite")
    if np.abs(values).max() > MOST_ANCHOR:
        raise UsageError(f"{path}: anchors up to {values.max():g}; must be fractions of the canvas")
    if box_format in ("yxyx", "cycxhw"):
        values = values[:, [1, 0, 3, 2]]
    if box_format in ("xyxy", "yxyx"):
        values = np.hstack([(values[:, :2] + values[:, 2:]) / 2, values[:, 2:] - values[:, :2]])
    anchors: FloatArray = values.astype(np.float32)
    return anchors
