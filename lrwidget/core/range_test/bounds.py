"""Bounds: the lower and upper end of a cyclical learning rate, read off a range test."""

from dataclasses import dataclass

import numpy as np

from lrwidget.core.arrays import FloatArray
from lrwidget.core.checks import as_choice
from lrwidget.core.curve.ladder import format_lr, skips_decades, words_for_skipped_decades
from lrwidget.core.curve.shape import bottom_index, descents
from lrwidget.core.curve.significance import is_noise
from lrwidget.core.curve.smoothing import DEFAULT_SMOOTHING, magnitude, smooth
from lrwidget.core.range_test.result import RangeTestResult
from lrwidget.errors import ConfigError

LOSSES = ("loss", "validation_loss")
"""The curves of which lower values are better; for other metrics, the curve itself shows it."""

# Share of the fall that is complete at the lower bound, and that is left at the upper bound.
_SHARE = 0.1
# A rise by more than this share of the whole fall ends a smooth fall.
_RAGGED = 0.2
# Minimum number of points.
_FEWEST = 10
# The curve shows where the fall begins or ends only if it continues for this share of its points.
_SEEN = 0.03


@dataclass(frozen=True)
class Bounds:
    """Bounds for a cyclical learning rate.

    Attributes:
        low: The learning rate at which the loss begins to fall; None if the curve does not show
            it.
        high: The learning rate at which the loss stops falling smoothly; None if the curve does
            not show it.
        reason: A sentence that explains why one or both are None; otherwise empty.
    """

    low: float | None
    high: float | None
    reason: str


def suggest_bounds(result: RangeTestResult, *, metric: str = "loss") -> Bounds:
    """Return the lower and the upper bound for a cyclical learning rate.

    x = log10(lr), L(x) is the smoothed loss, linear between two points, x_min is the position of
    its minimum, and the fall is the highest loss left of x_min minus L(x_min). The smooth fall is
    the deepest stretch left of x_min on which the loss never rises by more than a fifth of the
    fall; D is the fall of L on this stretch. The lower bound is the last x of the stretch at which
    L has fallen by at most D / 10. The upper bound is the first x after it at which at most D / 10
    is left.

    A metric that is higher at the lowest loss than at the start, such as an accuracy, is negated
    first.

    >>> lrs = np.logspace(-7, 1, 100)
    >>> losses = 2.3 - 2 / (1 + (0.001 / lrs) ** 2) + lrs
    >>> bounds = suggest_bounds(RangeTestResult.from_losses(lrs, losses))
    >>> f"{bounds.low:.1e} {bounds.high:.1e}"
    '3.3e-04 2.9e-03'

    Args:
        result: The result of a range test.
        metric: The curve to read: "loss", "validation_loss", or the name of a metric, such as
            "accuracy".

    Returns:
        The bounds. `low` and `high` lie on the curve, `low` below `high`.

    Raises:
        ConfigError: `result` is not a RangeTestResult, or has no such metric.

    Source: Smith, arXiv:1506.01186, section 3.3: "Note the learning rate value when the accuracy
        starts to increase and when the accuracy slows, becomes ragged, or starts to fall." The
        tenths come from this package.
    """
    if not isinstance(result, RangeTestResult):
        raise ConfigError(
            "`result` must be a RangeTestResult, such as `range_test` returns; got "
            f"{type(result).__name__}. Losses measured elsewhere become one by "
            "`RangeTestResult.from_losses(lrs, losses)`."
        )
    metric = as_choice("metric", metric, result.series())
    lrs, values, smoothed = _read(result, metric)
    refusal = _refusal(lrs, values, smoothed, metric)
    if refusal:
        return Bounds(None, None, refusal)
    low, high = _ends_of_fall(np.log10(lrs), smoothed)
    seen = max(2, round(_SEEN * len(lrs)))
    is_start_seen, is_end_seen = low >= lrs[seen], bottom_index(smoothed) < len(lrs) - seen
    reasons = {
        f"`{metric}` improves from the first learning rate on: lower min_lr, "
        f"now {format_lr(lrs[0])}.": is_start_seen,
        f"`{metric}` still improves at the last learning rate, {format_lr(lrs[-1])}: "
        "raise max_lr.": is_end_seen,
    }
    return Bounds(
        low if is_start_seen else None,
        high if is_end_seen else None,
        " ".join(reason for reason, is_seen in reasons.items() if not is_seen),
    )


def _read(result: RangeTestResult, metric: str) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return learning rates, values of which lower ones are better, and the smoothed values."""
    values = result.series()[metric]
    measured = np.isfinite(values)
    values = values[measured] / magnitude(values[measured])
    # Measured on the same batches every time, so there is no noise to remove.
    smoothed = smooth(values, 0.0 if metric == "validation_loss" else DEFAULT_SMOOTHING)
    if metric not in LOSSES and len(values):
        best = bottom_index(result.smoothed())
        at_best = min(int(np.count_nonzero(measured[:best])), len(values) - 1)
        start = np.median(smoothed[: max(1, len(values) // 10)])
        if smoothed[at_best] > start:
            values, smoothed = -values, -smoothed
    return result.lrs[measured], values, smoothed


def _refusal(lrs: FloatArray, values: FloatArray, smoothed: FloatArray, metric: str) -> str:
    """Return the reason why no bound can be read, or an empty string."""
    if len(lrs) < _FEWEST:
        return f"Only {len(lrs)} values of `{metric}` were measured; at least {_FEWEST} are needed."
    if skips_decades(lrs):
        return words_for_skipped_decades(lrs)
    if bottom_index(smoothed) == 0:
        return f"`{metric}` never improved: lower min_lr, now {format_lr(lrs[0])}."
    if is_noise(values, smoothed):
        return (
            f"`{metric}` improved by no more than its noise. Take more steps or a larger batch, "
            "or a wider range of learning rates."
        )
    return ""


def _ends_of_fall(x: FloatArray, losses: FloatArray) -> tuple[float, float]:
    """Return the learning rates at which the smooth fall has begun and has nearly ended."""
    falling = losses[: bottom_index(losses) + 1]
    pairs = descents(falling, _RAGGED)
    top, bottom = max(pairs, key=lambda pair: falling[pair[0]] - falling[pair[1]])
    x, falling = x[top : bottom + 1], falling[top : bottom + 1]
    margin = _SHARE * (falling[0] - falling[-1])
    last = int(np.flatnonzero(falling >= falling[0] - margin)[-1])
    first = last + 1 + int(np.flatnonzero(falling[last + 1 :] <= falling[-1] + margin)[0])
    low = _between(x, falling, last, falling[0] - margin)
    return low, _between(x, falling, first - 1, falling[-1] + margin)


def _between(x: FloatArray, losses: FloatArray, k: int, loss: float) -> float:
    """Return the learning rate between the points k and k + 1 at which a loss is reached."""
    return float(10 ** np.interp(-loss, -losses[k : k + 2], x[k : k + 2]))
