"""Verdict: what all rules together say about a curve, in a sentence or two."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lrwidget.core.curve.suggest import Suggestion
from lrwidget.core.range_test.result import RangeTestResult
from lrwidget.core.range_test.settings import RangeTestConfig
from lrwidget.ui.looks import colors as looks
from lrwidget.ui.words import text

Mend = Literal["", "steps", "below", "above"]

CLOSE = 0.5
"""Rules agree where they lie within this many decades of each other."""

_MENDS: dict[Mend, str] = {
    "steps": r"\bnoise\b",
    "below": r"\bstart lower\b",
    "above": r"\braise max_lr\b",
}
_LIMITS = (1e-12, 1e6)
_MOST_STEPS = 3000


@dataclass(frozen=True)
class Verdict:
    """What the suggestions of a test amount to.

    Args:
        agreement: How far the rules agree, as a sentence; empty where none has an answer.
        mend: What another test has to have more of: steps, or range on a side; "" for nothing.
    """

    agreement: str = ""
    mend: Mend = ""

    @classmethod
    def of(cls, suggestions: Mapping[str, Suggestion], result: RangeTestResult) -> "Verdict":
        """Return the verdict on the suggestions that a result gave."""
        return cls(agreement(suggestions), _mend(suggestions, result))


def agreement(suggestions: Mapping[str, Suggestion]) -> str:
    """Say how many of the rules that have an answer lie close together."""
    found = np.sort([each.lr for each in suggestions.values() if each.lr is not None])
    count = len(found)
    if count < 2:
        return ""
    decades = np.log10(found)
    ends = np.searchsorted(decades, decades + CLOSE, side="right")
    first = int(np.argmax(ends - np.arange(count)))
    close = int(ends[first]) - first
    if 2 * close <= count:
        ends_of_all = f"{text.format_lr(found[0])} to {text.format_lr(found[-1])}"
        return f"The rules disagree: they lie from {ends_of_all}."
    width = max(0.1, float(np.ceil(10 * (decades[first + close - 1] - decades[first])) / 10))
    who = f"All {count} rules lie" if close == count else f"{close} of {count} rules lie"
    return f"{who} within {width:.1f} decade."


def reason(suggestions: Mapping[str, Suggestion], picked_lr: float | None) -> str:
    """Return what is to be doubted: of the picked rule, else of the first that is in doubt."""
    doubted = [each for each in suggestions.values() if each.reason]
    chosen = [each for each in suggestions.values() if each.lr is not None and each.lr == picked_lr]
    if chosen and not chosen[0].reason:
        return ""
    if not (chosen or doubted):
        return ""
    said = (chosen or doubted)[0]
    shared = all(each.reason == said.reason for each in suggestions.values())
    return said.reason if shared else f"{looks.of_rule(said.rule).title}: {said.reason}"


def mended(config: RangeTestConfig, mend: Mend) -> dict[str, float]:
    """Return the settings of the test that mends what one with these settings lacks.

    That is three times the steps, or the range with two decades more on a side.

    >>> mended(RangeTestConfig(min_lr=1e-4, max_lr=1.0), "above")
    {'min_lr': 0.0001, 'max_lr': 100.0}
    """
    if mend == "steps":
        return {"steps": 3 * config.steps}
    low = config.min_lr / 100 if mend == "below" else config.min_lr
    high = config.max_lr * 100 if mend == "above" else config.max_lr
    return {"min_lr": float(f"{low:.12g}"), "max_lr": float(f"{high:.12g}")}


def _mend(suggestions: Mapping[str, Suggestion], result: RangeTestResult) -> Mend:
    """Return what the first reason asks for that another test can have."""
    if result.stop_reason == "stopped":
        return ""
    low, high = _LIMITS
    can: dict[Mend, bool] = {
        "steps": 3 * result.config.steps <= _MOST_STEPS,
        "below": result.config.min_lr > low,
        "above": result.config.max_lr < high and result.stop_reason == "finished",
    }
    for suggestion in suggestions.values():
        for mend, words in _MENDS.items():
            if can[mend] and re.search(words, suggestion.reason, re.IGNORECASE):
                return mend
    return ""
