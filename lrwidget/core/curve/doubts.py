"""Doubts: findings that explain why a curve gives no suggestion, or why to doubt one.

The most serious or most useful finding comes first, because only this one is shown.
"""

import math

import numpy as np

from lrwidget.core.arrays import FloatArray
from lrwidget.core.curve.ending import Ending
from lrwidget.core.curve.ladder import format_lr, skips_decades, words_for_skipped_decades
from lrwidget.core.curve.reading import FEWEST, Reading
from lrwidget.core.curve.reasons import Finding
from lrwidget.core.curve.rules import OWN_RULES, slide, steepest, valley
from lrwidget.core.curve.shape import bottom_index
from lrwidget.core.curve.signs import (
    decades_before_fall,
    flat_decades,
    hints_at_fall,
    last_flat,
)

# The curve shows the end of the fall if the loss rises again by this share of the fall.
_RISE = 0.25
# A flat start of this many decades is a floor; a shorter one is the beginning of the rise.
_FLAT = 1.0
# The curve shows the start of the fall if a fifth of it is complete after this many decades.
_BEFORE_FALL = 0.7
# A curve that falls early is cut off if it has fewer decades than this left of the minimum.
_BEFORE_MINIMUM = 2.3
# A rule disagrees if it lies this many decades from the middle rule, and all rules span twice that.
_APART = 1.0
# Limit of the decades between rules plus the rises of the validation loss, in units of its fall;
# half of it if noise hides the fall of the training loss.
_TROUBLE = 1.75
# A curve up to this learning rate has tried the largest rate that any optimizer tolerates.
_HIGH = 1.0

ONLY_FOR_AUTO = ("already_trained", "never_fell")

_OF_CAUSE = {"data": "bad_data", "first_loss": "bad_loss", "gradient": "bad_gradient"}


def refusals(curve: Reading, ending: Ending) -> list[Finding]:
    """Return the reasons why no rule can read a curve; empty if the rules can read it.

    If the first one is in ONLY_FOR_AUTO, "auto" can still guess.
    """
    if len(curve.losses) < FEWEST:
        return _too_few(curve, ending)
    if skips_decades(curve.lrs) and not (curve.fell and curve.bottom > 0):
        return [_skipped(curve)]
    if np.ptp(curve.smoothed) == 0:
        return [_finding("flat", curve)]
    if not (curve.fell or _rises(curve, ending) or curve.validation):
        return _unmoved(curve, ending)
    return _only_rises(curve, ending)


def doubts(curve: Reading, ending: Ending, rule: str) -> list[Finding]:
    """Return the reasons to doubt the learning rate that a rule reads off a curve.

    Args:
        curve: A curve without refusals.
        ending: How its test ended.
        rule: The name of the rule; only "auto" also uses the validation loss.
    """
    validation = curve.validation if rule == "auto" else None
    found = [_skipped(curve)] if skips_decades(curve.lrs) else []
    if curve.is_dead:
        found.append(_at_last("dead", curve))
    if curve.fell:
        found += _ends(curve, ending)
    elif validation is None:
        found.append(Finding("noise"))
    if validation is None:
        return found + (_disagreement(curve, rule) if curve.fell and rule in OWN_RULES else [])
    return found or _validation(curve, validation)


def _finding(code: str, curve: Reading) -> Finding:
    """Return a finding with the first and the last learning rate of the curve."""
    return Finding(code, {"first": curve.lrs[0], "last": curve.lrs[-1]})


def _at_last(code: str, curve: Reading) -> Finding:
    last = format_lr(float(curve.lrs[-1])) if len(curve.lrs) else "the start"
    return Finding(code, {"last": last, "step": len(curve.lrs) + 1})


def _skipped(curve: Reading) -> Finding:
    return Finding("skips_decades", {"said": words_for_skipped_decades(curve.lrs)})


def _too_few(curve: Reading, ending: Ending) -> list[Finding]:
    """Return the reasons why a curve has too few points."""
    early = _ended_early(curve, ending)
    if early:
        return early
    if skips_decades(curve.lrs):
        return [_skipped(curve)]
    return [Finding("too_few", {"count": len(curve.losses), "fewest": FEWEST})]


def _ended_early(curve: Reading, ending: Ending) -> list[Finding]:
    """Return the finding for a curve that ended early for another reason than the learning rate."""
    if ending.stop_reason == "stopped":
        return [_at_last("stopped_early", curve)]
    if ending.non_finite_cause in _OF_CAUSE:
        return [_at_last(_OF_CAUSE[ending.non_finite_cause], curve)]
    is_cut = curve.is_cut or ending.stop_reason == "non_finite"
    if is_cut and ending.non_finite_cause is None and len(curve.losses) >= FEWEST:
        return [_at_last("ends_in_nan", curve)]
    return []


