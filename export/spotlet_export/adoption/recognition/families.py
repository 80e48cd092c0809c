"""Recognises networks of a known family as a whole: their outputs, their pixels, their classes.

A family is taken only where its outputs' shapes, names and values have its published contract, and
no other family's.
"""

from spotlet.errors import UsageError
from spotlet_export.adoption.recognition.cells import pyramid
from spotlet_export.adoption.recognition.faces import face_families
from spotlet_export.adoption.recognition.family import Family
from spotlet_export.adoption.recognition.grids import grid_families
from spotlet_export.adoption.recognition.mismatch import unsupported
from spotlet_export.adoption.recognition.pyramids import pyramid_families
from spotlet_export.adoption.recognition.suppressed import row_families
from spotlet_export.adoption.recognition.views import Tensors
from spotlet_export.adoption.settings import AdoptSettings

ANCHORS_PER_CELL = (3, 9)
"""Of YOLOv3 to v7, and of RetinaNet."""


def find_family(
    given: Tensors, classes: int | None, size_hw: tuple[int, int], settings: AdoptSettings
) -> Family | None:
    """Returns the family that a network's outputs belong to; None if they belong to none.

    Args:
        given: outputs by name, for one canvas.
        classes: how many there are; None if that is not known.
        size_hw: of the canvas, pixels.
        settings: what the user says about the outputs.

    Raises:
        UsageError: they could belong to several.
    """
    if settings.strides or settings.anchors is not None:
        return None
    if settings.outputs:
        given = {name: given[name] for name in settings.outputs if name in given}
    found = [
        family
        for family in [
            *row_families(given, classes, size_hw, settings),
            *grid_families(given, classes, size_hw),
            *pyramid_families(given, classes, size_hw, settings.extra),
            *face_families(given, size_hw),
        ]
        if settings.layout in (None, family.output.layout)
        and settings.extra in (0, family.output.extra)
        and (not settings.outputs or set(settings.outputs) == set(family.output.outputs))
    ]
    if len(found) > 1:
        raise UsageError(
            f"outputs of {' or of '.join(family.name for family in found)}: give --layout, or "
            "--outputs a,b"
        )
    return found[0] if found else None


def check_supported(given: Tensors, size_hw: tuple[int, int], settings: AdoptSettings) -> None:
    """Raises GateError if all outputs are raw, of a family that is known and not supported.

    Args:
        given: outputs by name, for one canvas; of no supported family.
        size_hw: of the canvas, pixels.
        settings: what the user says about them.
    """
    if settings.layout or settings.outputs or settings.strides or settings.anchors is not None:
        return
    kind = unsupported_family(given, size_hw)
    if kind is not None:
        raise unsupported(given, settings, why=f"{kind} are not decoded boxes")


def unsupported_family(given: Tensors, size_hw: tuple[int, int]) -> str | None:
    """Returns what raw outputs are, if that is known; None otherwise."""
    levels = pyramid(given, size_hw, 1)
    five = [tensor.shape for tensor in given.values() if tensor.ndim == 5]
    if len(five) == len(given) and all(shape[1] == ANCHORS_PER_CELL[0] for shape in five):
        return "raw heads with anchors, as of YOLOv3 to v7,"
    if len(levels) < 3 or sum(map(len, levels)) < len(given):
        return None
    depths = {tuple(sorted(cells.depth for cells in level)) for level in levels}
    if len(depths) != 1:
        return None
    (depth,) = depths
    if len(depth) == 1 and depth[0] % 3 == 0 and depth[0] > 15:
        return "raw heads with anchors, as of YOLOv3 to v7,"
    if len(depth) == 3 and {1, 4} <= set(depth):
        return "raw heads with a centerness or an objectness, as of FCOS, ATSS and YOLOX,"
    if len(depth) == 2 and any(4 * count in depth for count in ANCHORS_PER_CELL):
        return "raw heads with anchors, as of RetinaNet,"
    return "raw heads of several strides"
