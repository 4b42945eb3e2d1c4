"""Thinning: keeps only the points of a curve that a plot can show, since each redraw sends all."""

import numpy as np
from numpy.typing import NDArray

from lrwidget.core.curve.ladder import FloatArray

RAW_COLUMNS = 400
"""Number of columns for the losses of the batches; each column has two points."""

COLUMNS = 240
"""Number of columns for the smoothed curve, for the band, and for all earlier tests together."""


def shown_points(fractions: FloatArray, values: FloatArray, columns: int) -> NDArray[np.intp]:
    """Return the indices of the points that a plot of `columns` columns needs.

    These are the ends of the curve and the lowest and highest value in each column, so that no
    spike is lost. A curve of at most two points per column keeps all its points.

    >>> shown_points(np.linspace(0, 1, 5), np.array([7.0, 9, 8, 8, 8]), 1)
    array([0, 1, 4])

    Args:
        fractions: Positions of the points as fractions of the axis, shape (n,), increasing.
        values: Shape (n,), finite.
        columns: Number of columns of equal width on the axis.
    """
    if len(values) <= 2 * columns:
        return np.arange(len(values))
    # One more column on either side for what is outside a zoomed axis.
    column = np.clip(np.floor(fractions * columns), -1, columns).astype(int)
    order = np.lexsort((values, column))
    starts = np.searchsorted(column, np.unique(column))
    ends = np.append(starts[1:], len(values)) - 1
    return np.unique([0, *order[starts], *order[ends], len(values) - 1])
