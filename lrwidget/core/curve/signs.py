"""Features of a curve: its flat start, its rise, and the part after the network has died."""

import math

import numpy as np

from lrwidget.core.arrays import FloatArray
from lrwidget.core.curve.purpose import Purpose
from lrwidget.core.curve.reading import FEWEST, Reading
from lrwidget.core.curve.smoothing import without_spikes

# If the curve only rises, a rate that is this many times smaller than the rise is a good guess.
_BELOW_RISE = 80.0
# Share of the whole fall by which the loss rises before the network dies.
_REVIVAL = 0.25
# The noise of a dead network's loss is at most this share of the noise before.
_STILL = 0.2
# 80 % of normally distributed values lie within this many standard deviations.
_HOLDS_80 = 1.2816


def noise_of(curve: Reading) -> float:
    """Return the standard deviation of the losses about the smoothed curve, spikes aside."""
    return float(np.quantile(np.abs(curve.losses - curve.smoothed), 0.8)) / _HOLDS_80


def last_flat(curve: Reading) -> int:
    """Return the index of the last point of the flat start of a curve that only rises.

    Right of it the smoothed loss stays above the median of its first fifth by more than two
    standard deviations of the noise and by more than a thousandth of the whole rise.
    """
    level = float(np.median(curve.smoothed[: max(3, len(curve.smoothed) // 5)]))
    rise = float(curve.smoothed.max()) - level
    return int(np.flatnonzero(curve.smoothed <= level + max(2 * noise_of(curve), rise / 1000))[-1])


def flat_decades(curve: Reading) -> float:
    """Return how many decades the flat start of a curve that only rises spans."""
    return math.log10(curve.lrs[last_flat(curve)] / curve.lrs[0])


def hints_at_fall(curve: Reading) -> bool:
    """Return whether the flat start goes down slightly, possibly only because of noise.

    It does if the mean over a fifth of it, anywhere in its second half, lies below the mean over
    its first half by more than two and a half standard errors.
    """
    flat = without_spikes(curve.losses[: last_flat(curve) + 1])
    half, fifth = len(flat) // 2, max(1, len(flat) // 5)
    if not half:
        return False
    lowest = np.convolve(flat[half:], np.full(fifth, 1 / fifth), mode="valid").min()
    error = noise_of(curve) * math.sqrt(1 / half + 1 / fifth)
    return bool(flat[:half].mean() - lowest > 2.5 * error)


def decades_before_fall(curve: Reading) -> float:
    """Return the number of decades before the loss has fallen for good by a fifth of its fall."""
    until_bottom = curve.smoothed[: curve.bottom + 1]
    limit = until_bottom.max() - 0.2 * np.ptp(until_bottom)
    return math.log10(curve.lrs[np.flatnonzero(until_bottom >= limit)[-1]] / curve.lrs[0])


def rate_below_rise(curve: Reading, purpose: Purpose) -> float:
    """Return a learning rate well below the one from which the loss of a rising curve rises.

    Source: this package. On the runs of docs/regret.md whose fall is hidden by noise, 1/80 of that
        rate, times the factor of the purpose, loses half as much as other guesses.
    """
    lr = purpose.factor * float(curve.lrs[last_flat(curve)]) / _BELOW_RISE
    return max(lr, float(curve.lrs[0]))


def alive(curve: Reading) -> Reading:
    """Return the part of a curve before the network died, or the whole curve.

    A network has died if the loss rises by a quarter of its whole fall, then falls below all
    earlier losses, and then hardly depends on the batch: its noise is at most a fifth of the noise
    before. The units of such a network return 0 for any input, and only the biases of the last
    layer still learn. Learning rates after the top of the rise are useless for training.
    """
    if len(curve.smoothed) < FEWEST:
        return curve
    until_bottom = curve.smoothed[: curve.bottom + 1]
    rises = until_bottom - np.minimum.accumulate(until_bottom)
    top = int(np.argmax(rises))
    if top < FEWEST or rises[top] < _REVIVAL * (until_bottom.max() - until_bottom[-1]):
        return curve
    before, after = _jumps(curve.losses[: top + 1]), _jumps(curve.losses[curve.bottom :])
    if not after <= _STILL * before:
        return curve
    first = curve.until(top + 1)
    return first if first.fell or first.rose else curve


def _jumps(losses: FloatArray) -> float:
    """Return the median jump between neighbors; NaN for a single loss."""
    return float(np.median(np.abs(np.diff(losses)))) if len(losses) > 1 else math.nan
