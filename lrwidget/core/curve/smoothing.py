"""Smoothing of a loss curve, without lag and without moving its minimum."""

import math
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from lrwidget.core.arrays import FloatArray, as_losses
from lrwidget.core.checks import as_choice, as_number

Method = Literal["centered", "ema"]

# Suits 100 steps; its unit does not depend on the number of steps.
DEFAULT_SMOOTHING = 0.25
_AMOUNT_HINT = f"0 changes nothing, {DEFAULT_SMOOTHING} is the default."

# Widest standard deviation of the kernel, as a share of the points, is amount / 8.
_WIDTH_PER_AMOUNT = 0.125
# A detail smaller than this many standard deviations of its noise counts as noise.
_THRESHOLD = 2.5
# A point further than this many typical steps from the median of its neighbors is a spike.
_SPIKE = 3.7
# Standard deviation in points of the narrowest kernel that averages anything.
_NARROWEST = 0.4
# Median of the absolute value of a standard normal variable.
_NORMAL_MEDIAN = 0.6744897501960817


def smooth(losses: FloatArray, amount: float, method: Method = "centered") -> FloatArray:
    """Return the losses with the noise taken out.

    "centered" has no lag. It averages over a window whose width is a share of the number of
    points (the standard deviation of its Gaussian weights is n * amount / 8 points), so an amount
    has the same effect at 50 and at 1000 steps. If the curve bends within this window by more than
    its noise explains, the window becomes narrower. So a steep rise at the end does not move the
    minimum, and a curve without noise does not change. Single spikes are pulled back to their
    neighbors first. Scaling the losses by a positive number, or adding a number, has the same
    effect on the smoothed losses.

    "ema" is the usual exponential moving average: with b = `amount` as the weight of the past,
    v[k] = b v[k-1] + (1 - b) losses[k], v[-1] = 0, smoothed[k] = v[k] / (1 - b^(k+1)).
    It lags behind the curve, so its minimum lies too far right.

    >>> smooth(np.array([2.0, 2.0, 2.0, 9.0, 2.0, 2.0]), 0.25)
    array([2., 2., 2., 2., 2., 2.])
    >>> smooth(np.array([4.0, 2.0, 2.0]), 0.5, "ema").round(3)
    array([4.   , 2.667, 2.286])

    Args:
        losses: Losses in the order of the learning rates, shape (n,), n >= 0. The losses before the
            first one that is not finite are smoothed; the rest are returned unchanged.
        amount: Amount of smoothing, in [0, 1); 0 changes nothing.
        method: "centered" or "ema".

    Returns:
        Smoothed losses, a new array of shape (n,), within the range of the finite losses. Losses
        that are all equal are returned bit for bit.

    Raises:
        ConfigError: The amount is outside [0, 1), the method is unknown, or the losses are not a
            one-dimensional array of at most 1,000,000 real numbers.

    Source: "centered" combines local linear fits (Fan and Gijbels 1996) of several widths by
        shrinking their differences (Starck, Murtagh and Bijaoui 1998; the garrote of Gao 1998).
        "ema" is the bias-corrected moving average of Adam, arXiv:1412.6980.
    """
    values = as_losses("losses", losses)
    amount = as_number("amount", amount, at_least=0.0, below=1.0, hint=_AMOUNT_HINT)
    method = as_choice("method", method, get_args(Method))  # type: ignore[assignment]
    n = finite_length(values)
    if amount == 0 or n < 2:
        return values
    unit = magnitude(values[:n])
    body = values[:n] / unit
    base = np.median(body)
    smoothed = (_centered if method == "centered" else _ema)(body - base, amount)
    values[:n] = np.clip(smoothed + base, body.min(), body.max()) * unit
    return values


def finite_length(values: FloatArray) -> int:
    """Return the number of values before the first one that is not finite.

    >>> finite_length(np.array([1.0, 2.0, np.nan, 3.0]))
    2
    """
    broken = np.flatnonzero(~np.isfinite(values))
    return int(broken[0]) if broken.size else len(values)


def local_noise(losses: FloatArray) -> FloatArray:
    """Return the standard deviation of the noise around each loss.

    With d the differences of order m = 2, 4 and 6 between neighbors, in which a smooth curve
    nearly vanishes, it is the minimum of median(|d|) / (0.6745 sqrt(binomial(2 m, m))). The
    medians are over all windows of a fifth of the points that contain the loss, so that at least
    one window avoids a steep rise. As a minimum it is too low, by a third at 50 points.

    Args:
        losses: Shape (n,), finite.

    Returns:
        Shape (n,); zeros where n < 3.

    Source: difference-based variance of Hall, Kay and Titterington, Biometrika 77 (1990), with
        medians against outliers.
    """
    n = len(losses)
    levels = [np.zeros(n)] if n < 3 else []
    for order in (2, 4, 6):
        if n > order:
            centers, medians, width = _window_medians(np.abs(np.diff(losses, order)))
            near = np.abs(centers[:, None] - centers) <= width / 2
            least = np.where(near, medians, np.inf).min(axis=1)
            scale = _NORMAL_MEDIAN * math.sqrt(math.comb(2 * order, order))
            levels.append(np.interp(np.arange(n), centers + order / 2, least) / scale)
    return np.min(levels, axis=0)


