"""Interval: how far noise and another seed would move the learning rate of a rule."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lrwidget.core.arrays import FloatArray
from lrwidget.core.curve.reading import Reading
from lrwidget.core.curve.signs import noise_of

# Number of redrawn curves: few enough that nobody notices the time at the end of a test.
_DRAWS = 24
# The widest window of the default smoothing has this standard deviation, as a share of the points.
_WINDOW = 1 / 32
# Residuals of a curve that was smoothed are smaller than its noise.
_WIDENS = 1.5
# Decades by which other weights and another order of the data move the learning rate of a rule,
# besides noise. Measured on 11 small tasks with 9 seeds each. On the tasks of docs/regret.md the
# interval of "auto" then contains the suggestions of nine in ten of the other seeds.
_SEED_MOVES_AUTO, _SEED_MOVES_OTHERS = 0.3, 0.4


def redrawn(curve: Reading) -> list[Reading]:
    """Return smoothed curves that the same test might have given with other noise.

    The residuals (losses minus smoothed losses) are cut into blocks, and each block gets a random
    sign. They are smoothed and added to the smoothed curve. A block is as long as the residuals
    are correlated. It keeps its position, because the noise changes along the curve. Residuals
    are clipped to four standard deviations, because an exploding loss is no noise. The random
    numbers are the same in every call.

    Source: the wild bootstrap of Wu (1986) in blocks, as in the dependent wild bootstrap of
        Shao (2010).
    """
    noise = noise_of(curve)
    residuals = _WIDENS * np.clip(curve.losses - curve.smoothed, -4 * noise, 4 * noise)
    n, length = len(residuals), block_length(residuals)
    random = np.random.default_rng(0)
    blocks = random.choice([-1.0, 1.0], (_DRAWS, n // length + 2))
    offsets = random.integers(0, length, _DRAWS)
    signs = [np.repeat(each, length)[at : at + n] for each, at in zip(blocks, offsets, strict=True)]
    return [_shifted(curve, curve.smoothed + _smoothed(residuals * each)) for each in signs]


def block_length(residuals: FloatArray) -> int:
    """Return over how many points residuals are correlated, at most a fifth of the points.

    It is 1 + 2 (r_1 + r_2 + ...), where r_k is the autocorrelation at lag k. The sum ends before
    the first r_k below 2 / sqrt(n), which cannot be distinguished from 0.

    >>> block_length(np.array([1.0, -1.0] * 20)), block_length(np.repeat([1.0, -1.0] * 4, 10))
    (1, 5)
    """
    n = len(residuals)
    power = float(residuals @ residuals)
    if power == 0:
        return 1
    length = 1.0
    for lag in range(1, n // 5):
        correlation = float(residuals[lag:] @ residuals[:-lag]) / power
        if correlation < 2 / math.sqrt(n):
            break
        length += 2 * correlation
    return max(1, min(round(length), n // 5))


def _shifted(curve: Reading, smoothed: FloatArray) -> Reading:
    """Return a reading of another smoothed curve; whether it fell is copied from the first."""
    other = replace(curve, smoothed=smoothed)
    vars(other)["fell"] = curve.fell
    return other


def _smoothed(residuals: FloatArray) -> FloatArray:
    width = max(_WINDOW * len(residuals), 0.4)
    reach = min(math.ceil(3 * width), (len(residuals) - 1) // 2)
    weights = np.exp(-((np.arange(-reach, reach + 1) / width) ** 2) / 2)
    return np.convolve(residuals, weights / weights.sum(), mode="same")


def interval_of_one(
    rule: str, lr: float, rates: Sequence[float], curve: Reading
) -> tuple[float, float]:
    """Return an interval that contains a learning rate and most of those of other seeds.

    Let w be the decades between `lr` and an end of the interval over the redrawn curves, and s the
    decades by which a seed moves the rule besides noise. The interval ends sqrt(w^2 + s^2) decades
    from `lr`, but not beyond the curve.

    Args:
        rule: The name of the rule.
        lr: The learning rate that it suggests.
        rates: The learning rates that it suggests for the redrawn curves.
        curve: The curve for which it suggests `lr`.
    """
    seed = _SEED_MOVES_AUTO if rule == "auto" else _SEED_MOVES_OTHERS
    low, high = interval(lr, rates)
    below, above = (math.hypot(math.log10(a / b), seed) for a, b in ((lr, low), (high, lr)))
    first, last = float(curve.lrs[0]), float(curve.lrs[-1])
    return min(max(lr / 10**below, first), lr), max(min(lr * 10**above, last), lr)


def interval(lr: float, rates: Sequence[float]) -> tuple[float, float]:
    """Return an interval that contains a learning rate and most of the given rates.

    It extends from the 10 % to the 90 % quantile of log10 of the rates, or to `lr` if that lies
    further out.
    """
    if not rates:
        return lr, lr
    low, high = (float(10**q) for q in np.quantile(np.log10(rates), [0.1, 0.9]))
    return min(low, lr), max(high, lr)
