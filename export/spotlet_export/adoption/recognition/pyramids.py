"""Recognises families with an output, or several, for each stride of a pyramid of features."""

from spotlet_export.adoption.recognition.cells import (
    FOUR,
    THREE,
    Cells,
    activation_of,
    grid_family,
    pyramid,
)
from spotlet_export.adoption.recognition.family import IMAGENET_MEAN, IMAGENET_STD, Family
from spotlet_export.adoption.recognition.views import Tensors
from spotlet_export.adoption.signature_grids import Grid, Grids

NANODET_BINS, YOLO_BINS = 8, 16
"""Of a side's distribution. Source: NanoDet's configurations (reg_max 7); Jocher et al. 2023,
YOLOv8's documentation of its head (reg_max 16)."""


def pyramid_families(
    given: Tensors, classes: int | None, size_hw: tuple[int, int], extra: int
) -> list[Family]:
    """Returns the families with outputs for each stride that fit.

    Args:
        given: outputs by name, for one canvas.
        classes: how many there are; None if that is not known.
        size_hw: of the canvas, pixels.
        extra: columns after the class scores.
    """
    levels = pyramid(given, size_hw, 1)
    return [
        *_scrfd(pyramid(given, size_hw, 2)),
        *_yunet(levels),
        *_distributions(levels, classes, extra),
    ]


def _scrfd(levels: list[list[Cells]]) -> list[Family]:
    if tuple(level[0].stride for level in levels) != THREE:
        return []
    grids = []
    for level in levels:
        parts = {cells.depth: cells for cells in level}
        if len(parts) != len(level) or set(parts) not in ({1, 4}, {1, 4, 10}):
            return []
        boxes, scores = parts[4].part(), parts[1].part()
        grids.append(Grid(strides=(level[0].stride,), boxes=boxes, scores=scores))
    rule = Grids(grids=tuple(grids), coding="distances", per_cell=2)
    values = [cells.values for level in levels for cells in level if cells.depth == 1]
    return [
        grid_family(
            "SCRFD",
            rule,
            1,
            scale=1.0,
            mean=(127.5,) * 3,
            std=(128.0,) * 3,
            resize="letterbox_corner",
            activation=activation_of(*values),
            iou_threshold=0.4,
        )
    ]


def _yunet(levels: list[list[Cells]]) -> list[Family]:
    if tuple(level[0].stride for level in levels) != THREE:
        return []
    grids, scores = [], []
    for level in levels:
        roles = {word: [c for c in level if word in c.name.lower()] for word in ("cls", "obj")}
        boxes = [cells for cells in level if cells.depth == 4 and cells not in roles["cls"]]
        if [len(roles["cls"]), len(roles["obj"]), len(boxes)] != [1, 1, 1]:
            return []
        (cls,), (obj,), (box,) = roles["cls"], roles["obj"], boxes
        if obj.depth != 1:
            return []
        scores.append(cls)
        grids.append(
            Grid(strides=(box.stride,), boxes=box.part(), scores=cls.part(), objectness=obj.part())
        )
    rule = Grids(grids=tuple(grids), coding="exponents", joining="root")
    if len({cls.depth for cls in scores}) != 1:
        return []
    return [
        grid_family(
            "YuNet",
            rule,
            scores[0].depth,
            colour="BGR",
            scale=1.0,
            resize="letterbox_corner",
            activation=activation_of(*(cls.values for cls in scores)),
            iou_threshold=0.3,
        )
    ]


def _distributions(levels: list[list[Cells]], classes: int | None, extra: int) -> list[Family]:
    """Scores and distributions of each stride, in one output each or apart.

    Source: Li et al. 2020, Generalized Focal Loss, section 3; NanoDet's heads; Feng et al. 2021,
    TOOD, and the anchor-free YOLOs after it: the middle of a cell is its point.
    """
    strides = tuple(level[0].stride for level in levels)
    depths = {tuple(sorted(cells.depth for cells in level)) for level in levels}
    if strides not in (THREE, FOUR) or len(depths) != 1:
        return []
    (depth,) = depths
    found = []
    for bins in (NANODET_BINS, YOLO_BINS):
        sides = 4 * bins
        if len(depth) == 2 and sides in depth and depth != (sides, sides):
            columns = sum(depth) - sides
        elif len(depth) == 1 and bins == YOLO_BINS and classes == depth[0] - sides - extra:
            columns = classes
        else:
            continue
        if classes not in (None, columns):
            continue
        grids, scores = [], []
        for level in levels:
            boxes = next(cells for cells in level if len(depth) == 1 or cells.depth == sides)
            score = next(cells for cells in level if len(depth) == 1 or cells.depth == columns)
            first = sides if len(depth) == 1 else 0
            scores.append(score.values[:, first : first + columns])
            part = score.part(first)
            grids.append(Grid(strides=(boxes.stride,), boxes=boxes.part(), scores=part))
        activation = activation_of(*scores)
        if bins == NANODET_BINS:
            point = 0.0 if strides == FOUR else 0.5
            found.append(nanodet(tuple(grids), point, columns, activation))
        else:
            rule = Grids(grids=tuple(grids), coding="distributions", bins=bins, point=0.5)
            name = "a YOLO's heads with distributions of distances"
            found.append(
                grid_family(
                    name, rule, columns, activation=activation, extra=extra * (len(depth) == 1)
                )
            )
    return found


def nanodet(grids: tuple[Grid, ...], point: float, classes: int, activation: str) -> Family:
    """Returns the family of NanoDet, or of NanoDet-Plus."""
    rule = Grids(grids=grids, coding="distributions", bins=NANODET_BINS, point=point)
    return grid_family(
        "NanoDet" if point else "NanoDet-Plus",
        rule,
        classes,
        colour="BGR",
        scale=1.0,
        mean=(IMAGENET_MEAN[2], IMAGENET_MEAN[1], IMAGENET_MEAN[0]),
        std=(IMAGENET_STD[2], IMAGENET_STD[1], IMAGENET_STD[0]),
        resize="stretch",
        activation=activation,
        iou_threshold=0.6,
    )
