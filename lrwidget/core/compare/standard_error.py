"""Errors of means of correlated values, and quantiles of Student's t distribution."""

import math
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from lrwidget.core.arrays import FloatArray


def contrasts_of(values: FloatArray) -> FloatArray:
    """Return independent estimates of the error of a mean over consecutive values.

    The values are projected on the first B cosines of one half period and more. Noise that is
    correlated over neighbors has nearly the same power in these lowest frequencies as in the mean
    itself, so that B projections, divided by sqrt(n), are B independent estimates of the error of
    the mean. A trend increases them.

    Args:
        values: Rows of consecutive values, shape (..., n), n >= 1.

    Returns:
        Shape (..., B), B = 0.4 n^(2/3) or more, so that
        `sqrt(mean(contrasts ** 2))` is the standard error with B degrees of freedom. Without any
        for n = 1.

    Source: the equal-weighted cosine test of Lazarus, Lewis, Stock and Watson (2018), "HAR
        inference: recommendations for practice", after Mueller (2007).
    """
    n = values.shape[-1]
    count = min(max(2, round(0.4 * n ** (2 / 3))), n - 1)
    return _projected(values, count)


def independent_contrasts(values: FloatArray) -> FloatArray:
    """Return independent estimates of the error of a mean over independent values.

    Args:
        values: Rows of independent values, shape (..., n), n >= 1.

    Returns:
        Shape (..., n - 1), as from `contrasts_of`. Their mean square is the sample variance
        divided by n.
    """
    return _projected(values, values.shape[-1] - 1)


def _projected(values: FloatArray, count: int) -> FloatArray:
    n = values.shape[-1]
    phases = np.outer(np.arange(n) + 0.5, np.arange(1, count + 1)) * math.pi / n
    return values @ (math.sqrt(2.0) / n * np.cos(phases))


def mean_with_error(values: FloatArray) -> tuple[float, float]:
    """Return the mean of consecutive values and its standard error; infinite for one value."""
    contrasts = contrasts_of(values)
    if not contrasts.size:
        return float(values.mean()), math.inf
    return float(values.mean()), math.sqrt(float(np.mean(contrasts**2)))


@lru_cache(maxsize=1024)
def t_quantile(probability: float, degrees: int) -> float:
    """Return the quantile of Student's t distribution, by bisection of its integral.

    >>> [round(t_quantile(0.975, n), 3) for n in (1, 2, 5, 30)]
    [12.706, 4.303, 2.571, 2.042]

    Args:
        probability: Above 0.5 and below 1.
        degrees: Degrees of freedom, >= 1.
    """
    low, high = 0.0, 1.0
    while t_probability(high, degrees) < probability:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        if t_probability(middle, degrees) < probability:
            low = middle
        else:
            high = middle
    return high


def t_probability(value: float, degrees: int) -> float:
    """Return the probability that Student's t is below a value.

    Source: Abramowitz and Stegun, 26.7.3 and 26.7.4, a finite sum for whole degrees of freedom.
    """
    if degrees > 200:
        return NormalDist().cdf(value)
    angle = math.atan(value / math.sqrt(degrees))
    sine, square = math.sin(angle), math.cos(angle) ** 2
    if degrees % 2:
        term, total = math.cos(angle), 0.0
        for k in range(1, degrees // 2 + 1):
            total += term
            term *= square * 2 * k / (2 * k + 1)
        inside = 2 / math.pi * (angle + sine * total)
    else:
        term, total = 1.0, 0.0
        for k in range(1, degrees // 2 + 1):
            total += term
            term *= square * (2 * k - 1) / (2 * k)
        inside = sine * total
    return (1 + inside) / 2
