"""The rules that read a learning rate off a smoothed curve, and the registry of them.

Every rule is a function of the learning rates and the smoothed losses alone. In the formulas
x = log10(lr), L(x) is the smoothed loss, linear between two points, x_min is the position of its
minimum, and the fall is the highest loss left of x_min minus L(x_min). No rule depends on the unit
of the loss. For the same curve, only "auto" depends on the number of points: a test with more
steps gives a curve that falls earlier, and "auto" corrects for this.
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

# The tuned numbers of "auto"; see its docstring.
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
    least 98 % of its maximum. h is a quarter of a decade, or a quarter of the range left of x_min
    if that range is less than a decade.

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

    A valley extends from a top of the curve to a bottom, without a rise in between of more than a
    twentieth of the whole fall. Its flat ends do not count: it starts at x_a, where the loss has
    fallen by a twentieth of the valley's depth, and ends at x_b, where a twentieth is left. The
    longest valley has the largest x_b - x_a. The learning rate is 10^(x_a + 2/3 (x_b - x_a)).

    Args:
        lrs: Learning rates, shape (n,), increasing, > 0.
        losses: Smoothed losses, shape (n,), finite.

    Returns:
        A learning rate left of the minimum, or None if nothing falls.

    Source: fastai's `valley`, by Novak, ESRI, which uses the longest decreasing subsequence.
    """
    if not falls(losses):
        return None
    x, fine = until_minimum(lrs, losses)
    ends = [slope_ends(x[a : b + 1], fine[a : b + 1]) for a, b in descents(fine)]
    start, end = max(ends, key=lambda pair: pair[1] - pair[0])
    return float(10 ** (start + 2 / 3 * (end - start)))


def slide(lrs: FloatArray, losses: FloatArray) -> float | None:
    """Return the left end of an interval that slides left from the minimum over the fall.

    The interval [x, x + w] is w = 1.2 decades wide, or a third of the range left of x_min if that
    is less than 3.6 decades. It slides left from x + w = x_min and stops at the first x where
    L(x) - L(x + w) is 95 % of its maximum. There the slopes at both ends are about equal. The
    learning rate is 10^x.

    Args:
        lrs: Learning rates, shape (n,), increasing, > 0.
        losses: Smoothed losses, shape (n,), finite.

    Returns:
        A learning rate left of the minimum, or None if nothing falls.

    Source: fastai's `slide`, an interval of 15 points that stops where the slopes at its ends
        differ by less than 0.05 per point; here the unit and the ladder have no influence.
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

    Training falls apart at the first x right of x_min with L(x) >= L(x_min) + 0.2 fall. Between
    two points, L minus (L(x_min) - 0.01 fall) is interpolated exponentially. The learning rate is
    10^x / 10, but at most 10^x_min / 2. If the bottom of the curve is wide and flat, noise decides
    where the minimum is, but does not move this edge.

    Args:
        lrs: Learning rates, shape (n,), increasing, > 0.
        losses: Smoothed losses, shape (n,), finite.

    Returns:
        A learning rate not right of the minimum, or None if nothing falls or the loss does not
        rise again.

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
    """Return a constant learning rate to train with, from both sides of the valley.

    It is 10^(0.7 x_fall + 0.3 x_edge - 0.4), at most 10^x_min.

    x_fall is the position where most of the fall begins, independent of the number of steps. The
    loss falls when the sum of all learning rates so far is large enough: with twice as many steps,
    it falls at half the learning rate. S is the sum of all learning rates up to the one that
    `slide` returns, and 10^x_fall = S / 6, the rate that adds up to S in six steps. For 100 steps
    from 1e-7 to 10 it equals the result of `slide`. It is at least x_edge - 3.

    x_edge is the position where the loss rises for good by half of the fall: right of it all
    losses are above L(x_min) + 0.5 fall. If they do not stay above, it is the last point. It hardly
    depends on the number of steps. Between x_fall and x_edge the loss is low and flat, and noise
    decides where the minimum is; neither of the two depends on that.

    `suggest` multiplies the result by a factor for its target and optimizer.

    Args:
        lrs: Learning rates, shape (n,), increasing, > 0, one for each training step.
        losses: Smoothed losses, shape (n,), finite.

    Returns:
        A learning rate not right of the minimum, or None if nothing falls.

    Source: this package. The numbers were tuned on some of the tasks of docs/regret.md, which
        shows the loss of the rule on the others.
    """
    return auto_with_sums(lrs, losses, np.cumsum(lrs))


def auto_with_sums(lrs: FloatArray, losses: FloatArray, sums: FloatArray) -> float | None:
    """Return the result of `auto` for a curve in which not every training step has a loss.

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
    """Return a guess if noise hides the fall: well below the rate where the loss rises for good.

    It is 10^(x_edge - 1.25), at most 10^x_min. `suggest` uses it instead of `auto` when the fall is
    no larger than the noise; x_edge is defined there.

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
"""The rules of this package, without those that a user registers."""


def register_rule(name: str, function: Rule) -> None:
    """Add your own rule to the suggestions and the plot.

    >>> register_rule("third", lambda lrs, losses: lrs[losses.argmin()] / 3)
    >>> "third" in RULES
    True
    >>> unregister_rule("third")

    Args:
        name: The name of the rule. An earlier rule of your own with this name is replaced.
        function: A function that takes learning rates and smoothed losses, both of shape (n,), and
            returns a learning rate, or None for no suggestion.

    Raises:
        ConfigError: A rule of this package has this name, or `function` is not a function.
    """
    name = as_text("name", name)
    if name in OWN_RULES:
        raise ConfigError(f'The rule "{name}" is part of lrwidget. Use another name.')
    RULES[name] = as_function("function", function, "of learning rates and smoothed losses", 2)


def unregister_rule(name: str) -> None:
    """Remove your own rule.

    Raises:
        ConfigError: You have no rule with this name.
    """
    own = [each for each in RULES if each not in OWN_RULES]
    if not isinstance(name, str) or name not in own:
        raise ConfigError(f"There is no rule of your own called {name!r}; you have {own}.")
    del RULES[name]


def check_rule(rule: str) -> None:
    """Check that a rule exists.

    Raises:
        ConfigError: The name is unknown.
    """
    as_choice("rule", rule, RULES)


def _below_minimum(lrs: FloatArray, losses: FloatArray, divisor: float) -> float | None:
    """Return the learning rate at the minimum, divided by the divisor."""
    return float(10 ** x_min(lrs, losses) / divisor) if falls(losses) else None
