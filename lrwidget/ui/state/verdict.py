"""Verdict: how far the rules agree on a curve, in a sentence or two, and the remedy."""

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
"""Rules agree if their answers are within this many decades of each other."""

_LIMITS = (1e-12, 1e6)
_MOST_STEPS = 3000
_MOST_SWEEPS = 27


@dataclass(frozen=True)
class Verdict:
    """How far the suggestions of a test agree, and what would improve them.

    Args:
        agreement: How far the rules agree, as a sentence; empty if fewer than two have an answer.
        remedy: What to change in the next test; empty if no other test would help.
    """

    agreement: str = ""
    remedy: Remedy = ""

    @classmethod
    def of(cls, suggestions: Mapping[str, Suggestion], result: RangeTestResult) -> "Verdict":
        """Return the verdict on the suggestions for a result."""
        return cls(agreement(suggestions), _remedy(suggestions, result))


def agreement(suggestions: Mapping[str, Suggestion]) -> str:
    """Return a sentence on how many of the rules with an answer are close together."""
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
    """Return the reason for doubt: of the picked rule, or else of the first doubtful rule."""
    doubted = [each for each in suggestions.values() if each.reason]
    chosen = [each for each in suggestions.values() if each.lr is not None and each.lr == picked_lr]
    if chosen and not chosen[0].reason:
        return ""
    if not (chosen or doubted):
        return ""
    said = (chosen or doubted)[0]
    shared = all(each.codes[:1] == said.codes[:1] for each in suggestions.values())
    if shared or names_its_rule(said.codes[0]):
        return text.on_screen(said.reason)
    return f"{looks.of_rule(said.rule).title}: {text.on_screen(said.reason)}"


def remedied(config: RangeTestConfig, remedy: Remedy) -> dict[str, float]:
    """Return the settings to change, from those of the last test, to apply a remedy.

    These are three times the steps or the sweeps, or a range 100 times wider on one side.

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
    """Return the first remedy among the codes that another test can still apply."""
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