def _unmoved(curve: Reading, ending: Ending) -> list[Finding]:
    """Return the findings for a curve that neither falls nor rises by more than its noise."""
    above, noise = _finding("cut_off_above", curve), Finding("noise")
    if curve.lrs[-1] >= _HIGH:
        return _ended_early(curve, ending) or [noise, above]
    return _ended_early(curve, ending) or [above, noise]


def _only_rises(curve: Reading, ending: Ending) -> list[Finding]:
    """Return the findings for a curve that only rises; empty if it may fall."""
    may_fall = curve.fell or curve.validation is not None
    if not may_fall and not ending.updates_before:
        may_fall = hints_at_fall(curve)
    if may_fall and curve.bottom > 0:
        return []
    rise = {"rise": format_lr(float(curve.lrs[last_flat(curve)]))}
    trained, never_fell = Finding("already_trained", rise), Finding("never_fell", rise)
    if flat_decades(curve) < _FLAT:
        return [_finding("cut_off_below", curve), never_fell]
    if may_fall or ending.updates_before == 0:
        return [never_fell]
    return [trained] if ending.updates_before else [trained, never_fell]


def _rises(curve: Reading, ending: Ending) -> bool:
    """Return whether the loss rises at the end, or became NaN or infinite because of the rate."""
    return curve.rose or _ended_by_rate(ending)


def _ended_by_rate(ending: Ending) -> bool:
    return ending.stop_reason == "diverged" or ending.non_finite_cause == "learning_rate"


def _ends(curve: Reading, ending: Ending) -> list[Finding]:
    """Return the findings for a falling curve that does not show the start or end of the fall."""
    if not _has_risen(curve, ending):
        return _ended_early(curve, ending) or [_finding("cut_off_above", curve)]
    found = _ended_early(curve, ending) if ending.non_finite_cause == "data" else []
    if decades_before_fall(curve) < _BEFORE_FALL:
        narrow = math.log10(curve.lrs[curve.bottom] / curve.lrs[0]) < _BEFORE_MINIMUM
        found.append(_finding("cut_off_below" if narrow else "falls_early", curve))
    return found


def _has_risen(curve: Reading, ending: Ending) -> bool:
    """Return whether a curve shows where the loss stops falling."""
    if curve.is_dead or _ended_by_rate(ending):
        return True
    bottom = curve.bottom
    fall = curve.smoothed[: bottom + 1].max() - curve.smoothed[bottom]
    rise = curve.smoothed[bottom:].max() - curve.smoothed[bottom]
    return bool(curve.rose and rise >= _RISE * fall)


def _disagreement(curve: Reading, rule: str) -> list[Finding]:
    """Return a finding if a rule lies far from the others.

    This is the case if the rules of this package span two decades or more, and the rule lies a
    decade or more from the middle one. "auto" is compared without the factor of its purpose,
    which is not a disagreement.
    """
    rate, found = curve.by(rule), [curve.by(each) for each in OWN_RULES]
    x = np.log10([lr for lr in found if lr is not None and lr > 0])
    if rate is None or np.ptp(x) < 2 * _APART or abs(math.log10(rate) - np.median(x)) < _APART:
        return []
    middle = format_lr(float(10 ** np.median(x)))
    return [Finding("disagree", {"rule": rule, "middle": middle})]


def _validation(curve: Reading, validation: tuple[FloatArray, FloatArray]) -> list[Finding]:
    """Return a finding if training and validation loss disagree, or the validation loss is rough.

    "slide", "steepest" and "valley" read both curves; d is the width in decades of the interval
    that contains all of these learning rates but one. r is the sum of all rises of the validation
    loss before its minimum, in units of its fall. The finding is returned if d + r > 1.75, or half
    of that if noise hides the fall of the training loss. Tuned on the same tasks as "auto".
    """
    curves = ((curve.lrs, curve.smoothed), validation)
    picks = [rule(*each) for rule in (slide, steepest, valley) for each in curves]
    x = np.sort(np.log10([lr for lr in picks if lr is not None]))
    apart = float(min(x[-1] - x[1], x[-2] - x[0]))
    until_bottom = validation[1][: bottom_index(validation[1]) + 1]
    rises = float(np.maximum(np.diff(until_bottom), 0).sum() / np.ptp(until_bottom))
    if apart + rises <= (_TROUBLE if curve.fell else _TROUBLE / 2):
        return []
    return [Finding("validation_rough" if rises > apart else "validation_disagrees")]
