"""Tells a YOLO line of a box and its key points from that of an outline: both are many numbers.

Key points are x, y or x, y and visibility 0 to 2, after the box's centre and size.

Source: https://docs.ultralytics.com/datasets/pose/
"""

from collections.abc import Sequence

BOX_NUMBERS = 4
"""Numbers after the class of a box."""

SLACK = 1.05
"""How far key points may lie outside their box, as a factor of its sides: rounding."""

Point = tuple[float, float]


def has_visibilities(values: Sequence[float]) -> bool:
    """Whether the numbers can only be a box and key points with visibilities.

    They are too odd a number for an outline, or one of every three is 2, outside a picture.
    """
    rest = values[BOX_NUMBERS:]
    seen = set(rest[2::3])
    fits = bool(rest) and len(rest) % 3 == 0 and seen <= {0.0, 1.0, 2.0}
    return fits and (len(rest) % 2 == 1 or 2.0 in seen)


def fits_key_points(values: Sequence[float]) -> bool | None:
    """Whether an outline is a box and the key points in it.

    None if it may be either: an outline near the picture's middle may look like key points.

    Args:
        values: the numbers after the class, an even number.
    """
    x, y, width, height = values[:BOX_NUMBERS]
    reach_x, reach_y = 0.5 * SLACK * width, 0.5 * SLACK * height
    rest = values[BOX_NUMBERS:]

    def holds(points: Sequence[Point]) -> bool:
        return all(
            (abs(at_x - x) <= reach_x and abs(at_y - y) <= reach_y) or at_x == at_y == 0
            for at_x, at_y in points
        )

    if len(rest) % 3 == 0 and set(rest[2::3]) <= {0.0, 1.0, 2.0}:
        return holds(list(zip(rest[::3], rest[1::3], strict=True)))
    points = list(zip(rest[::2], rest[1::2], strict=True))
    if not holds(points):
        return False
    # The second corner of an outline lies near its others; a box's size is not a place.
    return None if holds([(width, height)]) else True


def crosses_itself(values: Sequence[float]) -> bool:
    """Whether two sides of an outline cross, as those between key points do."""
    corners = list(zip(values[::2], values[1::2], strict=True))
    sides = list(zip(corners, [*corners[1:], corners[0]], strict=True))
    return any(
        _side_of(*first, second[0]) * _side_of(*first, second[1]) < 0
        and _side_of(*second, first[0]) * _side_of(*second, first[1]) < 0
        for number, first in enumerate(sides)
        for second in sides[:number]
    )


def _side_of(start: Point, end: Point, point: Point) -> float:
    """Returns on which side of a line a point lies, by sign."""
    return (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (point[0] - start[0])
