"""Suggestions: what a rule reads off the raw losses of a range test, and how far to trust it."""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from lrwidget.core.ladder import FloatArray
from lrwidget.core.rules import RULES, Rule, Target, bottom_index, rule_function
from lrwidget.core.smoothing import (
    DEFAULT_SMOOTHING,
    finite_length,
    local_noise,
    magnitude,
    smooth,
    without_spikes,
)
from lrwidget.errors import ConfigError

# Points below which nothing is said.
_FEWEST = 10
# Share of the fall by which the loss has to rise again for the test to have seen the end.
_RISE = 0.25


@dataclass(frozen=True)
class Suggestion:
    """What one rule suggests, and how far to trust it.

    Args:
        rule: Name of the rule.
        lr: The suggested learning rate; None where there is no suggestion.
        index: The rung nearest to it, 0-based; None where there is no suggestion.
        loss: The smoothed loss at that rung; None where there is no suggestion.
        low: Lower end of the interval over the sweeps; None without one.
        high: Upper end of the interval over the sweeps; None without one.
        reliable: Whether nothing speaks against it.
        reason: One sentence for a person: why there is none, or what to doubt; else empty.
    """

    rule: str
    lr: float | None
    index: int | None
    loss: float | None
    low: float | None
    high: float | None
    reliable: bool
    reason: str


@dataclass(frozen=True)
class _Curve:
    """A curve that can be read: cut before the first loss that is not finite, and smoothed.

    Both kinds of losses are in `unit`s, so that the differences of very large ones are finite.
    """

    lrs: FloatArray
    losses: FloatArray
    smoothed: FloatArray
    unit: float

    @cached_property
    def refusal(self) -> str:
        return _refusal(self)

    @property
    def bottom(self) -> int:
        return bottom_index(self.smoothed)

    @property
    def fall(self) -> float:
        return float(self.smoothed[: self.bottom + 1].max() - self.smoothed[self.bottom])

    @property
    def rise(self) -> float:
        return float(self.smoothed[self.bottom :].max() - self.smoothed[self.bottom])


def suggest(
    lrs: FloatArray, losses: FloatArray, rule: str = "auto", target: Target = "constant"
) -> Suggestion:
    """Return what a rule suggests for the raw losses of a range test.

    The losses are cut before the first one that is not finite and smoothed with the default.
    A learning rate never lies below the first rung or right of the smoothed minimum; one that a
    rule puts there is moved to that limit and is not reliable.

    >>> lrs = np.logspace(-7, 1, 100)
    >>> found = suggest(lrs, 2.3 - 2 / (1 + (0.001 / lrs) ** 2) + lrs, rule="minimum")
    >>> f"{found.lr:.1e}", found.index, found.reliable
    ('1.6e-03', 52, True)
    >>> suggest(lrs, 1 + lrs).reason
    'No suggestion: the loss never fell. Start lower than min_lr=1e-07, or check the labels.'

    Args:
        lrs: Learning rates, shape (n,), increasing, > 0.
        losses: Loss of each batch, not smoothed, shape (n,).
        rule: "auto", "minimum", "steepest", "valley", "slide", "edge", or one of your own.
        target: What the learning rate is for: "constant", or the peak of a "one_cycle".
            Only "auto" heeds it.

    Returns:
        A suggestion. Its `lr` is None where there is none, and its `reason` says why.

    Raises:
        ConfigError: An unknown rule or target, or arrays that are no curve.
    """
    function = rule_function(rule, target)
    return _read(rule, function, _readable(*_checked(lrs, losses)))


def suggestions(
    lrs: FloatArray, losses: FloatArray, target: Target = "constant"
) -> dict[str, Suggestion]:
    """Return what every rule suggests, by name, "auto" first.

    Args:
        lrs: Learning rates, shape (n,), increasing, > 0.
        losses: Loss of each batch, not smoothed, shape (n,).
        target: What the learning rate is for: "constant", or the peak of a "one_cycle".

    Raises:
        ConfigError: An unknown target, or arrays that are no curve.
    """
    functions = {rule: rule_function(rule, target) for rule in RULES}
    curve = _readable(*_checked(lrs, losses))
    return {rule: _read(rule, function, curve) for rule, function in functions.items()}


def suggest_over_sweeps(
    lrs: FloatArray,
    losses: FloatArray,
    sweep_losses: FloatArray,
    rule: str = "auto",
    target: Target = "constant",
) -> Suggestion:
    """Return what a rule suggests for the median curve, with its interval over the sweeps.

    The interval runs from the 10 % to the 90 % quantile of log10(lr) of the rule on each sweep
    alone. It is None for a single sweep.

    Args:
        lrs: Learning rates, shape (n,), increasing, > 0.
        losses: Median loss over the sweeps, shape (n,).
        sweep_losses: Losses of each sweep, shape (sweeps, n).
        rule: As for `suggest`.
        target: As for `suggest`.

    Returns:
        A suggestion; not reliable where the interval is wider than a decade, or where half of the
        sweeps or more suggest nothing.

    Raises:
        ConfigError: An unknown rule or target, or arrays that are no curve.
    """
    middle = suggest(lrs, losses, rule, target)
    sweeps = np.asarray(sweep_losses, dtype=np.float64)
    if sweeps.ndim != 2 or sweeps.shape[1] != len(lrs):
        raise ConfigError(
            f"`sweep_losses` must have the shape (sweeps, {len(lrs)}); got {sweeps.shape}."
        )
    if middle.lr is None or len(sweeps) < 2:
        return middle
    found = [suggest(lrs, sweep, rule, target).lr for sweep in sweeps]
    picks = [lr for lr in found if lr is not None]
    if 2 * len(picks) <= len(sweeps):
        reason = f"Only {len(picks)} of {len(sweeps)} sweeps give a suggestion."
        return replace(middle, reliable=False, reason=middle.reason or reason)
    low, high = (float(10**q) for q in np.quantile(np.log10(picks), [0.1, 0.9]))
    if high <= 10 * low:
        return replace(middle, low=low, high=high)
    reason = f"The sweeps disagree by more than a decade: {low:.2e} to {high:.2e}."
    return replace(middle, low=low, high=high, reliable=False, reason=middle.reason or reason)


