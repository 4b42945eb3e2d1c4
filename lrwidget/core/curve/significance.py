"""Whether losses fall by more than their noise would make them fall."""

import math

import numpy as np

from lrwidget.core.curve.ladder import FloatArray
from lrwidget.core.curve.smoothing import local_noise, without_spikes

# Points below which it cannot be told whether noise lasts.
_FEWEST = 24
# That many standard deviations hold 80 % and 35 % of what is normally distributed.
_HOLDS_80, _HOLDS_35 = 1.2816, 0.4538


def is_noise(losses: FloatArray, smoothed: FloatArray) -> bool:
    """Return whether noise alone would make the losses fall as far as they do.

    The fall is that of the mean over a tenth of the points, w of them, from the highest such mean
    to the lowest after it. Independent noise of standard deviation s makes a fall of up to
    6 s / sqrt(w); the limit is 7 + 2 (40 / n)^2 of them. s is the largest of three estimates:
    from the differences between neighbors, from the spread about the smoothed curve, and, of
    24 points or more, from how the means over w / 2 points change. The last is the largest where
    the noise of one loss goes on in the next.

    Args:
        losses: Shape (n,), finite, n >= 8.
        smoothed: The same, smoothed.
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
    """Return the standard deviation of independent noise with means that change so much.

    With m the mean over `width` values, it is what makes 35 % of |m[i] - 2 m[i + width] +
    m[i + 2 width]| as small as they are; a straight slope adds nothing to them, and a bent
    part of the curve is not among the smallest.
    """
    means = _means(values, width)
    bends = means[2 * width :] - 2 * means[width:-width] + means[: -2 * width]
    return float(np.quantile(np.abs(bends), 0.35)) / _HOLDS_35 * math.sqrt(width / 6)


def _means(values: FloatArray, width: int) -> FloatArray:
    """Return the mean over each `width` neighbors."""
    sums = np.cumsum(np.concatenate([[0.0], values]))
    return (sums[width:] - sums[:-width]) / width
