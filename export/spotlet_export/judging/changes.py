"""The usual causes of a difference, each as a change to one of the two models.

A change either mends the second model or gives the first the same fault; both show the cause.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray
from spotlet.letterbox import PAD_VALUE, ImageArray
from spotlet.letterbox import RESIZES as PLACINGS
from spotlet.manifest import InputRule
from spotlet_export.adoption.trials.alternatives import IMAGENET_MEAN, IMAGENET_STD
from spotlet_export.judging.resizing import HALF_PIXEL, RESIZES

Three = tuple[float, float, float]

Tensors = tuple[FloatArray, FloatArray]
"""Boxes (K, 4) in [0, 1] of the canvas, and scores (K, C)."""

OutputChange = Callable[[FloatArray, FloatArray], Tensors]

CHANNELS = "channels swapped"
INTERPOLATION = "other interpolation"
PLACING = "letterbox against stretch"
CORNER = "letterbox: corner against centre"
PAD = "other grey of the border"
LAYOUT = "axes of the picture mixed up"
SCALE = "scale 255"
SIGNED = "bytes read as signed"
MEAN = "mean and deviation"
BOXES = "boxes: corner against centre"
XY = "x and y swapped"
UNIT = "boxes in another unit"
MAPPING = "boxes mapped back wrongly"
MISSING = "activation missing"
TWICE = "activation twice"
CLASSES = "class order"
SHIFT = "half-pixel shift"
PRECISION = "float16 range"

HALF: Three = (0.5, 0.5, 0.5)
NONE: Three = (0.0, 0.0, 0.0)
ONES: Three = (1.0, 1.0, 1.0)

NO_BYTES = ("signed", "unsigned")
"""Of `LAYOUTS`: their pixels are no bytes."""

RANGES: dict[str, tuple[Three, Three]] = {
    "ImageNet's mean and deviation": (IMAGENET_MEAN, IMAGENET_STD),
    "ImageNet's mean": (IMAGENET_MEAN, ONES),
    "ImageNet's deviation": (NONE, IMAGENET_STD),
    "mean 0.5 and deviation 0.5": (HALF, HALF),
    "mean 0.5": (HALF, ONES),
}
"""Means and deviations of pixels in [0, 1], RGB."""

GREYS = (0, PAD_VALUE, 127, 128, 255)
"""Of the border, in well-known programs."""

LEAST_LOGIT = 1e-7
"""Scores are held this far from 0 and 1 before a sigmoid is taken back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputChange:
    """Another way from a frame to what the network is given; a field that is None stays.

    Attributes:
        placing: a manifest's `resize`.
        pad_value: grey of the border.
        interpolation: a key of `resizing.RESIZES`.
        layout: a key of `LAYOUTS`, or empty.
        gain: factors of the canvas's bytes, BGR.
        offset: added to them after that.
        precision: `float32`, `float16`, `bfloat16`, or empty for the file's own.
    """

    placing: str | None = None
    pad_value: int | None = None
    interpolation: str | None = None
    layout: str = ""
    gain: Three = ONES
    offset: Three = NONE
    precision: str = ""

    @property
    def floats(self) -> bool:
        """Whether pixels are not bytes afterwards."""
        return (self.gain, self.offset) != (ONES, NONE) or self.layout in NO_BYTES

    def then(self, other: "InputChange") -> "InputChange":
        """Returns both changes in one: `other` where it says something."""
        gain = tuple(a * b for a, b in zip(self.gain, other.gain, strict=True))
        offset = tuple(
            a * b + c for a, b, c in zip(self.offset, other.gain, other.offset, strict=True)
        )
        return InputChange(
            placing=other.placing or self.placing,
            pad_value=self.pad_value if other.pad_value is None else other.pad_value,
            interpolation=other.interpolation or self.interpolation,
            layout=other.layout or self.layout,
            gain=(gain[0], gain[1], gain[2]),
            offset=(offset[0], offset[1], offset[2]),
            precision=other.precision or self.precision,
        )


UNCHANGED = InputChange()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Change:
    """One cause to try.

    Attributes:
        culprit: its name.
        clause: what then holds, with `{x}` for the model that is changed.
        input: what is done before the network.
        output: what is done with its tensors; None: nothing.
        mapping: a manifest's `resize`, as if the boxes lay on such a canvas; None: its own.
    """

    culprit: str
    clause: str
    input: InputChange = UNCHANGED
    output: OutputChange | None = None
    mapping: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Setting:
    """All changes to one model; those to tensors in order."""

    input: InputChange = UNCHANGED
    outputs: tuple[OutputChange, ...] = ()
    mapping: str | None = None

    def then(self, change: Change) -> "Setting":
        """Returns the setting with one more change."""
        return replace(
            self,
            input=self.input.then(change.input),
            outputs=self.outputs + (() if change.output is None else (change.output,)),
            mapping=change.mapping or self.mapping,
        )


AS_IS = Setting()


