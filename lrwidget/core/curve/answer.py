"""Answer: the learning rate of one rule on one curve, limited to its fall, and its doubts."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from lrwidget.core.checks import as_any_float
from lrwidget.core.curve.doubts import ONLY_FOR_AUTO, doubts, refusals
from lrwidget.core.curve.ending import Ending
from lrwidget.core.curve.purpose import Purpose
from lrwidget.core.curve.reading import Reading
from lrwidget.core.curve.reasons import Finding
from lrwidget.core.curve.rules import OWN_RULES, RULES
from lrwidget.core.curve.signs import rate_below_rise


@dataclass(frozen=True)
class Answer:
    """The answer of a rule for one curve.

    Args:
        lr: The learning rate, within the part of the curve that falls; None for no suggestion.
        findings: Why there is none, or reasons to doubt it; the one to show comes first.
        read: The function that reads the learning rate off a curve.
    """

    lr: float | None
    findings: tuple[Finding, ...]
    read: Callable[[Reading], float | None]

    def doubted(self, more: Sequence[Finding]) -> "Answer":
        """Return the same answer with further findings."""
        return replace(self, findings=(*self.findings, *more))


def answer_of(rule: str, purpose: Purpose, curve: Reading, ending: Ending) -> Answer:
    """Return the answer of a rule for a curve.

    Args:
        rule: The name of the rule.
        purpose: What the learning rate is for.
        curve: The curve to read.
        ending: How the test of the curve ended.

    Raises:
        ConfigError: A custom rule returned something other than a number or None.
    """
    refused = tuple(refusals(curve, ending))
    if rule == "auto" and refused and refused[0].code in ONLY_FOR_AUTO:
        guess = partial(rate_below_rise, purpose=purpose)
        return Answer(guess(curve), refused, guess)
    found = None if refused else _read(rule, purpose, curve)
    read = partial(_placed, rule, purpose)
    if found is None:
        return Answer(None, refused or (Finding("no_place", {"rule": rule}),), read)
    against = (*doubts(curve, ending, rule), *_moved(rule, found, curve))
    return Answer(_within(found, curve), against, read)


def _read(rule: str, purpose: Purpose, curve: Reading) -> float | None:
    """Return the learning rate that a rule reads off a curve; None for NaN and infinity."""
    if rule in OWN_RULES:
        return curve.auto(purpose) if rule == "auto" else curve.by(rule)
    answer: object = RULES[rule](curve.lrs, curve.smoothed)
    if answer is None:
        return None
    lr = as_any_float(f"{rule}(lrs, losses)", answer, hint="Return a number or None.")
    return lr if math.isfinite(lr) else None


def _placed(rule: str, purpose: Purpose, curve: Reading) -> float | None:
    """Return the learning rate that a rule reads, limited to the part of the curve that falls."""
    lr = _read(rule, purpose, curve)
    return None if lr is None else _within(lr, curve)


def _within(lr: float, curve: Reading) -> float:
    return min(max(lr, float(curve.lrs[0])), float(curve.lrs[curve.bottom]))


def _moved(rule: str, lr: float, curve: Reading) -> list[Finding]:
    """Return a finding if a learning rate lies outside the part of the curve that falls."""
    first, last = float(curve.lrs[0]), float(curve.lrs[curve.bottom])
    if lr < first:
        return [Finding("below_range", {"rule": rule, "first": first})]
    return [Finding("right_of_minimum", {"rule": rule})] if lr > last else []
