"""Interval: how far noise and another seed would move what a rule reads off a curve."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lrwidget.core.arrays import FloatArray
from lrwidget.core.curve.reading import Reading
from lrwidget.core.curve.signs import noise_of

# Curves drawn again: as many as fit into the blink at the end of a test.
_DRAWS = 24
# The widest window of the default smoothing has this standard deviation, as a share of the points.
_WINDOW = 1 / 32
# Residuals of a curve that was smoothed are smaller than its noise.
_WIDENS = 1.5
# Decades by which other weights and another order of the data move what a rule reads, besides
# noise. Measured on 11 small tasks with 9 seeds each; on the tasks of docs/regret.md the interval
# of "auto" then holds what nine in ten of the other seeds suggest.
_SEED_MOVES_AUTO, _SEED_MOVES_OTHERS = 0.3, 0.4


def redrawn(curve: Reading) -> list[Reading]:
    """Return curves that the same test might have given with other noise.

    The residuals, losses less smoothed losses, are cut into blocks, each block gets a random
    sign, and what smoothing leaves of them is added to the smoothed curve. A block is as long as
    the residuals remember each other, and stays where it is, because the noise changes along
    the curve. A residual counts as at most four standard deviations: where the loss explodes, it is
    no noise. The same curve is always drawn again in the same way.

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
    """Return for how many points residuals remember each other, at most a fifth of the points.

    That is 1 + 2 (r_1 + r_2 + ...), r_k the autocorrelation at lag k, up to the first that is
    below 2 / sqrt(n) and so cannot be told from none.

    >>> block_length(np.array([1.0, -1.0] * 20)), block_length(np.repeat([1.0, -1.0] * 4, 10))
    (1, 10)
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
    """Return a reading of another smoothed curve, which fell as the first one did."""
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
    """Return an interval that holds a learning rate and most of those that other seeds would give.

    With w the decades between `lr` and an end of the interval over the curves that were drawn
    again, it ends sqrt(w^2 + s^2) decades from `lr`, s being what a seed moves besides noise. It
    does not reach beyond the curve.

    Args:
        rule: The name of the rule.
        lr: What it suggests.
        rates: What it says about the curves that were drawn again.
        curve: What it suggests it for.
    """
    seed = _SEED_MOVES_AUTO if rule == "auto" else _SEED_MOVES_OTHERS
    low, high = interval(lr, rates)
    below, above = (math.hypot(math.log10(a / b), seed) for a, b in ((lr, low), (high, lr)))
    first, last = float(curve.lrs[0]), float(curve.lrs[-1])
    return min(max(lr / 10**below, first), lr), max(min(lr * 10**above, last), lr)


def interval(lr: float, rates: Sequence[float]) -> tuple[float, float]:
    """Return an interval that holds a learning rate and most of others like it.

    It runs from the 10 % to the 90 % quantile of log10 of the rates, or to `lr` where that lies
    further out.
    """
    if not rates:
        return lr, lr
    low, high = (float(10**q) for q in np.quantile(np.log10(rates), [0.1, 0.9]))
    return min(low, lr), max(high, lr)
