"""The assignment of two sets with the largest total gain."""

import numpy as np
import numpy.typing as npt

CostArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int64]


def assign(gains: CostArray) -> tuple[IndexArray, IndexArray]:
    """Returns pairs of rows and columns, each in at most one pair, with the largest total gain.

    A pair without a gain is omitted: both stay unpaired.

    Args:
        gains: (N, M) finite, of any unit; 0 or less for pairs that are not allowed.

    Returns:
        (K,) int64 rows, ascending, and (K,) int64 columns.

    Source:
        Shortest augmenting paths, O(n³): Crouse 2016, "On implementing 2D rectangular assignment
        algorithms", algorithm of section II-B after Jonker and Volgenant 1987.

    Example:
        >>> [each.tolist() for each in assign(np.array([[5.0, 4.0], [4.0, 0.0], [-1.0, -2.0]]))]
        [[0, 1], [1, 0]]
    """
    allowed = gains > 0
    pairs = np.argwhere(allowed)
    # Most objects have one possible partner and are its only one: they need no search.
    alone = (allowed.sum(axis=1)[pairs[:, 0]] == 1) & (allowed.sum(axis=0)[pairs[:, 1]] == 1)
    found = pairs[alone]
    rows, columns = np.unique(pairs[~alone, 0]), np.unique(pairs[~alone, 1])
    if len(rows):
        costs = -np.maximum(gains[np.ix_(rows, columns)], 0)
        if len(rows) <= len(columns):
            column_of = _columns_of_rows(costs)
            searched = np.stack([rows, columns[column_of]], axis=1)
        else:
            row_of = _columns_of_rows(costs.T)
            searched = np.stack([rows[row_of], columns], axis=1)
        found = np.concatenate([found, searched[allowed[searched[:, 0], searched[:, 1]]]])
    found = found[np.argsort(found[:, 0])]
    return found[:, 0], found[:, 1]


def _columns_of_rows(costs: CostArray) -> IndexArray:
    """Returns the column of each row with the least total cost; N <= M."""
    count, width = costs.shape
    row_price, column_price = costs.min(axis=1), np.zeros(width)
    row_of = np.full(width, -1, np.int64)
    column_of = np.full(count, -1, np.int64)
    # A row that is the first at its best column needs no search.
    best, first = np.unique(costs.argmin(axis=1), return_index=True)
    row_of[best], column_of[first] = first, best
    for start in np.flatnonzero(column_of < 0).tolist():
        # Dijkstra from this row to the nearest free column, over reduced costs.
        distance = np.full(width, np.inf)
        via = np.full(width, -1, np.int64)
        open_columns = np.ones(width, np.bool_)
        row, so_far = start, 0.0
        reached: list[int] = []
        while True:
            through = so_far + costs[row] - row_price[row] - column_price
            better = open_columns & (through < distance)
            distance[better] = through[better]
            via[better] = row
            column = int(np.argmin(np.where(open_columns, distance, np.inf)))
            so_far = float(distance[column])
            open_columns[column] = False
            if row_of[column] < 0:
                break
            reached.append(column)
            row = int(row_of[column])
        row_price[start] += so_far
        row_price[row_of[reached]] += so_far - distance[reached]
        column_price[reached] -= so_far - distance[reached]
        # The pairs along the path change partners.
        while True:
            row = int(via[column])
            row_of[column] = row
            column_of[row], column = column, int(column_of[row])
            if row == start:
                break
    return column_of
