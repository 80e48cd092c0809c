"""Other readings of a network that `trials` tries: what may be set differently, and in which order.

The order is how usual a value is: where the images cannot tell two readings apart, the first wins.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from typing import Any

from spotlet.letterbox import PAD_VALUE
from spotlet.manifest import Manifest
from spotlet_export.adoption.recognition.family import BYTE, NONE, ONES, Three
from spotlet_export.adoption.settings import AdoptSettings
from spotlet_export.adoption.signature import (
    ACTIVATIONS,
    BOX_FORMATS,
    BOX_UNITS,
    COLOURS,
    SUPPRESSED,
    Signature,
    grid_size,
)

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the photographs of ImageNet in [0, 1], RGB: torchvision's models expect them."""

CAFFE_MEAN = (123.0, 117.0, 104.0)
"""The same mean in bytes, RGB; networks of Caffe subtract it and divide by nothing."""

PIXELS: tuple[tuple[float, Three, Three], ...] = (
    (BYTE, NONE, ONES),
    (1.0, NONE, ONES),
    (BYTE, IMAGENET_MEAN, IMAGENET_STD),
    (1.0, (127.5, 127.5, 127.5), (127.5, 127.5, 127.5)),
    (1.0, CAFFE_MEAN, ONES),
    (1.0, (127.5, 127.5, 127.5), (128.0, 128.0, 128.0)),
)
"""Scale, mean and std, RGB. ImageNet's in bytes are the same numbers as in [0, 1]."""

COMMON = 4
"""The first of them, which are tried even where something is found."""

PLACINGS = (
    ("letterbox", PAD_VALUE),
    ("stretch", PAD_VALUE),
    ("letterbox_corner", PAD_VALUE),
    ("letterbox", 0),
    ("letterbox_corner", 0),
)
"""Resize and grey of the border."""

GRIDS = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32))
"""Strides of undecoded boxes."""

VARIED = (*SUPPRESSED, "4+C,K", "K,4+C", "K,5+C", "boxes+scores", "ssd")
"""Layouts whose outputs may mean several things; the others are a family's own."""

UNDECODED_RESIZE, UNDECODED_PIXELS = "letterbox_corner", ("BGR", 1.0, NONE)
"""What most networks with undecoded boxes expect; of pixels: colour, scale and mean."""

