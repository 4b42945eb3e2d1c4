"""Doubts: why a curve gives no suggestion, and what speaks against one, as findings.

The gravest or most useful finding comes first: it is the one that is said.
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

# Share of the fall by which the loss has to rise again for the test to have seen the end.
_RISE = 0.25
# A flat start of so many decades is a floor; a shorter one is the foot of the rise.
_FLAT = 1.0
# Decades before a fifth of the fall is done that show where the fall begins.
_BEFORE_FALL = 0.7
# Decades left of the minimum below which a curve that falls early is cut off.
_BEFORE_MINIMUM = 2.3
# Decades between a rule and the middle one that are too many, and half of those between all.
_APART = 1.0
# Decades between rules, together with rises of the validation loss in falls, that are too many;
# half of that where noise hides the fall of the training loss.
_TROUBLE = 1.75
# Without a known end, a curve up to here has tried what any optimizer bears.
_HIGH = 1.0

ONLY_FOR_AUTO = ("already_trained", "never_fell")

_OF_CAUSE = {"data": "bad_data", "first_loss": "bad_loss", "gradient": "bad_gradient"}


def refusals(curve: Reading, ending: Ending) -> list[Finding]:
    """Return why no rule can read anything off a curve, or nothing.

    Where the first is one of ONLY_FOR_AUTO, "auto" can guess all the same.
    """
    if len(curve.losses) < FEWEST:
        return _too_few(curve, ending)
    if skips_decades(curve.lrs) and not (curve.fell and curve.bottom > 0):
        return [_skipped(curve)]
    if np.ptp(curve.smoothed) == 0:
        return [_finding("flat", curve)]
    if not (curve.fell or _rises(curve, ending) or curve.fixed):
        return _unmoved(curve, ending)
    return _only_rises(curve, ending)


def doubts(curve: Reading, ending: Ending, rule: str) -> list[Finding]:
    """Return what speaks against what a rule reads off a curve, or nothing.

    Args:
        curve: One that is not refused.
        ending: How its test ended.
        rule: Its name; only "auto" also uses the validation loss.
    """
    fixed = curve.fixed if rule == "auto" else None
    found = [_skipped(curve)] if skips_decades(curve.lrs) else []
    if curve.is_dead:
        found.append(_at_last("dead", curve))
    if curve.fell:
        found += _ends(curve, ending)
    elif fixed is None:
        found.append(Finding("noise"))
    if fixed is None:
        return found + (_disagreement(curve, rule) if curve.fell and rule in OWN_RULES else [])
    return found or _validation(curve, fixed)


def _finding(code: str, curve: Reading) -> Finding:
    """Return a finding with the ends of the curve, as numbers for settings and as words."""
    return Finding(code, {"first": curve.lrs[0], "last": curve.lrs[-1]})


def _at_last(code: str, curve: Reading) -> Finding:
    last = format_lr(float(curve.lrs[-1])) if len(curve.lrs) else "the start"
    return Finding(code, {"last": last, "step": len(curve.lrs) + 1})


def _skipped(curve: Reading) -> Finding:
    return Finding("skips_decades", {"said": words_for_skipped_decades(curve.lrs)})


def _too_few(curve: Reading, ending: Ending) -> list[Finding]:
    """Return why a curve has too few points to be read."""
    early = _ended_early(curve, ending)
    if early:
        return early
    if skips_decades(curve.lrs):
        return [_skipped(curve)]
    return [Finding("too_few", {"count": len(curve.losses), "fewest": FEWEST})]


def _ended_early(curve: Reading, ending: Ending) -> list[Finding]:
    """Return what ended a curve before it had shown all, if that was not the learning rate."""
    if ending.stop_reason == "stopped":
        return [_at_last("stopped_early", curve)]
    if ending.non_finite_cause in _OF_CAUSE:
        return [_at_last(_OF_CAUSE[ending.non_finite_cause], curve)]
    if curve.is_cut and ending.non_finite_cause is None and len(curve.losses) >= FEWEST:
        return [_at_last("ends_in_nan", curve)]
    return []


def _unmoved(curve: Reading, ending: Ending) -> list[Finding]:
    """Return why a curve neither falls nor rises by more than its noise."""
    above, noise = _finding("cut_off_above", curve), Finding("noise")
    if curve.lrs[-1] >= _HIGH:
        return _ended_early(curve, ending) or [noise, above]
    return _ended_early(curve, ending) or [above, noise]


def _only_rises(curve: Reading, ending: Ending) -> list[Finding]:
    """Return what a curve is that rises and does not fall, or nothing if it may fall."""
    may_fall = curve.fell or curve.fixed is not None
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
    """Return whether the loss rises at the end, or was about to when it became NaN or infinite."""
    return curve.rose or _ended_by_rate(ending)


def _ended_by_rate(ending: Ending) -> bool:
    return ending.stop_reason == "diverged" or ending.non_finite_cause == "learning_rate"


def _ends(curve: Reading, ending: Ending) -> list[Finding]:
    """Return what a curve that falls does not show of its ends."""
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
    """Return that a rule lies far from the others, or nothing.

    It does where the rules of this package lie two decades apart or more, and the rule a decade
    or more from the middle one. "auto" is taken before the factor of its purpose, which is no
    disagreement.
    """
    rate, found = curve.by(rule), [curve.by(each) for each in OWN_RULES]
    x = np.log10([lr for lr in found if lr is not None and lr > 0])
    if rate is None or np.ptp(x) < 2 * _APART or abs(math.log10(rate) - np.median(x)) < _APART:
        return []
    middle = format_lr(float(10 ** np.median(x)))
    return [Finding("disagree", {"rule": rule, "middle": middle})]


def _validation(curve: Reading, fixed: tuple[FloatArray, FloatArray]) -> list[Finding]:
    """Return where two curves disagree, or one of them is rough, or nothing.

    With d the decades that hold all but one of what "slide", "steepest" and "valley" read off
    both curves, and r all that the loss of the validation sample rises on its way to its minimum,
    in falls, that is where d + r > 1.75, or half of that where noise hides the fall of the
    training loss. Tuned as "auto" was.
    """
    curves = ((curve.lrs, curve.smoothed), fixed)
    picks = [rule(*each) for rule in (slide, steepest, valley) for each in curves]
    x = np.sort(np.log10([lr for lr in picks if lr is not None]))
    apart = float(min(x[-1] - x[1], x[-2] - x[0]))
    until_bottom = fixed[1][: bottom_index(fixed[1]) + 1]
    rises = float(np.maximum(np.diff(until_bottom), 0).sum() / np.ptp(until_bottom))
    if apart + rises <= (_TROUBLE if curve.fell else _TROUBLE / 2):
        return []
    return [Finding("validation_rough" if rises > apart else "validation_disagrees")]
