"""Tests whether losses fall by more than noise alone explains."""

import math

import numpy as np

from lrwidget.core.curve.ladder import FloatArray
from lrwidget.core.curve.smoothing import local_noise, without_spikes

# With fewer points than this, correlated noise cannot be detected.
_FEWEST = 24
# 80 % and 35 % of normally distributed values lie within this many standard deviations.
_HOLDS_80, _HOLDS_35 = 1.2816, 0.4538


def is_noise(losses: FloatArray, smoothed: FloatArray) -> bool:
    """Return whether noise alone would make the losses fall this far.

    The fall is measured on means over a tenth of the points, w points each, from the highest mean
    to the lowest one after it. Independent noise of standard deviation s causes a fall of up to
    6 s / sqrt(w); the limit is (7 + 2 (40 / n)^2) s / sqrt(w). s is the largest of three estimates:
    from the differences between neighbors; from the spread about the smoothed curve; and, for 24
    points or more, from the changes of means over w / 2 points. The last one is the largest if the
    noise of consecutive losses is correlated.

    Args:
        losses: Shape (n,), finite, n >= 8.
        smoothed: The smoothed losses, shape (n,).
    """
    n = len(losses)
    width = min(max(5, n // 10), n // 4)
    level = without_spikes(losses) - np.median(losses)
    means = _means(level, width)
    bottom = int(np.argmin(means))
    fall = means[: bottom + 1].max() - means[bottom]
    noise = max(
        float(np.median(local_noise(losses))),
        float(np.quantile(np.abs(losses - smoothed), 0.8)) / _HOLDS_80,
        _lasting_noise(level, max(2, width // 2)) if n >= _FEWEST else 0.0,
    )
    return bool(fall * math.sqrt(width) <= (7 + 2 * (40 / n) ** 2) * noise)


def _lasting_noise(values: FloatArray, width: int) -> float:
    """Return the standard deviation of independent noise whose means change as much as these.

    With m the mean over `width` values, it is estimated from the 35 % quantile of
    |m[i] - 2 m[i + width] + m[i + 2 width]|. A straight slope adds nothing to these values, and
    curved parts are not among the smallest.
    """
    means = _means(values, width)
    bends = means[2 * width :] - 2 * means[width:-width] + means[: -2 * width]
    return float(np.quantile(np.abs(bends), 0.35)) / _HOLDS_35 * math.sqrt(width / 6)


def _means(values: FloatArray, width: int) -> FloatArray:
    """Return the mean over each `width` neighbors."""
    sums = np.cumsum(np.concatenate([[0.0], values]))
    return (sums[width:] - sums[:-width]) / width
