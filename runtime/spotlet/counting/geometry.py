"""Points, lines and polygons in the plane of a frame: x to the right, y down, pixels."""

import math
from collections.abc import Sequence

from spotlet.counts import PointXy


def offset(start: PointXy, end: PointXy, at: PointXy) -> float:
    """Returns a point's distance from an infinite line, pixels; negative on its left."""
    along_x, along_y = end[0] - start[0], end[1] - start[1]
    turned = along_x * (at[1] - start[1]) - along_y * (at[0] - start[0])
    return turned / math.hypot(along_x, along_y)


def segments_cross(start: PointXy, end: PointXy, before: PointXy, after: PointXy) -> bool:
    """Returns whether the path between two points crosses a line between its ends.

    The ends belong to the line, to a billionth of its length.

    Args:
        start: of the line.
        end: of the line.
        before: a point on one side of it.
        after: a point on the other side.
    """
    far, near = offset(start, end, before), offset(start, end, after)
    share = far / (far - near)
    x = before[0] + share * (after[0] - before[0])
    y = before[1] + share * (after[1] - before[1])
    along = (x - start[0]) * (end[0] - start[0]) + (y - start[1]) * (end[1] - start[1])
    length = (end[0] - start[0]) ** 2 + (end[1] - start[1]) ** 2
    return -1e-9 * length <= along <= (1 + 1e-9) * length


def is_inside(corners: Sequence[PointXy], at: PointXy) -> bool:
    """Returns whether a point is inside a polygon, by the even-odd rule."""
    x, y = at
    inside = False
    for (from_x, from_y), (to_x, to_y) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if (from_y > y) != (to_y > y):
            meets_x = from_x + (y - from_y) / (to_y - from_y) * (to_x - from_x)
            inside ^= x < meets_x
    return inside


def distance_to_sides(corners: Sequence[PointXy], at: PointXy) -> float:
    """Returns a point's distance from the nearest side of a polygon, pixels."""
    nearest = math.inf
    for start, end in zip(corners, [*corners[1:], corners[0]], strict=True):
        along = (end[0] - start[0], end[1] - start[1])
        length = along[0] ** 2 + along[1] ** 2
        share = (at[0] - start[0]) * along[0] + (at[1] - start[1]) * along[1]
        share = min(max(share / length, 0.0), 1.0) if length else 0.0
        foot = (start[0] + share * along[0], start[1] + share * along[1])
        nearest = min(nearest, math.dist(at, foot))
    return nearest
