"""The usual causes of a difference, each as a change to one of the two models.

A change either mends the second model or gives the first the same fault; both show the cause.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from spotlet.boxes import FloatArray

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

SUPPRESSION = "other suppression"
PRECISION = "float16 range"

NONE: Three = (0.0, 0.0, 0.0)

ONES: Three = (1.0, 1.0, 1.0)

NO_BYTES = ("signed", "unsigned")
"""Of `LAYOUTS`: their pixels are no bytes."""


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
        overlap: of suppression, in place of the rule's; None: the rule's.
        agnostic: whether a box also suppresses those of other classes.
    """

    culprit: str
    clause: str
    input: InputChange = UNCHANGED
    output: OutputChange | None = None
    mapping: str | None = None
    overlap: float | None = None
    agnostic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Setting:
    """All changes to one model; those to tensors in order."""

    input: InputChange = UNCHANGED
    outputs: tuple[OutputChange, ...] = ()
    mapping: str | None = None
    overlap: float | None = None
    agnostic: bool = False

    def then(self, change: Change) -> "Setting":
        """Returns the setting with one more change."""
        return replace(
            self,
            input=self.input.then(change.input),
            outputs=self.outputs + (() if change.output is None else (change.output,)),
            mapping=change.mapping or self.mapping,
            overlap=change.overlap or self.overlap,
            agnostic=change.agnostic or self.agnostic,
        )


AS_IS = Setting()