def _readable(lrs: FloatArray, losses: FloatArray) -> _Curve:
    n = finite_length(losses)
    unit = magnitude(losses[:n])
    unit = unit if unit > 1e100 else 1.0
    scaled = losses[:n] / unit
    return _Curve(lrs[:n], scaled, smooth(scaled, DEFAULT_SMOOTHING), unit)


def _read(rule: str, function: Rule, curve: _Curve) -> Suggestion:
    """Return what a rule reads off a curve, unless the curve cannot be read."""
    if curve.refusal:
        return _none(rule, curve.refusal)
    lr = function(curve.lrs, curve.smoothed)
    if lr is None or not math.isfinite(lr):
        return _none(rule, f'No suggestion: the rule "{rule}" finds no place on this curve.')
    return _placed(rule, float(lr), curve)


def _none(rule: str, reason: str) -> Suggestion:
    return Suggestion(rule, None, None, None, None, None, False, reason)


def _placed(rule: str, lr: float, curve: _Curve) -> Suggestion:
    """Return the suggestion for a learning rate, moved into the part of the curve that falls."""
    first, last = float(curve.lrs[0]), float(curve.lrs[curve.bottom])
    placed = min(max(lr, first), last)
    reason = _doubt(curve)
    if lr < first:
        reason = reason or f"The rule points below min_lr={first:g}: start lower to see that part."
    elif lr > last:
        reason = reason or "The rule points right of the minimum, where the loss is rising again."
    index = int(np.argmin(np.abs(np.log10(curve.lrs) - math.log10(placed))))
    loss = float(curve.smoothed[index]) * curve.unit
    return Suggestion(rule, placed, index, loss, None, None, not reason, reason)


def _refusal(curve: _Curve) -> str:
    """Return why nothing can be suggested from a curve, or nothing."""
    n = len(curve.losses)
    if n < _FEWEST:
        return (
            f"No suggestion: only {n} finite losses were measured, and it takes {_FEWEST}. "
            "Take more steps, or start lower."
        )
    first, last = curve.lrs[0], curve.lrs[-1]
    if np.ptp(curve.smoothed) == 0:
        return (
            f"No suggestion: the loss was the same at every learning rate up to max_lr={last:g}. "
            "Raise max_lr, or check that the model has weights to train."
        )
    fell = not _is_noise(curve.losses, curve.smoothed)
    rose = not _is_noise(curve.losses[::-1], curve.smoothed[::-1])
    if not (fell or rose):
        return (
            "No suggestion: the loss changed no more than its noise does. Take more steps or a "
            f"larger batch, or raise max_lr={last:g}."
        )
    if curve.bottom == 0:
        return (
            f"No suggestion: the loss never fell. Start lower than min_lr={first:g}, "
            "or check the labels."
        )
    if not fell:
        return (
            "No suggestion: the loss never fell by more than its noise. Start lower than "
            f"min_lr={first:g}, take more steps or a larger batch, or check the labels."
        )
    return ""


def _doubt(curve: _Curve) -> str:
    """Return what speaks against trusting any suggestion from a curve, or nothing."""
    last = curve.lrs[-1]
    if curve.rise >= _RISE * curve.fall:
        return ""
    if curve.bottom >= 0.9 * (len(curve.lrs) - 1):
        return f"The loss was still falling at max_lr={last:g}: raise max_lr to see where it stops."
    return f"The loss had not risen again at max_lr={last:g}: raise max_lr to see where it does."


def _is_noise(losses: FloatArray, smoothed: FloatArray) -> bool:
    """Say whether noise alone would make the losses fall as far as they do.

    The fall is that of the mean over a tenth of the points, w of them, from the highest such mean
    to the lowest after it. Noise of standard deviation s makes a fall of a few s / sqrt(w); the
    limit is 8 + 100 / n + (40 / n)^2 of them. s is the larger of the noise between neighbours and
    that about the smoothed curve.
    """
    n = len(losses)
    width = min(max(5, n // 10), n // 4)
    sums = np.cumsum(np.concatenate([[0.0], without_spikes(losses) - np.median(losses)]))
    means = (sums[width:] - sums[:-width]) / width
    bottom = int(np.argmin(means))
    fall = means[: bottom + 1].max() - means[bottom]
    about = np.quantile(np.abs(losses - smoothed), 0.8) / 1.2816
    noise = max(float(np.median(local_noise(losses))), float(about))
    return bool(fall * math.sqrt(width) <= (8 + 100 / n + (40 / n) ** 2) * noise)


def _checked(lrs: FloatArray, losses: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return both as float64, or say what is wrong with them."""
    rates, values = np.asarray(lrs, dtype=np.float64), np.asarray(losses, dtype=np.float64)
    if rates.ndim != 1 or rates.shape != values.shape:
        raise ConfigError(
            "`lrs` and `losses` must have the same shape (n,); "
            f"got lrs {rates.shape} and losses {values.shape}."
        )
    if not (np.all(np.isfinite(rates)) and np.all(rates > 0) and np.all(np.diff(rates) > 0)):
        raise ConfigError("`lrs` must be finite, above 0 and increasing, as lr_ladder makes them.")
    return rates, values
