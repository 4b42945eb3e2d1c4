"""Suggestions: learning rates read off the raw losses of a range test, with a confidence."""

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lrwidget.core.arrays import FloatArray
from lrwidget.core.curve.answer import Answer, answer_of
from lrwidget.core.curve.ending import Ending
from lrwidget.core.curve.interval import interval, interval_of_one, redrawn
from lrwidget.core.curve.ladder import format_lr
from lrwidget.core.curve.purpose import OptimizerKind, Purpose, Target
from lrwidget.core.curve.reading import Reading
from lrwidget.core.curve.reasons import (
    Confidence,
    Finding,
    confidence_of,
    doubt_of,
    refusal_of,
)
from lrwidget.core.curve.rules import OWN_RULES, check_rule
from lrwidget.core.curve.signs import alive


@dataclass(frozen=True, repr=False)
class Suggestion:
    """The suggestion of one rule, with its confidence.

    Args:
        rule: Name of the rule.
        lr: The suggested learning rate; None if there is no suggestion.
        index: The point of the curve nearest to it, 0-based; None if there is no suggestion.
        loss: The smoothed loss at that point; None if there is no suggestion.
        low: Lower end of an interval that contains `lr`: over the sweeps or, for one sweep, from
            the noise of its curve. None if there is no suggestion, and for your own rules on one
            sweep.
        high: Upper end of the interval.
        confidence: "high", "medium", "low", or "none" for no suggestion. In docs/regret.md, "auto"
            loses less than a tenth of the achievable drop of the loss in about 80 % of the runs
            with high confidence, 90 % (of only 11 runs) with medium and 60 % with low confidence.
        codes: Reasons to doubt the suggestion or for its absence, for programs: "noise",
            "cut_off_below" and so on. The one that `reason` explains comes first. Empty if there
            is no reason for doubt.
        reason: The first reason in one or two sentences, for people.
    """

    rule: str
    lr: float | None
    index: int | None
    loss: float | None
    low: float | None
    high: float | None
    confidence: Confidence
    codes: tuple[str, ...] = ()
    reason: str = ""

    @property
    def reliable(self) -> bool:
        """Whether `confidence` is high or medium."""
        return self.confidence in ("high", "medium")

    def __repr__(self) -> str:
        if self.lr is None:
            return f"Suggestion({self.rule}: none)"
        interval = ""
        if self.low is not None and self.high is not None:
            interval = f" ({format_lr(self.low)} to {format_lr(self.high)})"
        return f"Suggestion({self.rule}: {format_lr(self.lr)}{interval}, {self.confidence})"

    def _repr_html_(self) -> str:
        said = repr(self).removeprefix("Suggestion(").removesuffix(")")
        return f"<p>{html.escape(f'{said}. {self.reason}'.strip())}</p>"


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
    """Return the suggestion of a rule for the raw losses of a range test.

    The losses are cut before the first one that is not finite, and smoothed with the default
    amount. A learning rate below the first one or right of the smoothed minimum is moved to that
    limit. If the loss falls by no more than its noise, "auto" guesses from the rate at which it
    rises. If the loss only rises, as in a trained model, "auto" suggests a rate for fine-tuning,
    well below the rise.

    With `validation_losses` "auto" is the geometric mean of the rates for both losses. It is not
    reliable if the rules disagree too much on the two losses; noise alone no longer makes it
    unreliable.

    >>> lrs = np.logspace(-7, 1, 100)
    >>> found = suggest(lrs, 2.3 - 2 / (1 + (0.001 / lrs) ** 2) + lrs, rule="minimum")
    >>> f"{found.lr:.1e}", found.index, found.confidence
    ('1.6e-03', 52, 'high')
    >>> suggest(lrs[60:], 1 + 20 * lrs[60:]).reason
    'No suggestion: the loss rose from the first learning rate on. Lower min_lr, now 7.05e-3.'

    Args:
        lrs: Learning rates, shape (n,), increasing, > 0.
        losses: Loss of each batch, not smoothed, shape (n,).
        rule: "auto", "minimum", "steepest", "valley", "slide", "edge", or a rule of your own.
        target: "constant" for a constant rate, "one_cycle" for the peak of a one-cycle schedule.
        optimizer: "sgd" or "rmsprop" without momentum, "momentum" for SGD with momentum, or
            "other" for any other optimizer, such as Adam. A `RangeTestResult` knows its own.
        validation_losses: Loss of one validation sample after each step, shape (n,), NaN where it
            was not measured.
        train_steps: Number of steps of the planned training; None if unknown. The best rate is
            lower for longer training: above 250 steps it is multiplied by
            (train_steps / 250)^-0.5. The last four affect only "auto".

    Returns:
        A suggestion. Without a learning rate its `lr` is None, and its `reason` says why.

    Raises:
        ConfigError: The rule, the target or the optimizer is unknown, `train_steps` is not a
            number, or the arrays are not a valid curve.
    """
    check_rule(rule)
    purpose = Purpose(target, optimizer, train_steps)
    curve = Reading.from_losses(lrs, losses, validation_losses)
    return suggest_over_sweeps((rule,), purpose, curve)[rule]


