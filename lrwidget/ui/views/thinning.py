"""Thinning: keeps only the points of a curve that a plot can show, since each redraw sends all."""

import numpy as np
from numpy.typing import NDArray

from lrwidget.core.curve.ladder import FloatArray

RAW_COLUMNS = 400
"""Number of columns for the losses of the batches; each column has two points."""

COLUMNS = 240
"""Number of columns for the smoothed curve, for the band, and for all earlier tests together."""


def shown_points(
    lrs: FloatArray, values: FloatArray, limits: tuple[float, float], columns: int
) -> NDArray[np.intp]:
    """Return the indices of the points that a plot of `columns` columns needs.

    These are the ends of the curve and the lowest and highest value in each column, so that no
    spike is lost. A curve of at most two points per column keeps all its points.

    >>> shown_points(np.array([1.0, 2, 3, 4, 5]), np.array([7.0, 9, 8, 8, 8]), (1.0, 5.0), 1)
    array([0, 1, 4])

    Args:
        lrs: Shape (n,), increasing, > 0.
        values: Shape (n,), finite.
        limits: First and last learning rate on the logarithmic axis.
        columns: Number of columns of equal width between the limits.
    """
    if len(lrs) <= 2 * columns:
        return np.arange(len(lrs))
    low, high = np.log(limits)
    column = np.clip((np.log(lrs) - low) / (high - low) * columns, 0, columns - 1).astype(int)
    order = np.lexsort((values, column))
    starts = np.searchsorted(column, np.unique(column))
    ends = np.append(starts[1:], len(lrs)) - 1
    return np.unique([0, *order[starts], *order[ends], len(lrs) - 1])
