"""The arithmetic of the plot's axes: ticks, limits and the columns that catch clicks."""

import math

import numpy as np

from lrwidget.core.curve.ladder import FloatArray

MAX_COLUMNS = 500
"""More columns than this make the browser slow and are narrower than a pixel or two."""

MAX_DECADE_LABELS = 13


def decade_ticks(min_lr: float, max_lr: float) -> FloatArray:
    """Return the powers of ten from `min_lr` to `max_lr`, thinned out if there are too many.

    >>> decade_ticks(1e-3, 10.0).tolist()
    [0.001, 0.01, 0.1, 1.0, 10.0]

    A range without a power of ten has its two ends as ticks.
    """
    first = math.ceil(round(math.log10(min_lr), 9))
    last = math.floor(round(math.log10(max_lr), 9))
    if last < first:
        return np.array([min_lr, max_lr])
    stride = 1 + (last - first) // MAX_DECADE_LABELS
    return np.array([float(f"1e{exponent}") for exponent in range(first, last + 1, stride)])


def loss_limits(losses: FloatArray, smoothed: FloatArray) -> tuple[float, float]:
    """Return the lower and upper limit of the loss axis.

    The limits fit the part of the curve up to the smoothed minimum. Of the explosion to the right
    of it, only the beginning is visible, so that it does not flatten the valley.

    Args:
        losses: Raw losses, shape (n,), finite, n >= 1.
        smoothed: The smoothed losses, shape (n,).
    """
    fall = losses[: int(np.argmin(smoothed)) + 1]
    low = min(float(np.percentile(losses, 2)), float(smoothed.min()))
    high = max(float(np.percentile(fall, 98)), float(np.percentile(losses, 50)))
    span = _span(low, high)
    return low - 0.10 * span, high + 0.30 * span


def value_limits(values: FloatArray, calm: FloatArray) -> tuple[float, float]:
    """Return the lower and upper limit of the axis for a metric, whether high or low is better.

    Args:
        values: The metric, shape (n,), finite, n >= 1.
        calm: The values before the loss explodes, shape (m,).
    """
    middle = float(np.percentile(values, 50))
    low, high = (float(np.percentile(calm, q)) if calm.size else middle for q in (1, 99))
    low, high = min(low, middle), max(high, middle)
    span = _span(low, high)
    return low - 0.10 * span, high + 0.12 * span


def _span(low: float, high: float) -> float:
    """Return the distance of two values; a tenth of their size if they are nearly equal."""
    return high - low if high - low > 1e-5 * abs(high) else 0.1 * abs(high) or 1.0


def loss_ticks(low: float, high: float, about: int = 8) -> FloatArray:
    """Return round values between `low` and `high`, about as many as asked for.

    >>> loss_ticks(0.0, 2.9).tolist()
    [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
    """
    step = _round_step((high - low) / about)
    first, last = math.ceil(low / step), math.floor(high / step)
    return np.array([round(k * step, 12) for k in range(first, last + 1)])


def _round_step(step: float) -> float:
    """Round up to 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= 0.999 * step)


def tame(losses: FloatArray, low: float, high: float) -> FloatArray:
    """Clip losses that are too far outside the plot for a browser to draw."""
    room = 1e3 * (high - low)
    return np.clip(losses, low - room, high + room)


def hit_columns(ladder: FloatArray) -> FloatArray:
    """Return the centers of equally wide columns over a test's range on the logarithmic axis.

    On an exponential ladder of up to 500 steps, each learning rate has an odd number of columns.
    The border between two learning rates is then always the border of a column, and a click
    cannot pick the wrong one. On any other ladder, there are as many columns as a browser draws
    fast enough.

    Args:
        ladder: Learning rates of the test, shape (n,), increasing, n >= 2.
    """
    gaps = len(ladder) - 1
    per_gap = (MAX_COLUMNS - 1) // gaps
    even = np.allclose(np.diff(np.log(ladder)), np.log(ladder[-1] / ladder[0]) / gaps)
    if not even or per_gap == 0:
        return np.geomspace(ladder[0], ladder[-1], MAX_COLUMNS)
    odd = per_gap if per_gap % 2 else per_gap - 1
    return np.geomspace(ladder[0], ladder[-1], gaps * odd + 1)