def _window_medians(values: FloatArray) -> tuple[FloatArray, FloatArray, int]:
    """Return centers, medians and width of windows of a fifth of the values, at least nine."""
    width = min(len(values), max(9, len(values) // 5))
    starts = np.unique(np.linspace(0, len(values) - width, 32).astype(int))
    medians = [np.median(values[start : start + width]) for start in starts]
    return starts + (width - 1) / 2, np.array(medians), width


def _ema(losses: FloatArray, amount: float) -> FloatArray:
    """Return the bias-corrected exponential moving average."""
    smoothed = np.empty_like(losses)
    average, weight = 0.0, 0.0
    for k, loss in enumerate(losses.tolist()):
        average = amount * average + (1 - amount) * loss
        weight = amount * weight + (1 - amount)
        smoothed[k] = average / weight
    return smoothed


def _centered(losses: FloatArray, amount: float) -> FloatArray:
    """Return the widest local fit plus every detail that noise does not explain.

    The details are the differences between fits of successive widths; the narrowest "fit" is the
    losses themselves.
    """
    bent, unbend = _compressed(without_spikes(losses))
    noise = local_noise(bent)
    fit, share, kept = bent, np.ones(len(bent)), np.zeros(len(bent))
    for width in _widths(amount * _WIDTH_PER_AMOUNT * len(bent)):
        wider, wider_share = _local_line(bent, width)
        kept += _garrote(fit - wider, _THRESHOLD * noise * share)
        fit, share = wider, wider_share
    return unbend(np.clip(fit + kept, bent.min(), bent.max()))


def _widths(widest: float) -> list[float]:
    """Return the widths of the local fits in points, each twice the one before."""
    octaves = math.floor(math.log2(widest / _NARROWEST)) if widest > _NARROWEST else -1
    return [widest / 2**k for k in range(octaves, -1, -1)]


def _garrote(details: FloatArray, threshold: FloatArray) -> FloatArray:
    """Return the details shrunk by their noise: d - threshold^2 / d, 0 where |d| < threshold."""
    large = np.abs(details) > threshold
    safe = np.where(large, details, 1.0)
    return np.where(large, details - threshold**2 / safe, 0.0)


def _local_line(values: FloatArray, width: float) -> tuple[FloatArray, FloatArray]:
    """Return at each point the value of the line fitted around it, and its share of the noise.

    Args:
        values: Shape (n,), n >= 2.
        width: Standard deviation of the Gaussian weights, in points.

    Returns:
        The fitted values, and the standard deviation of each for noise of standard deviation 1.
    """
    n = len(values)
    reach = min(math.ceil(4 * width), n - 1)
    offsets = np.arange(-reach, reach + 1) / width
    weights = np.exp(-(offsets**2) / 2)
    s0, s1, s2 = (_sums(weights * offsets**k, n) for k in range(3))
    t0, t1, t2 = (_sums(weights**2 * offsets**k, n) for k in range(3))
    y0, y1 = (_correlate(values, weights * offsets**k) for k in range(2))
    determinant = s0 * s2 - s1**2
    variance = (s2**2 * t0 - 2 * s1 * s2 * t1 + s1**2 * t2) / determinant**2
    return (s2 * y0 - s1 * y1) / determinant, np.sqrt(variance)


def _sums(kernel: FloatArray, n: int) -> FloatArray:
    """Return the sum of that part of the kernel that lies over the n points, for each point."""
    reach = len(kernel) // 2
    total = np.concatenate([[0.0], np.cumsum(kernel)])
    points = np.arange(n)
    last = np.minimum(n - 1 - points, reach) + reach + 1
    first = reach - np.minimum(points, reach)
    return total[last] - total[first]


def _correlate(values: FloatArray, kernel: FloatArray) -> FloatArray:
    """Return the sum over offsets d of kernel[d] values[i + d], for each point i."""
    n, reach = len(values), len(kernel) // 2
    size = 1 << (n + 2 * reach).bit_length()
    spectrum = np.fft.rfft(values, size) * np.fft.rfft(kernel[::-1], size)
    return np.fft.irfft(spectrum, size)[reach : reach + n]


def _compressed(values: FloatArray) -> tuple[FloatArray, Callable[[FloatArray], FloatArray]]:
    """Return values with a logarithmic rise far above the median, and the inverse function.

    The unit is the depth of the curve below its median. A rise by more than two units only shows
    that the test diverged, not how good a learning rate is.
    """
    unit = -float(values.min()) or float(values.max()) or 1.0
    knee = 2 * unit
    log_knee = math.log(knee)

    def unbend(bent: FloatArray) -> FloatArray:
        high = np.exp(np.maximum(bent / knee - 1, 0) + log_knee)
        return np.where(bent > knee, high, bent)

    high = knee * (1 + np.log(np.maximum(values, knee)) - log_knee)
    return np.where(values > knee, high, values), unbend


def without_spikes(losses: FloatArray) -> FloatArray:
    """Return the losses with single spikes pulled back to their neighbors.

    With m the median of a loss and its two neighbors on either side, and s the median of the
    steps between neighbors around it, a loss m + d stays where |d| <= 3.7 s, becomes m where
    |d| >= 7.4 s, and goes from one to the other in between.

    Args:
        losses: Shape (n,), finite.

    Returns:
        A new array of shape (n,). The first and the last loss stay as they are.
    """
    n = len(losses)
    medians = losses.copy()
    if n < 3:
        return medians
    medians[1:-1] = np.median(sliding_window_view(losses, 3), axis=1)
    if n > 4:
        medians[2:-2] = np.median(sliding_window_view(losses, 5), axis=1)
    centers, typical, _ = _window_medians(np.abs(np.diff(losses)))
    limits = _SPIKE * np.interp(np.arange(n), centers + 0.5, typical)
    away = losses - medians
    size = np.minimum(np.abs(away), np.maximum(2 * limits - np.abs(away), 0.0))
    return np.where(np.abs(away) <= limits, losses, medians + np.sign(away) * size)


def magnitude(values: FloatArray) -> float:
    """Return the largest power of two below the largest value; dividing by it avoids overflow."""
    largest = float(np.abs(values).max(initial=0.0))
    return math.ldexp(1.0, math.frexp(largest)[1] - 1) if largest > 0 else 1.0