def transposed(canvas: ImageArray) -> ImageArray:
    """Returns a canvas with rows and columns swapped; of the same shape only if it is square."""
    return np.ascontiguousarray(canvas.transpose(1, 0, 2))


def reshaped(canvas: ImageArray) -> ImageArray:
    """Returns what a network sees if (H, W, 3) is reshaped to (3, H, W), not transposed."""
    height, width, _ = canvas.shape
    return np.ascontiguousarray(canvas.reshape(3, height, width).transpose(1, 2, 0))


def unreshaped(canvas: ImageArray) -> ImageArray:
    """Undoes `reshaped`."""
    return np.ascontiguousarray(canvas.transpose(2, 0, 1)).reshape(canvas.shape)


def wrapped(step: int) -> Callable[[ImageArray], npt.NDArray[np.int16]]:
    """Returns a function that adds a step to bytes over 127; -256 makes them signed."""

    def wrap(canvas: ImageArray) -> npt.NDArray[np.int16]:
        return np.where(canvas > 127, canvas + np.int16(step), canvas).astype(np.int16)

    return wrap


LAYOUTS: dict[str, Callable[[ImageArray], npt.NDArray[np.integer[Any]]]] = {
    "signed": wrapped(-256),
    "unsigned": wrapped(256),
    "swapped": lambda canvas: np.ascontiguousarray(canvas[..., ::-1]),
    "reshaped": reshaped,
    "unreshaped": unreshaped,
    "transposed": transposed,
}


def input_changes(rule: InputRule | None, *, floats: bool) -> Iterator[Change]:
    """Yields the changes before the network, the usual ones first.

    Args:
        rule: of the model's canvas; None: it takes frames, and lays them on its canvas itself.
        floats: whether it can be given pixels that are not bytes.
    """
    layouts = {
        "swapped": (CHANNELS, "{x}'s input is RGB"),
        "reshaped": (LAYOUT, "{x}'s pixels are reshaped to channels first, not transposed"),
        "unreshaped": (LAYOUT, "{x}'s pixels are reshaped from channels first, not transposed"),
    }
    if rule is not None and rule.size_hw[0] == rule.size_hw[1]:
        layouts["transposed"] = (LAYOUT, "rows and columns of {x}'s picture are swapped")
    for layout, (culprit, clause) in layouts.items():
        yield Change(culprit=culprit, clause=clause, input=InputChange(layout=layout))
    if rule is not None:
        yield from _placings(rule)
    if floats:
        layouts = {
            "signed": (SIGNED, "bytes over 127 of {x}'s pixels become negative"),
            "unsigned": (SIGNED, "bytes over 127 of {x}'s pixels are no longer negative"),
        }
        for layout, (culprit, clause) in layouts.items():
            yield Change(culprit=culprit, clause=clause, input=InputChange(layout=layout))
        for text, factor in (("multiplied", 255.0), ("divided", 1 / 255.0)):
            change = InputChange(gain=(factor,) * 3)
            yield Change(culprit=SCALE, clause=f"{{x}}'s pixels are {text} by 255", input=change)
        yield from _ranges()
        for precision in ("float32", "float16", "bfloat16"):
            clause = f"{{x}} computes in {precision}"
            change = InputChange(precision=precision)
            yield Change(culprit=PRECISION, clause=clause, input=change)


def _placings(rule: InputRule) -> Iterator[Change]:
    words = {
        "letterbox": "laid in the middle of the canvas (letterbox)",
        "letterbox_corner": "laid in the top left corner of the canvas",
        "stretch": "stretched over the canvas",
    }
    for placing in PLACINGS:
        if placing != rule.resize:
            culprit = PLACING if "stretch" in (placing, rule.resize) else CORNER
            clause = f"{{x}}'s frames are {words[placing]}"
            yield Change(culprit=culprit, clause=clause, input=InputChange(placing=placing))
            clause = f"{{x}}'s boxes are mapped back as from frames {words[placing]}"
            yield Change(culprit=MAPPING, clause=clause, mapping=placing)
    for name in RESIZES:
        if name != rule.interpolation:
            culprit = SHIFT if name in HALF_PIXEL else INTERPOLATION
            clause = f"{{x}}'s frames are resized by: {name}"
            yield Change(culprit=culprit, clause=clause, input=InputChange(interpolation=name))
    if rule.resize != "stretch":
        for grey in GREYS:
            if grey != rule.pad_value:
                clause = f"the border around {{x}}'s frames has the grey {grey}"
                yield Change(culprit=PAD, clause=clause, input=InputChange(pad_value=grey))


def _ranges() -> Iterator[Change]:
    for name, (mean, std) in RANGES.items():
        pairs = {
            "taken back from": affine((NONE, ONES), (mean, std)),
            "applied to": affine((mean, std), (NONE, ONES)),
        }
        if mean != mean[::-1] or std != std[::-1]:
            turned = mean[::-1], std[::-1]
            pairs["in the wrong order of channels; mended in"] = affine(turned, (mean, std))
            pairs["in the right order of channels; spoilt in"] = affine((mean, std), turned)
        for text, change in pairs.items():
            yield Change(culprit=MEAN, clause=f"{name} are {text} {{x}}'s pixels", input=change)


