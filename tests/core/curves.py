"""Made-up loss curves whose answer is known."""

import numpy as np

from lrwidget.core.curve.ladder import FloatArray


def ladder(steps: int) -> FloatArray:
    """Return eight decades of learning rates, 1e-7 to 10."""
    return 10 ** np.linspace(-7, 1, steps)


def good(
    lrs: FloatArray,
    center: float = -3.0,
    width: float = 0.35,
    power: float = 2.0,
    end: float = -0.5,
) -> FloatArray:
    """Return a plateau at 2.3, a fall to 0.3 around 10^center, and an explosion past 10^end."""
    x = np.log10(lrs)
    return 2.3 - 2 / (1 + np.exp(-(x - center) / width)) + 10 ** (power * (x - end))


def rising(lrs: FloatArray) -> FloatArray:
    """Return a curve that only rises."""
    return 2.3 + 10 ** (2 * (np.log10(lrs) + 0.5))


def never_diverging(lrs: FloatArray) -> FloatArray:
    """Return a curve that still falls at its end."""
    return 2.3 - 2 / (1 + np.exp(-(np.log10(lrs) + 1) / 0.7))


def noise(steps: int, seed: int) -> FloatArray:
    """Return noise alone."""
    return 2.3 + 0.2 * np.random.default_rng(seed).standard_normal(steps)


def lasting_noise(steps: int, seed: int, memory: float) -> FloatArray:
    """Return noise alone, of which each step keeps a share of the one before."""
    values = np.random.default_rng(seed).standard_normal(steps)
    for k in range(1, steps):
        values[k] += memory * values[k - 1]
    return 2.3 + 0.2 * values


def as_measured(losses: FloatArray, share: float, seed: int) -> FloatArray:
    """Return losses with noise that is a share of the fall of 2, until they pass 9."""
    noisy = losses + 2 * share * np.random.default_rng(seed).standard_normal(len(losses))
    past = np.flatnonzero(losses > 9)
    return noisy[: past[0] + 1] if past.size else noisy