RANGE = ("scale", "mean", "std")
INPUT = ("colour", *RANGE, "resize", "pad_value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """The part of a signature and a manifest that is tried; fields as in `AdoptSettings`."""

    colour: str
    scale: float
    mean: Three
    std: Three
    resize: str
    pad_value: int
    activation: str
    box_format: str
    box_unit: str
    strides: tuple[int, ...]

    def applied(self, signature: Signature, manifest: Manifest) -> tuple[Signature, Manifest]:
        """Returns both with the values of this reading."""
        return (
            replace(
                signature,
                input=replace(
                    signature.input,
                    colour=self.colour,
                    scale=self.scale,
                    mean=self.mean,
                    std=self.std,
                ),
                output=replace(
                    signature.output,
                    activation=self.activation,
                    box_format=self.box_format,
                    box_unit=self.box_unit,
                    strides=self.strides,
                ),
            ),
            replace(
                manifest,
                input=replace(manifest.input, resize=self.resize, pad_value=self.pad_value),
            ),
        )

    @property
    def usual(self) -> bool:
        """Whether it is more usual than its place in the order says."""
        return self.strides != () and (self.colour, self.scale, self.mean) == UNDECODED_PIXELS

    def changes(self, default: "Alternative") -> dict[str, Any]:
        """Returns the settings that turn a default reading into this one."""
        names = [
            each.name
            for each in fields(self)
            if getattr(self, each.name) != getattr(default, each.name)
        ]
        if any(name in RANGE for name in names):
            names = [*names, *RANGE]  # one of them drops the defaults of the others
        if "strides" in names:
            names = [*names, *INPUT]  # layouts with strides have other defaults
        changed = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            name: value
            for name, value in changed.items()
            if name in names and (name, value) not in (("mean", NONE), ("std", ONES))
        }


def alternative_of(signature: Signature, manifest: Manifest) -> Alternative:
    """Returns the reading that a signature and a manifest have."""
    given, rule = signature.input, signature.output
    return Alternative(
        colour=given.colour,
        scale=given.scale,
        mean=given.mean,
        std=given.std,
        resize=manifest.input.resize,
        pad_value=manifest.input.pad_value,
        activation=rule.activation,
        box_format=rule.box_format,
        box_unit=rule.box_unit,
        strides=rule.strides,
    )


def pixel_alternatives(
    start: Alternative, dtype: str, settings: AdoptSettings
) -> Iterator[Alternative]:
    """Yields readings with other colour orders and ranges, the start first.

    Args:
        start: the reading to change.
        dtype: of the input; whole numbers have no other range.
        settings: what the user said, which stays.
    """
    colours = _first(start.colour, COLOURS, settings.colour)
    if any(getattr(settings, name) is not None for name in RANGE):
        yield from (replace(start, colour=colour) for colour in colours)
        return
    own = (
        start.scale,
        _in_order(start.mean, start.colour),
        _in_order(start.std, start.colour),
    )
    others = [each for each in PIXELS if each != own] if dtype.startswith("float") else []
    for (scale, mean, std), colour in product([own, *others], colours):
        yield replace(
            start,
            colour=colour,
            scale=scale,
            mean=_in_order(mean, colour),
            std=_in_order(std, colour),
        )


def common_pixels(start: Alternative, dtype: str, settings: AdoptSettings) -> Iterator[Alternative]:
    """Yields the other colour order, then usual ranges; arguments as of `pixel_alternatives`."""
    for other in pixel_alternatives(start, dtype, settings):
        if other.colour != start.colour:
            yield other
            break
    for other in pixel_alternatives(start, dtype, settings):
        own_range = [getattr(other, name) == getattr(start, name) for name in RANGE]
        mean = _in_order(other.mean, other.colour)
        common = (other.scale, mean, _in_order(other.std, other.colour)) in PIXELS[:COMMON]
        if other.colour == start.colour and common and not all(own_range):
            yield other


def placing_alternatives(start: Alternative, settings: AdoptSettings) -> Iterator[Alternative]:
    """Yields readings with other ways to place the frame, the start first."""
    placings = [(start.resize, start.pad_value), *PLACINGS]
    if settings.pad_value is not None:
        placings = [(resize, settings.pad_value) for resize, _ in placings]
    for resize, pad_value in dict.fromkeys(placings):
        if settings.resize in (None, resize):
            yield replace(start, resize=resize, pad_value=pad_value)


def output_alternatives(
    start: Alternative, signature: Signature, cells: int, settings: AdoptSettings
) -> Iterator[Alternative]:
    """Yields readings with other meanings of the outputs, the start first.

    Args:
        start: the reading to change.
        signature: with the layout and the canvas.
        cells: K of the outputs.
        settings: what the user said, which stays.
    """
    layout, size_hw = signature.output.layout, signature.input.size_hw
    if layout not in VARIED:
        yield start
        return
    grids = [start.strides]
    if not settings.strides and layout not in (*SUPPRESSED, "ssd"):
        grids += [each for each in GRIDS if grid_size(size_hw, each) == cells]
    centres = [name for name in BOX_FORMATS if name.startswith("c")]
    formats = centres if layout == "ssd" else BOX_FORMATS
    units = [start.box_unit] if layout == "ssd" else BOX_UNITS
    activations: Sequence[str] = ACTIVATIONS
    if layout in SUPPRESSED:
        activations = ("none", "sigmoid")  # the shares of one column are always 1
    elif signature.output.background != "none":
        activations = ("none", "softmax", "sigmoid")
    for activation, strides, unit, box_format in product(
        _first(start.activation, activations, settings.activation),
        dict.fromkeys(grids),
        _first(start.box_unit, units, settings.box_unit),
        _first(start.box_format, formats, settings.box_format),
    ):
        if strides and (box_format not in centres or unit == "unit"):
            continue
        yield replace(
            start, activation=activation, strides=strides, box_unit=unit, box_format=box_format
        )


def _in_order(three: Three, colour: str) -> Three:
    """Returns values for red, green, blue in the order of a colour, or the reverse."""
    return three if colour == "RGB" else (three[2], three[1], three[0])


def _first(own: str, choices: Sequence[str], said: str | None) -> list[str]:
    """Returns the choices, the own one first; only that if the user said it."""
    return [own] if said is not None else list(dict.fromkeys((own, *choices)))