def affine(applied: tuple[Three, Three], taken_back: tuple[Three, Three]) -> InputChange:
    """Returns the change that applies a mean and deviation to pixels and takes another back.

    Args:
        applied: mean and deviation of pixels in [0, 1], RGB: x becomes (x - mean) / deviation.
        taken_back: after that, x becomes x * deviation + mean.
    """
    gains, offsets = [], []
    for mean, std, other_mean, other_std in zip(*applied, *taken_back, strict=True):
        gains.append(other_std / std)
        offsets.append(255 * (other_mean - mean * other_std / std))
    blue_first = slice(None, None, -1)
    (b, g, r), (ob, og, o_r) = gains[blue_first], offsets[blue_first]
    return InputChange(gain=(b, g, r), offset=(ob, og, o_r))


def output_changes(canvas_hw: tuple[int, int] | None, *, many_classes: bool) -> Iterator[Change]:
    """Yields the changes after the network.

    Args:
        canvas_hw: height and width, pixels; None: frames of any size.
        many_classes: whether scores may be shares of a whole.
    """

    def boxes(culprit: str, clause: str, change: Callable[[FloatArray], FloatArray]) -> Change:
        return Change(
            culprit=culprit,
            clause=f"{{x}}'s boxes are {clause}",
            output=lambda given, scores: (change(given), scores),
        )

    def scores(culprit: str, clause: str, change: Callable[[FloatArray], FloatArray]) -> Change:
        return Change(
            culprit=culprit,
            clause=f"{clause} {{x}}'s scores",
            output=lambda given, values: (given, change(values)),
        )

    yield boxes(BOXES, "read as centre and size", _from_centres)
    yield boxes(BOXES, "turned into centre and size", _to_centres)
    yield boxes(BOXES, "read as corner and size", _from_sizes)
    yield boxes(BOXES, "turned into corner and size", _to_sizes)
    yield boxes(XY, "read as y, x, y, x", lambda given: given[:, [1, 0, 3, 2]])
    if canvas_hw is not None:
        height, width = canvas_hw
        size = np.array([width, height, width, height], np.float32)
        yield boxes(UNIT, "read as pixels of the canvas", lambda given: given / size)
        yield boxes(UNIT, "turned into pixels of the canvas", lambda given: given * size)
        if height != width:
            other = size / size[[1, 0, 3, 2]]
            yield boxes(UNIT, "scaled by height / width", lambda given: given * other)
            yield boxes(UNIT, "scaled by width / height", lambda given: given / other)
    yield scores(MISSING, "a sigmoid is applied to", sigmoid)
    yield scores(TWICE, "a sigmoid is taken back from", logit)
    if many_classes:
        yield scores(MISSING, "a softmax is applied to", softmax)
        yield scores(TWICE, "a softmax is taken back from", unsoftmax)


def sigmoid(values: FloatArray) -> FloatArray:
    """Returns 1 / (1 + e^-x)."""
    made: FloatArray = (1 / (1 + np.exp(-np.clip(values, -80, 80)))).astype(np.float32)
    return made


def logit(values: FloatArray) -> FloatArray:
    """Returns the inverse of the sigmoid, for values in [0, 1]."""
    inside = np.clip(values.astype(np.float64), LEAST_LOGIT, 1 - LEAST_LOGIT)
    made: FloatArray = np.log(inside / (1 - inside)).astype(np.float32)
    return made


def softmax(values: FloatArray) -> FloatArray:
    """Returns each row (K, C) as shares of a whole."""
    raised = np.exp(values - values.max(axis=1, keepdims=True))
    made: FloatArray = (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)
    return made


def unsoftmax(values: FloatArray) -> FloatArray:
    """Returns the rows that sum to 1 and whose softmax these are."""
    logs = np.log(np.maximum(values, LEAST_LOGIT))
    made: FloatArray = (logs + (1 - logs.sum(axis=1, keepdims=True)) / values.shape[1]).astype(
        np.float32
    )
    return made


def _from_centres(given: FloatArray) -> FloatArray:
    half = given[:, 2:] / 2
    return np.hstack([given[:, :2] - half, given[:, :2] + half])


def _to_centres(given: FloatArray) -> FloatArray:
    return np.hstack([(given[:, :2] + given[:, 2:]) / 2, given[:, 2:] - given[:, :2]])


def _from_sizes(given: FloatArray) -> FloatArray:
    return np.hstack([given[:, :2], given[:, :2] + given[:, 2:]])


def _to_sizes(given: FloatArray) -> FloatArray:
    return np.hstack([given[:, :2], given[:, 2:] - given[:, :2]])
