"""A family of networks with a published contract: its outputs, its pixels, its classes."""

from dataclasses import dataclass, replace
from typing import Any

import numpy.typing as npt

from spotlet.errors import UsageError
from spotlet_export.adoption.recognition import columns
from spotlet_export.adoption.settings import AdoptSettings
from spotlet_export.adoption.signature import OutputSignature

Three = tuple[float, float, float]

BYTE = 1 / 255
NONE, ONES = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
IMAGENET_MEAN, IMAGENET_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
"""Of pixels from 0 to 255, red first. Source: torchvision's models, OpenMMLab's configurations."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Family:
    """A family of networks with a published contract.

    Attributes:
        name: for the user.
        output: what the outputs mean; its `classes` is a placeholder if `classes` is None.
        classes: how many the outputs have; None if their shapes do not say.
        first_id: of the classes in suppressed rows, if the outputs' names say it: 0, or 1 after a
            background; None if values must tell.
        colour: one of `signature.COLOURS`.
        scale: of a pixel's 0 to 255.
        mean: of the three colours, after the scale.
        std: likewise.
        resize: one of `spotlet.letterbox.RESIZES`.
    """

    name: str
    output: OutputSignature
    classes: int | None = None
    first_id: int | None = None
    colour: str = "RGB"
    scale: float = BYTE
    mean: Three = NONE
    std: Three = ONES
    resize: str = "letterbox"


def family_output(
    family: Family, classes: int, rows: int | None, settings: AdoptSettings
) -> OutputSignature:
    """Returns what a family's outputs mean, with what the user says about them.

    Raises:
        UsageError: an option does not apply to the family.
    """
    options = {
        "box_format": settings.box_format,
        "box_unit": settings.box_unit,
        "activation": settings.activation,
        "background": settings.background,
    }
    said = {name: value for name, value in options.items() if value is not None}
    fixed = [name for name in said if family.output.grids is not None and name != "activation"]
    wrong = [name for name in fixed if said[name] != getattr(family.output, name)]
    if wrong:
        raise UsageError(
            f"--{wrong[0].replace('_', '-')} {said[wrong[0]]}: the outputs are those of "
            f"{family.name}, which has {getattr(family.output, wrong[0])}; drop it"
        )
    output = family.output
    return replace(
        output,
        classes=classes,
        rows=rows,
        box_format=settings.box_format or output.box_format,
        box_unit=settings.box_unit or output.box_unit,
        activation=settings.activation or output.activation,
        background=settings.background or output.background,
    )


def is_whole(values: npt.NDArray[Any]) -> bool:
    """Returns whether there are none, or all are whole numbers as `columns.is_whole` has it."""
    return not values.size or columns.is_whole(values)


def is_unit(values: npt.NDArray[Any]) -> bool:
    """Returns whether there are none, or all are in [0, 1] as `columns.is_unit` has it."""
    return not values.size or columns.is_unit(values)


def is_ordered(corners: npt.NDArray[Any]) -> bool:
    """Returns whether all boxes, in the first four columns, end where they start, or after it."""
    return bool((corners[:, 2:4] >= corners[:, :2]).all())
