"""Suggestions: what a rule reads off the raw losses of a range test, and how far to trust it."""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from lrwidget.core.ladder import FloatArray
from lrwidget.core.rules import RULES, Target, rule_function
from lrwidget.core.shape import bottom_index
from lrwidget.core.significance import is_noise
from lrwidget.core.smoothing import DEFAULT_SMOOTHING, finite_length, magnitude, smooth
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

    @cached_property
    def doubt(self) -> str:
        return _doubt(self)

    @cached_property
    def fell(self) -> bool:
        return not is_noise(self.losses, self.smoothed)

    @cached_property
    def rose(self) -> bool:
        return not is_noise(self.losses[::-1], self.smoothed[::-1])

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
    rule puts there is moved to that limit and is not reliable. Where the loss falls by no more
    than its noise, "auto" guesses from where it rises, and is not reliable either.

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
    rule_function(rule, target)  # says what is wrong with them, whatever the curve is
    return _read(rule, target, _readable(*_checked(lrs, losses)))


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
    rule_function("auto", target)
    curve = _readable(*_checked(lrs, losses))
    return {rule: _read(rule, target, curve) for rule in RULES}


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
    sweeps = _checked_sweeps(sweep_losses, len(lrs))
    found = [suggest(lrs, sweep, rule, target).lr for sweep in sweeps]
    return _with_interval(suggest(lrs, losses, rule, target), found)


def suggestions_over_sweeps(
    lrs: FloatArray,
    losses: FloatArray,
    sweep_losses: FloatArray,
    target: Target = "constant",
) -> dict[str, Suggestion]:
    """Return what every rule suggests, by name, with its interval; see `suggest_over_sweeps`."""
    sweeps = [suggestions(lrs, s, target) for s in _checked_sweeps(sweep_losses, len(lrs))]
    return {
        rule: _with_interval(middle, [each[rule].lr for each in sweeps])
        for rule, middle in suggestions(lrs, losses, target).items()
    }


def _checked_sweeps(sweep_losses: FloatArray, n: int) -> FloatArray:
    """Return the losses of each sweep; none where there is but one, which says no more."""
    sweeps = np.asarray(sweep_losses, dtype=np.float64)
    if sweeps.ndim != 2 or sweeps.shape[1] != n:
        raise ConfigError(f"`sweep_losses` must have the shape (sweeps, {n}); got {sweeps.shape}.")
    return sweeps if len(sweeps) > 1 else sweeps[:0]


def _with_interval(middle: Suggestion, found: list[float | None]) -> Suggestion:
    """Return a suggestion with its interval over what the same rule finds on each sweep."""
    if middle.lr is None or not found:
        return middle
    picks = [lr for lr in found if lr is not None]
    if 2 * len(picks) <= len(found):
        reason = f"Only {len(picks)} of {len(found)} sweeps give a suggestion."
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


def _read(rule: str, target: Target, curve: _Curve) -> Suggestion:
    """Return what a rule reads off a curve, unless the curve cannot be read."""
    if curve.refusal:
        return _none(rule, curve.refusal)
    lr = rule_function(rule, target, in_noise=not curve.fell)(curve.lrs, curve.smoothed)
    if lr is None or not math.isfinite(lr):
        return _none(rule, f'No suggestion: the rule "{rule}" finds no place on this curve.')
    return _placed(rule, float(lr), curve)


def _none(rule: str, reason: str) -> Suggestion:
    return Suggestion(rule, None, None, None, None, None, False, reason)


def _placed(rule: str, lr: float, curve: _Curve) -> Suggestion:
    """Return the suggestion for a learning rate, moved into the part of the curve that falls."""
    first, last = float(curve.lrs[0]), float(curve.lrs[curve.bottom])
    placed = min(max(lr, first), last)
    reason = curve.doubt
    if lr < first:
        reason = reason or f"The rule points below min_lr={first:.3g}: start lower to see there."
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
            f"No suggestion: the loss was the same at every learning rate up to max_lr={last:.3g}. "
            "Raise max_lr, or check that the model has weights to train."
        )
    if not (curve.fell or curve.rose):
        return (
            "No suggestion: the loss changed no more than its noise does. Take more steps or a "
            f"larger batch, or raise max_lr={last:.3g}."
        )
    if curve.bottom == 0:
        return (
            f"No suggestion: the loss never fell. Start lower than min_lr={first:.3g}, "
            "or check the labels."
        )
    return ""


def _doubt(curve: _Curve) -> str:
    """Return what speaks against trusting any suggestion from a curve, or nothing."""
    last = curve.lrs[-1]
    if not curve.fell:
        return "A guess: noise hides the fall, if any. Take more steps or a larger batch."
    if curve.rose and curve.rise >= _RISE * curve.fall:
        return ""
    if curve.bottom >= 0.9 * (len(curve.lrs) - 1):
        return f"The loss was still falling at max_lr={last:.3g}: raise max_lr to see it stop."
    return f"The loss had not risen again at max_lr={last:.3g}: raise max_lr to see it rise."


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
