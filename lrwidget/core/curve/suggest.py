"""Suggestions: what a rule reads off the raw losses of a range test, and how far to trust it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lrwidget.core.arrays import FloatArray
from lrwidget.core.checks import as_any_float
from lrwidget.core.curve.purpose import OptimizerKind, Purpose, Target
from lrwidget.core.curve.reading import Reading
from lrwidget.core.curve.rules import RULES, check_rule


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


def suggest(
    lrs: FloatArray,
    losses: FloatArray,
    rule: str = "auto",
    target: Target = "constant",
    *,
    optimizer: OptimizerKind = "other",
    validation_losses: FloatArray | None = None,
    train_steps: int | None = None,
) -> Suggestion:
    """Return what a rule suggests for the raw losses of a range test.

    The losses are cut before the first one that is not finite and smoothed with the default.
    A learning rate never lies below the first rung or right of the smoothed minimum; one that a
    rule puts there is moved to that limit and is not reliable. Where the loss falls by no more
    than its noise, "auto" guesses from where it rises, and is not reliable either.

    With `validation_losses` "auto" is the geometric mean of what it reads off either loss. It is
    not reliable where the rules disagree too much about them; noise alone is no doubt any more.

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
        optimizer: What takes the steps: "sgd" and "rmsprop" without momentum, SGD with
            "momentum", or an "other" one such as Adam. A `RangeTestResult` knows its own.
        validation_losses: Loss of one fixed sample after each step, shape (n,), NaN where it was
            not measured.
        train_steps: How many steps the training will take; None if that is not known. The longer
            it is, the lower is the best rate: more than 250 steps multiply it by
            (train_steps / 250)^-0.5. Only "auto" heeds the last four.

    Returns:
        A suggestion. Its `lr` is None where there is none, and its `reason` says why.

    Raises:
        ConfigError: An unknown rule, target or optimizer, no number of steps, or arrays that are no
            curve.
    """
    check_rule(rule)
    purpose = Purpose(target, optimizer, train_steps)
    return _read(rule, purpose, Reading.of(lrs, losses, validation_losses))


def suggest_over_sweeps(
    rules: Iterable[str], purpose: Purpose, middle: Reading, sweeps: Sequence[Reading]
) -> dict[str, Suggestion]:
    """Return what rules suggest for the median curve, with their intervals over the sweeps.

    The interval runs from the 10 % to the 90 % quantile of log10(lr) of the rule on each sweep
    alone. It is None for a single sweep.

    Args:
        rules: Their names.
        purpose: What the learning rate is for.
        middle: The median over the sweeps.
        sweeps: Each sweep.

    Returns:
        Suggestions by rule; not reliable where the interval is wider than a decade, or where half
        of the sweeps or more suggest nothing.
    """
    several = sweeps if len(sweeps) > 1 else ()
    return {
        rule: _with_interval(
            _read(rule, purpose, middle), [_read(rule, purpose, each).lr for each in several]
        )
        for rule in rules
    }


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


def _read(rule: str, purpose: Purpose, curve: Reading) -> Suggestion:
    """Return what a rule reads off a curve, unless the curve cannot be read."""
    if curve.refusal:
        return _none(rule, curve.refusal)
    is_auto = rule == "auto"
    found = curve.auto(purpose) if is_auto else RULES[rule](curve.lrs, curve.smoothed)
    lr = _checked_answer(rule, found)
    if lr is None:
        return _none(
            rule, f'No suggestion: the rule "{rule}" found no suitable learning rate on this curve.'
        )
    return _placed(rule, lr, curve, curve.doubt_of_auto if is_auto else curve.doubt)


def _checked_answer(rule: str, answer: object) -> float | None:
    """Return what a rule answers as a float; None for no suggestion, as NaN and infinity are."""
    if answer is None:
        return None
    lr = as_any_float(f"{rule}(lrs, losses)", answer, hint="Let the rule return a number or None.")
    return lr if math.isfinite(lr) else None


def _none(rule: str, reason: str) -> Suggestion:
    return Suggestion(rule, None, None, None, None, None, False, reason)


def _placed(rule: str, lr: float, curve: Reading, doubt: str) -> Suggestion:
    """Return the suggestion for a learning rate, moved into the part of the curve that falls."""
    first, last = float(curve.lrs[0]), float(curve.lrs[curve.bottom])
    placed = min(max(lr, first), last)
    reason = doubt
    if lr < first:
        reason = reason or f"The rule points below min_lr={first:.3g}: start lower to see there."
    elif lr > last:
        reason = reason or "The rule points right of the minimum, where the loss is rising again."
    index = int(np.argmin(np.abs(np.log10(curve.lrs) - math.log10(placed))))
    loss = float(curve.smoothed[index]) * curve.unit
    return Suggestion(rule, placed, index, loss, None, None, not reason, reason)
