"""The rates that find_lr tries, and the answer that it reads from how they trained."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lrwidget.core.compare.comparison import Comparison
from lrwidget.core.curve.ladder import format_lr
from lrwidget.core.curve.suggest import Suggestion
from lrwidget.core.range_test.result import RangeTestResult

ROUNDS = (20, 40, 80)
"""Training steps of a trial in each round of the halving."""

COUNT = 8
"""Rates that are tried, besides the present one."""

_DECADES = 3.5
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

    The highest is the last learning rate before the curve ends, because larger ones diverge, and
    the lowest lies 3.5 decades below it. A suggestion outside widens the range.
    """
    high = float(result.lrs[-1]) if len(result.lrs) else result.config.max_lr
    low = max(high / 10**_DECADES, result.config.min_lr)
    if suggestion.lr is not None:
        low, high = min(low, suggestion.lr / 3), max(high, suggestion.lr * 3)
    return np.geomspace(low, high, COUNT).tolist()


def with_present(rates: Sequence[float], present: float | None) -> dict[str, float]:
    """Return rates by name, with the present learning rate of the model as the baseline."""
    named = {format_lr(rate): rate for rate in rates}
    if present and all(abs(math.log(rate / present)) > math.log(_SAME) for rate in rates):
        named["present"] = present
    return named


def answer_of(comparison: Comparison, rates: dict[str, float]) -> Answer | None:
    """Return the rate of the best variant, and the interval of those that are tied with it.

    The interval extends by half a step of the spread beyond the tied rates, because the rates
    between two neighbors were not tried.
    """
    if comparison.best is None:
        return None
    tried = sorted(rates.values())
    best = rates[comparison.best]
    tied = [best, *(rates[name] for name in comparison.tied)]
    half = math.sqrt(tried[-1] / tried[0]) ** (1 / max(1, len(tried) - 1))
    return Answer(
        lr=best,
        low=min(tied) / half,
        high=max(tied) * half,
        is_at_edge=best in (tried[0], tried[-1]),
        is_tied=max(tied) > 10 * min(tied),
    )
