"""The rates that find_lr tries, and the answer that it reads from how they trained."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lrwidget.core.compare.comparison import Comparison
from lrwidget.core.curve.ladder import format_lr
from lrwidget.core.curve.suggest import Suggestion
from lrwidget.core.range_test.result import RangeTestResult

ROUNDS = (40, 80)
"""Training steps of a trial in each round of the halving."""

# Around a suggestion, in equal ratios ...
_AROUND, _FACTOR = 5, 10.0
# ... and without one, below the largest learning rate that did not diverge.
_SPREAD, _DECADES = 8, 3.5
# Rates within this factor of each other are one.
_SAME = 1.05


@dataclass(frozen=True)
class Answer:
    """A learning rate read from a comparison, and an interval that holds it."""

    lr: float
    low: float
    high: float
    is_at_edge: bool
    is_tied: bool


def rates_to_try(result: RangeTestResult, suggestion: Suggestion) -> list[float]:
    """Return rates in equal ratios over what a curve leaves open, increasing.

    They are five rates from a tenth of the suggestion to ten times it. Without a suggestion, they
    are eight rates over 3.5 decades up to the last learning rate before the curve ends, because
    larger ones diverge.
    """
    if suggestion.lr is not None:
        low, high = suggestion.lr / _FACTOR, suggestion.lr * _FACTOR
        return np.geomspace(low, high, _AROUND).tolist()
    high = float(result.lrs[-1]) if len(result.lrs) else result.config.max_lr
    return np.geomspace(high / 10**_DECADES, high, _SPREAD).tolist()


def with_present(rates: Sequence[float], present: float | None) -> dict[str, float]:
    """Return rates by name, with the present learning rate of the model as the baseline."""
    named = {format_lr(rate): rate for rate in rates}
    if present and all(abs(math.log(rate / present)) > math.log(_SAME) for rate in rates):
        named["present"] = present
    return named


def answer_of(
    comparison: Comparison, rates: dict[str, float], suggested: float | None
) -> Answer | None:
    """Return a rate between that of the best variant and the suggestion, and an interval.

    The rate is the geometric mean of the two: a short training favors other rates than a long one,
    and a curve is read from one step at each rate, so that their errors are independent. The
    interval holds the rates that are tied with the best, and half a step of the spread beyond
    them, because the rates between two neighbors were not tried.

    Args:
        comparison: The trials.
        rates: The rates that were tried, by the name of the variant.
        suggested: The rate that the curve suggests; None without one.
    """
    if comparison.best is None:
        return None
    tried = sorted(rates.values())
    best = rates[comparison.best]
    lr = best if suggested is None else math.sqrt(best * suggested)
    tied = [best, *(rates[name] for name in comparison.tied)]
    half = (tried[-1] / tried[0]) ** (0.5 / max(1, len(tried) - 1))
    return Answer(
        lr=lr,
        low=min(min(tied) / half, lr),
        high=max(max(tied) * half, lr),
        is_at_edge=best in (tried[0], tried[-1]),
        is_tied=max(tied) > 10 * min(tied),
    )