def suggest_over_sweeps(
    rules: Iterable[str],
    purpose: Purpose,
    middle: Reading,
    sweeps: Sequence[Reading] = (),
    ending: Ending = Ending(),  # noqa: B008 (immutable)
) -> dict[str, Suggestion]:
    """Return the suggestions of rules for the median curve, with intervals.

    The interval extends from the 10 % to the 90 % quantile of log10(lr): of the same rule on each
    sweep alone or, for one sweep, on its curve redrawn with other noise. It contains `lr`.

    Args:
        rules: The names of the rules.
        purpose: What the learning rate is for.
        middle: The reading of the median over the sweeps.
        sweeps: The reading of each sweep.
        ending: How the test ended.

    Returns:
        Suggestions by rule. They are not reliable if the interval over the sweeps is wider than a
        decade, or if half of the sweeps or more give no suggestion.
    """
    middle, sweeps = alive(middle), [alive(each) for each in sweeps]
    answers = {rule: answer_of(rule, purpose, middle, ending) for rule in rules}
    if len(sweeps) > 1:
        return {
            rule: _over_sweeps(
                rule, answer, middle, [answer_of(rule, purpose, each, ending) for each in sweeps]
            )
            for rule, answer in answers.items()
        }
    draws = redrawn(middle) if any(each.lr is not None for each in answers.values()) else []
    return {rule: _over_noise(rule, answer, middle, draws) for rule, answer in answers.items()}


def _over_noise(rule: str, answer: Answer, curve: Reading, draws: Sequence[Reading]) -> Suggestion:
    """Return a suggestion with an interval from the noise of its only curve."""
    if answer.lr is None or rule not in OWN_RULES:
        return _suggestion(rule, answer, curve)
    rates = [rate for draw in draws if (rate := answer.read(draw)) is not None]
    return _suggestion(rule, answer, curve, interval_of_one(rule, answer.lr, rates, curve))


def _over_sweeps(rule: str, answer: Answer, curve: Reading, others: list[Answer]) -> Suggestion:
    """Return a suggestion with the interval of the same rule over all sweeps."""
    if answer.lr is None:
        return _suggestion(rule, answer, curve)
    rates = [each.lr for each in others if each.lr is not None]
    low, high = interval(answer.lr, rates)
    more = []
    if 2 * len(rates) <= len(others):
        numbers = {"rule": rule, "picks": len(rates), "sweeps": len(others)}
        more.append(Finding("few_sweeps", numbers))
    elif high > 10 * low:
        numbers = {"rule": rule, "low": format_lr(low), "high": format_lr(high)}
        more.append(Finding("sweeps_disagree", numbers))
    return _suggestion(rule, answer.doubted(more), curve, (low, high))


def _suggestion(
    rule: str,
    answer: Answer,
    curve: Reading,
    ends: tuple[float | None, float | None] = (None, None),
) -> Suggestion:
    """Return an answer as a suggestion, with its interval."""
    found = answer.findings
    codes = tuple(dict.fromkeys(each.code for each in found))
    if answer.lr is None:
        return Suggestion(rule, None, None, None, None, None, "none", codes, refusal_of(found))
    index = int(np.argmin(np.abs(np.log10(curve.lrs) - math.log10(answer.lr))))
    loss = float(curve.smoothed[index]) * curve.unit
    confidence = confidence_of(found)
    return Suggestion(rule, answer.lr, index, loss, *ends, confidence, codes, doubt_of(found))
