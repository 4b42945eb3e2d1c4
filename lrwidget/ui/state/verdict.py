"""Verdict: what all rules together say about a curve, in a sentence or two, and the remedy."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lrwidget.core.curve.reasons import MEANINGS, Remedy, names_its_rule
from lrwidget.core.curve.suggest import Suggestion
from lrwidget.core.range_test.result import RangeTestResult
from lrwidget.core.range_test.settings import RangeTestConfig
from lrwidget.ui.looks import colors as looks
from lrwidget.ui.words import text

CLOSE = 0.5
"""Rules agree where they lie within this many decades of each other."""

_LIMITS = (1e-12, 1e6)
_MOST_STEPS = 3000
_MOST_SWEEPS = 27


@dataclass(frozen=True)
class Verdict:
    """What the suggestions of a test amount to.

    Args:
        agreement: How far the rules agree, as a sentence; empty where none has an answer.
        remedy: What another test needs more of; empty where no test is the remedy.
    """

    agreement: str = ""
    remedy: Remedy = ""

    @classmethod
    def of(cls, suggestions: Mapping[str, Suggestion], result: RangeTestResult) -> "Verdict":
        """Return the verdict on the suggestions that a result gave."""
        return cls(agreement(suggestions), _remedy(suggestions, result))


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
        span = f"{text.format_lr(found[0])} to {text.format_lr(found[-1])}"
        return f"The rules disagree ({span}). Start near auto; try one rate to each side."
    factor = max(1.1, math.ceil(10 * found[first + close - 1] / found[first] - 1e-9) / 10)
    who = f"All {count} rules" if close == count else f"{close} of {count} rules"
    return f"{who} agree within a factor of {factor:.1f}."


def reason(suggestions: Mapping[str, Suggestion], picked_lr: float | None) -> str:
    """Return what is to be doubted: of the picked rule, else of the first that is in doubt."""
    doubted = [each for each in suggestions.values() if each.reason]
    chosen = [each for each in suggestions.values() if each.lr is not None and each.lr == picked_lr]
    if chosen and not chosen[0].reason:
        return ""
    if not (chosen or doubted):
        return ""
    said = (chosen or doubted)[0]
    shared = all(each.codes[:1] == said.codes[:1] for each in suggestions.values())
    if shared or names_its_rule(said.codes[0]):
        return said.reason
    return f"{looks.of_rule(said.rule).title}: {said.reason}"


def remedied(config: RangeTestConfig, remedy: Remedy) -> dict[str, float]:
    """Return the settings to change for the test that is the remedy of one with these settings.

    That is three times the steps or the sweeps, or a range 100 times wider on a side.

    >>> remedied(RangeTestConfig(min_lr=1e-4, max_lr=1.0), "widen_above")
    {'min_lr': 0.0001, 'max_lr': 100.0}
    """
    if remedy == "run_again":
        return {}
    if remedy == "more_steps":
        return {"steps": 3 * config.steps}
    if remedy == "more_sweeps":
        return {"sweeps": 3 * config.sweeps}
    low = config.min_lr / 100 if remedy == "widen_below" else config.min_lr
    high = config.max_lr * 100 if remedy == "widen_above" else config.max_lr
    return {"min_lr": float(f"{low:.12g}"), "max_lr": float(f"{high:.12g}")}


def _remedy(suggestions: Mapping[str, Suggestion], result: RangeTestResult) -> Remedy:
    """Return the remedy of the first code that has one which another test can have."""
    config, (low, high) = result.config, _LIMITS
    can: dict[Remedy, bool] = {
        "": False,
        "more_steps": 3 * config.steps <= _MOST_STEPS,
        "more_sweeps": 3 * config.sweeps <= _MOST_SWEEPS,
        "widen_below": config.min_lr > low,
        "widen_above": config.max_lr < high and result.stop_reason == "finished",
        "run_again": True,
    }
    codes = [code for each in suggestions.values() for code in each.codes]
    remedies = (MEANINGS[code].remedy for code in codes)
    return next((remedy for remedy in remedies if can[remedy]), "")
