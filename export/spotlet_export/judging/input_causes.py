"""The usual causes before the network: pixels, placing, precision."""

from collections.abc import Iterator

from spotlet.letterbox import PAD_VALUE
from spotlet.letterbox import RESIZES as PLACINGS
from spotlet.manifest import InputRule
from spotlet_export.adoption.trials.alternatives import IMAGENET_MEAN, IMAGENET_STD
from spotlet_export.judging.changes import (
    CHANNELS,
    CORNER,
    INTERPOLATION,
    LAYOUT,
    MAPPING,
    MEAN,
    NONE,
    ONES,
    PAD,
    PLACING,
    PRECISION,
    SCALE,
    SHIFT,
    SIGNED,
    Change,
    InputChange,
    Three,
)
from spotlet_export.judging.resizing import HALF_PIXEL, RESIZES

HALF: Three = (0.5, 0.5, 0.5)

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
        red, green, blue = std
        whole = (255 * red, 255 * green, 255 * blue)  # and pixels divided by 255 once more
        pairs = {
            "taken back, with a scale of 255, from": affine((NONE, ONES), (mean, whole)),
            "applied, with a scale of 255, to": affine((mean, whole), (NONE, ONES)),
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
