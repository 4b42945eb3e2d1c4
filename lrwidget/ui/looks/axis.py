"""The arithmetic of the plot's axes: positions, ticks, limits and the columns that catch clicks."""

import math
from dataclasses import dataclass

import numpy as np

from lrwidget.core.curve.ladder import FloatArray

MAX_COLUMNS = 500
"""More columns than this make the browser slow and are narrower than a pixel or two."""

MAX_DECADE_LABELS = 13

MOST_FLATTENED = 4.0
"""An end of the curve that rises higher than this many times the rest is cut off."""

MOST_RISEN = 10.0
"""Of a curve that has not fallen, this many times its lowest loss is visible."""


@dataclass(frozen=True)
class AxisKind:
    """How an axis maps values to positions.

    Args:
        is_log: Whether equal distances are equal ratios, and not equal differences.
    """

    is_log: bool

    def positions(self, values: FloatArray) -> FloatArray:
        """Return the positions of values on the axis, in its own unit."""
        return np.log(values) if self.is_log else np.asarray(values, dtype=np.float64)

    def fractions(self, values: FloatArray, low: float, high: float) -> FloatArray:
        """Return the positions of values as fractions of the axis from `low` to `high`.

        >>> LOG.fractions(np.array([0.01, 0.1, 1.0]), 0.01, 1.0).tolist()
        [0.0, 0.5, 1.0]
        """
        start, end = self.positions(np.array([low, high]))
        return (self.positions(values) - start) / (end - start)

    def values(self, fractions: FloatArray, low: float, high: float) -> FloatArray:
        """Return the values at fractions of the axis from `low` to `high`."""
        start, end = self.positions(np.array([low, high]))
        positions = start + np.asarray(fractions) * (end - start)
        return np.exp(positions) if self.is_log else positions

    def nearest(self, values: FloatArray, value: float) -> int:
        """Return the index of the value whose position is closest to that of `value`."""
        positions = self.positions(np.append(values, value))
        return int(np.argmin(np.abs(positions[:-1] - positions[-1])))

    def spaced(self, low: float, high: float, count: int) -> FloatArray:
        """Return `count` values at equal distances from `low` to `high`."""
        return np.geomspace(low, high, count) if self.is_log else np.linspace(low, high, count)

    def ticks(self, low: float, high: float) -> FloatArray:
        """Return round values from `low` to `high`.

        >>> LOG.ticks(1e-3, 10.0).tolist()
        [0.001, 0.01, 0.1, 1.0, 10.0]
        >>> LOG.ticks(1.5e-3, 0.03).tolist()
        [0.002, 0.005, 0.01, 0.02]
        """
        if not self.is_log:
            return linear_ticks(low, high)
        decades = _decades(low, high)
        if len(decades) > 2:
            return decades
        powers = 10.0 ** np.arange(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        marked = np.array([float(f"{m * p:.3g}") for p in powers for m in (1, 2, 5)])
        inside = marked[(marked >= low * (1 - 1e-9)) & (marked <= high * (1 + 1e-9))]
        return inside if len(inside) > 2 else linear_ticks(low, high)

    def clipped(self, values: FloatArray, low: float, high: float) -> FloatArray:
        """Clip values that are too far outside the axis for a browser to draw."""
        if self.is_log:
            return np.clip(values, low / 1e3, high * 1e3)
        room = 1e3 * (high - low)
        return np.clip(values, low - room, high + room)


LOG, LINEAR = AxisKind(is_log=True), AxisKind(is_log=False)


def _decades(low: float, high: float) -> FloatArray:
    """Return the powers of ten from `low` to `high`, thinned out if there are too many."""
    first = math.ceil(round(math.log10(low), 9))
    last = math.floor(round(math.log10(high), 9))
    stride = 1 + max(0, last - first) // MAX_DECADE_LABELS
    return np.array([float(f"1e{exponent}") for exponent in range(first, last + 1, stride)])


def linear_ticks(low: float, high: float, about: int = 8) -> FloatArray:
    """Return round values between `low` and `high`, about as many as asked for.

    >>> linear_ticks(0.0, 2.9).tolist()
    [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
    """
    step = _round_step((high - low) / about)
    first, last = math.ceil(low / step), math.floor(high / step)
    return np.array([float(f"{k * step:.12g}") for k in range(first, last + 1)])


def _round_step(step: float) -> float:
    """Round up to 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= 0.999 * step)


def loss_limits(losses: FloatArray, smoothed: FloatArray) -> tuple[float, float]:
    """Return the lower and upper limit of the loss axis.

    The limits fit the part of the curve up to the smoothed minimum. The rise to the right of it
    is wholly visible too, unless it would flatten the rest; then only its beginning is. A curve
    that has not fallen, such as that of a trained model, has nothing to flatten.

    Args:
        losses: Raw losses, shape (n,), finite, n >= 1.
        smoothed: The smoothed losses, shape (n,).
    """
    lowest = int(np.argmin(smoothed))
    low = min(float(np.percentile(losses, 2)), float(smoothed.min()))
    high = max(
        float(np.percentile(losses[: lowest + 1], 98)),
        float(smoothed[: lowest + 1].max()),
        float(np.percentile(losses, 50)),
    )
    span = _span(low, high)
    top, highest = high + 0.30 * span, float(smoothed.max())
    noise = float(np.std((losses - smoothed)[: lowest + 1]))
    has_fallen = smoothed[0] - smoothed[lowest] > 2 * noise
    if not has_fallen:
        highest = min(highest, low + MOST_RISEN * max(span, abs(low)))
    if not has_fallen or highest - low <= MOST_FLATTENED * span:
        top = max(top, highest + 0.10 * (highest - low))
    return low - 0.10 * span, top


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


def hit_columns(ladder: FloatArray, kind: AxisKind) -> FloatArray:
    """Return the centers of equally wide columns over learning rates on their axis.

    For up to 500 learning rates at equal distances on the axis, each has an odd number of columns.
    The border between two learning rates is then always the border of a column, and a click
    cannot pick the wrong one. For any others, there are as many columns as a browser draws
    fast enough.

    Args:
        ladder: Learning rates, shape (n,), increasing, n >= 2.
        kind: The kind of their axis.
    """
    gaps = len(ladder) - 1
    per_gap = (MAX_COLUMNS - 1) // gaps
    distances = np.diff(kind.positions(ladder))
    if not np.allclose(distances, distances.mean()) or per_gap == 0:
        return kind.spaced(ladder[0], ladder[-1], MAX_COLUMNS)
    odd = per_gap if per_gap % 2 else per_gap - 1
    return kind.spaced(ladder[0], ladder[-1], gaps * odd + 1)
