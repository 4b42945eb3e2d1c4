"""Thinning: as many points of a curve as a plot can show; each redraw sends all of them."""

import numpy as np
from numpy.typing import NDArray

from lrwidget.core.curve.ladder import FloatArray

RAW_COLUMNS = 400
"""So many columns show the losses of the batches; each column has two points."""

COLUMNS = 240
"""The same for what is smooth: the smoothed curve, the band, all earlier tests together."""


def shown_points(
    lrs: FloatArray, values: FloatArray, limits: tuple[float, float], columns: int
) -> NDArray[np.intp]:
    """Return the indices of the points that a plot of so many columns needs.

    These are the ends of the curve and, in each column, its lowest and its highest value, so
    that no spike is lost. A curve with no more points than that keeps all of them.

    >>> shown_points(np.array([1.0, 2, 3, 4, 5]), np.array([7.0, 9, 8, 8, 8]), (1.0, 5.0), 1)
    array([0, 1, 4])

    Args:
        lrs: Shape (n,), increasing, > 0.
        values: Shape (n,), finite.
        limits: First and last learning rate on the logarithmic axis.
        columns: How many columns of equal width there are between the limits.
    """
    if len(lrs) <= 2 * columns:
        return np.arange(len(lrs))
    low, high = np.log(limits)
    column = np.clip((np.log(lrs) - low) / (high - low) * columns, 0, columns - 1).astype(int)
    order = np.lexsort((values, column))
    starts = np.searchsorted(column, np.unique(column))
    ends = np.append(starts[1:], len(lrs)) - 1
    return np.unique([0, *order[starts], *order[ends], len(lrs) - 1])
