"""The signature of outputs whose boxes are relative to the cells of grids. Data only."""

from dataclasses import dataclass

CODINGS = {
    "exponents": "offset of the centre, exp of the size; in strides",
    "sizes": "offset of the centre, size; in strides",
    "distances": "left, top, right, bottom from the cell's point; in strides",
    "distributions": "the same, each as the logits of a distribution over whole numbers",
    "canvas": "tanh of the centre's offset in strides, sigmoid of the size in canvases",
}
"""How a box is written relative to its cell.

Source: exponents, Ge et al. 2021, YOLOX; sizes, Zhou et al. 2019, Objects as Points, section 4;
distances, Tian et al. 2019, FCOS, section 3.1; distributions, Li et al. 2020, Generalized Focal
Loss, equation 5; canvas, FastestDet's published decoding (2022)."""

JOININGS = ("product", "root", "powers")
"""Of a score and an objectness: their product, its square root, or that of their powers."""

SCORE_POWER, OBJECTNESS_POWER = 0.4, 0.6
"""Of `powers`. Source: FastestDet's published decoding (2022)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of an output: some columns of each cell.

    Attributes:
        output: its name.
        axes: of the output: 2 of (K, D), 3 of (N, K, D), 4 of (N, D, H, W).
        depth: D of one cell.
        first: column that the part starts with.
    """

    output: str
    axes: int
    depth: int
    first: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Cells row by row, of one stride, or of several one after the other.

    Attributes:
        strides: pixels.
        boxes: of all numbers of the box, or without the offsets if these are separate.
        scores: of the classes.
        objectness: if there is one.
        offsets: of the centre, if they are separate.
    """

    strides: tuple[int, ...]
    boxes: Part
    scores: Part
    objectness: Part | None = None
    offsets: Part | None = None

    @property
    def parts(self) -> tuple[Part, ...]:
        """All parts."""
        found = (self.boxes, self.scores, self.objectness, self.offsets)
        return tuple(part for part in found if part is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grids:
    """Outputs whose boxes are relative to the cells of grids.

    A grid has as many cells as its stride fits into the canvas, rounded up.

    Attributes:
        grids: one after the other.
        coding: one of `CODINGS`.
        bins: of a distribution; 0 without one.
        point: of a cell, from its upper left corner, in strides: 0 or 0.5.
        per_cell: boxes of each cell.
        y_first: whether y is before x, and height before width.
        joining: one of `JOININGS`.
        peaks: whether only the greatest score among its neighbours counts, as in a heat map.
    """

    grids: tuple[Grid, ...]
    coding: str
    bins: int = 0
    point: float = 0.0
    per_cell: int = 1
    y_first: bool = False
    joining: str = "product"
    peaks: bool = False

    @property
    def cornered(self) -> bool:
        """Whether the cell's numbers lead to corners, not to centre and size."""
        return self.coding in ("distances", "distributions")
