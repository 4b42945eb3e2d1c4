"""The rules that read a learning rate off a smoothed curve, and the registry of them.

Every rule is a function of the learning rates and the smoothed losses alone. In the formulas
x = log10(lr), L(x) is the smoothed loss, straight between two rungs, x_min is where it is lowest,
and the fall is the highest loss left of x_min less L(x_min). No rule depends on the unit of the
loss. On one and the same curve no rule but "auto" depends on the number of rungs; but a test of
more steps gives a curve that falls earlier, and "auto" makes up for that.
"""

from collections.abc import Callable

import numpy as np

from lrwidget.core.arrays import FloatArray
from lrwidget.core.checks import as_choice, as_function, as_text
from lrwidget.core.curve.shape import (
    descents,
    falls,
    first_rise,
    last_rise,
    slope_ends,
    until_minimum,
    x_min,
)
from lrwidget.errors import ConfigError

Rule = Callable[[FloatArray, FloatArray], float | None]

# What "auto" was tuned to; see there.
_STEPS_TO_FALL = 6.0
_WIDEST_VALLEY = 3.0
_LEAN_ON_EDGE = 0.3
_BELOW = 0.4


def minimum(lrs: FloatArray, losses: FloatArray) -> float | None:
    """Return a tenth of the learning rate where the loss is lowest: 10^(x_min - 1).

    >>> f"{minimum(np.array([0.01, 0.1, 1.0]), np.array([3.0, 1.0, 3.0])):.3g}"
    '0.01'

    Args:
        lrs: Learning rates, shape (n,), increasing, > 0.
        losses: Smoothed losses, shape (n,), finite.

    Returns:
        A learning rate, which can lie below lrs[0], or None if nothing falls.

    Source: the rule of thumb of the fastai course, from Smith's range test, arXiv:1506.01186.
    """
    return _below_minimum(lrs, losses, 10.0)


def steepest(lrs: FloatArray, losses: FloatArray) -> float | None:
    """Return the learning rate where the loss falls fastest per decade of learning rate.

    It is 10^x for the middle x of the stretch in which L(x - h) - L(x + h), x + h <= x_min, is at
    least 98 % of the most that it is anywhere. h is a quarter of a decade, or of what lies left
    of x_min if that is less than a decade.

    Args:
        lrs: Learning rates, shape (n,), increasing, > 0.
        losses: Smoothed losses, shape (n,), finite.

    Returns:
        A learning rate left of the minimum, or None if nothing falls.

    Source: the steepest-descent reading of Smith's range test, arXiv:1506.01186.
    """
    if not falls(losses):
        return None
    x, fine = until_minimum(lrs, losses)
    half = min(0.25, (x[-1] - x[0]) / 4)
    inside = x[(x >= x[0] + half) & (x <= x[-1] - half)]
    fall = np.interp(inside - half, x, fine) - np.interp(inside + half, x, fine)
    less = np.concatenate([[-1], np.flatnonzero(fall < 0.98 * fall.max()), [len(fall)]])
    k = np.searchsorted(less, np.argmax(fall))
    return float(10 ** inside[less[k - 1] + 1 : less[k]].mean())


def valley(lrs: FloatArray, losses: FloatArray) -> float | None:
    """Return the learning rate two thirds into the longest valley, in decades.

    A valley runs from a top of the curve down to a bottom with no rise on the way of more than a
    twentieth of the whole fall. Its flat ends do not count: it starts at x_a, where a twentieth of
    its own depth is done, and ends at x_b, where a twentieth is left. The longest has the largest
    x_b - x_a. The learning rate is 10^(x_a + 2/3 (x_b - x_a)).

    Args:
        lrs: Learning rates, shape (n,), increasing, > 0.
        losses: Smoothed losses, shape (n,), finite.

    Returns:
        A learning rate left of the minimum, or None if nothing falls.

    Source: fastai's `valley`, by Novak, ESRI; theirs takes the longest decreasing subsequence.
    """
    if not falls(losses):
        return None
    x, fine = until_minimum(lrs, losses)
    ends = [slope_ends(x[a : b + 1], fine[a : b + 1]) for a, b in descents(fine)]
    start, end = max(ends, key=lambda pair: pair[1] - pair[0])
    return float(10 ** (start + 2 / 3 * (end - start)))


def slide(lrs: FloatArray, losses: FloatArray) -> float | None:
    """Return where an interval sliding down from the minimum has an even slope at both ends.

    Its slopes are even where it holds most of the fall. The interval [x, x + w] is w = 1.2
    decades wide (a third of what lies left of x_min, if that is less than 3.6 decades) and
    slides left from x + w = x_min. It stops at the first x where L(x) - L(x + w) is 95 % of the
    most that it is anywhere. The learning rate is its left end, 10^x.

    Args:
        lrs: Learning rates, shape (n,), increasing, > 0.
        losses: Smoothed losses, shape (n,), finite.

    Returns:
        A learning rate left of the minimum, or None if nothing falls.

    Source: fastai's `slide`, an interval of 15 rungs that stops where the slopes at its ends
        differ by less than 0.05 for one rung; here no unit and no ladder changes the place.
    """
    if not falls(losses):
        return None
    x, fine = until_minimum(lrs, losses)
    width = min(1.2, (x[-1] - x[0]) / 3)
    left = x[x <= x[-1] - width]
    fall = np.interp(left, x, fine) - np.interp(left + width, x, fine)
    return float(10 ** left[np.flatnonzero(fall >= 0.95 * fall.max())[-1]])


def edge(lrs: FloatArray, losses: FloatArray) -> float | None:
    """Return a tenth of the learning rate at which training begins to fall apart.

    That is the first x right of x_min with L(x) >= L(x_min) + 0.2 fall, found between two rungs
    as if what L has above L(x_min) - 0.01 fall grew exponentially. The learning rate is 10^x / 10,
    but at most 10^x_min / 2. Where the bottom of the curve is wide and flat, noise alone
    decides where it is lowest; this edge stays where it is.

    Args:
        lrs: Learning rates, shape (n,), increasing, > 0.
        losses: Smoothed losses, shape (n,), finite.

    Returns:
        A learning rate not right of the minimum, or None if nothing falls, or where the loss
        does not rise again.

    Source: this package; the largest stable learning rate is also the upper bound of Smith's
        one-cycle, arXiv:1803.09820.
    """
    if not falls(losses):
        return None
    x_edge = first_rise(lrs, losses, 0.2)
    if x_edge is None:
        return None
    return float(min(10**x_edge / 10, 10 ** x_min(lrs, losses) / 2))


def auto(lrs: FloatArray, losses: FloatArray) -> float | None:
    """Return a learning rate to train with throughout, from both sides of the valley.

    It is 10^(0.7 x_fall + 0.3 x_edge - 0.4), at most 10^x_min.

    x_fall says where most of the fall begins, whatever the number of steps. That is decided by the
    learning rates summed so far, not by the last one: on a ladder with twice as many rungs the
    loss falls at half the learning rate. With S the sum of all learning rates up to the one that
    `slide` returns, 10^x_fall = S / 6, the rate that adds up to S in six steps. On a ladder of 100
    steps from 1e-7 to 10 it is what `slide` returns. It is taken to be no more than 3 decades
    below x_edge.

    x_edge is where the loss rises for good by half of the fall: right of it all losses are above
    L(x_min) + 0.5 fall. If they do not stay above, it is the last rung. It hardly depends on the
    number of steps. In between, the loss is low and flat, and noise decides which rung is the
    lowest; neither side depends on it.

    `suggest` multiplies it with the factor of its purpose, where target and optimizer are known.

    Args:
        lrs: Learning rates, shape (n,), increasing, > 0, one for each training step.
        losses: Smoothed losses, shape (n,), finite.

    Returns:
        A learning rate not right of the minimum, or None if nothing falls.

    Source: this package. The numbers were tuned on some of the tasks of docs/regret.md, which
        tells what the rule loses on the others.
    """
    return auto_with_sums(lrs, losses, np.cumsum(lrs))


def auto_with_sums(lrs: FloatArray, losses: FloatArray, sums: FloatArray) -> float | None:
    """Return what `auto` does where not every training step has its loss.

    Args:
        lrs: Learning rates of the steps that have one, shape (m,), increasing, > 0.
        losses: Their losses, shape (m,), finite.
        sums: The sum of the learning rates of all steps up to each of these, shape (m,).
    """
    start = slide(lrs, losses)
    if start is None:
        return None
    x_sum = np.interp(np.log10(start), np.log10(lrs), np.log10(sums))
    x_edge = last_rise(lrs, losses, 0.5)
    x_fall = max(x_sum - np.log10(_STEPS_TO_FALL), x_edge - _WIDEST_VALLEY)
    x = x_fall + _LEAN_ON_EDGE * (x_edge - x_fall) - _BELOW
    return float(10 ** min(x, x_min(lrs, losses)))


def guess(lrs: FloatArray, losses: FloatArray) -> float | None:
    """Return what to try where noise hides the fall: well below where the loss rises for good.

    It is 10^(x_edge - 1.25), at most 10^x_min, with x_edge as for `auto`, which `suggest` has it
    stand in for where the loss fell by no more than its noise.

    Source: this package; see `auto`.
    """
    if not falls(losses):
        return None
    return float(10 ** min(last_rise(lrs, losses, 0.5) - 1.25, x_min(lrs, losses)))


RULES: dict[str, Rule] = {
    "auto": auto,
    "minimum": minimum,
    "steepest": steepest,
    "valley": valley,
    "slide": slide,
    "edge": edge,
}
OWN_RULES = dict(RULES)
"""Those of this package, whatever a user registers."""


def register_rule(name: str, function: Rule) -> None:
    """Let a rule of your own join the suggestions and the plot.

    >>> register_rule("third", lambda lrs, losses: lrs[losses.argmin()] / 3)
    >>> "third" in RULES
    True
    >>> unregister_rule("third")

    Args:
        name: What the rule is called; a rule of yours of that name is replaced.
        function: Takes learning rates and smoothed losses, both of shape (n,), and returns a
            learning rate, or None for no suggestion.

    Raises:
        ConfigError: The name is taken by a rule of this package, or there is no function.
    """
    name = as_text("name", name)
    if name in OWN_RULES:
        raise ConfigError(f'The rule "{name}" is part of lrwidget. Take another name.')
    RULES[name] = as_function("function", function, "of learning rates and smoothed losses")


def unregister_rule(name: str) -> None:
    """Take a rule of your own out again.

    Raises:
        ConfigError: There is no rule of yours of that name.
    """
    own = [each for each in RULES if each not in OWN_RULES]
    if not isinstance(name, str) or name not in own:
        raise ConfigError(f"There is no rule of your own called {name!r}; you have {own}.")
    del RULES[name]


def check_rule(rule: str) -> None:
    """Refuse the name of a rule that does not exist.

    Raises:
        ConfigError: It is unknown.
    """
    as_choice("rule", rule, RULES)


def _below_minimum(lrs: FloatArray, losses: FloatArray, divisor: float) -> float | None:
    """Return the learning rate at the minimum over the divisor."""
    return float(10 ** x_min(lrs, losses) / divisor) if falls(losses) else None
