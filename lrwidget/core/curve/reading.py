"""Reading: a curve made ready for the rules, and what speaks against trusting what they find."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lrwidget.core.arrays import FloatArray, as_losses, as_rates, check_same_length
from lrwidget.core.curve.ladder import skips_decades, words_for_skipped_decades
from lrwidget.core.curve.purpose import Purpose
from lrwidget.core.curve.rules import auto, auto_with_sums, guess, slide, steepest, valley
from lrwidget.core.curve.shape import bottom_index, falls, x_min
from lrwidget.core.curve.significance import is_noise
from lrwidget.core.curve.smoothing import DEFAULT_SMOOTHING, finite_length, magnitude, smooth

# Points below which nothing is said.
_FEWEST = 10
# Share of the fall by which the loss has to rise again for the test to have seen the end.
_RISE = 0.25
# Decades between rules, together with rises of the validation loss in falls, that are too many;
# half of that where noise hides the fall of the training loss.
_TROUBLE = 1.75


@dataclass(frozen=True)
class Reading:
    """A curve that can be read: cut before the first loss that is not finite, and smoothed.

    Args:
        lrs: Learning rates, shape (n,).
        losses: Their losses, in units of `unit`, so that differences of very large ones are finite.
        smoothed: The same, smoothed.
        unit: What a loss of 1 stands for.
        fixed: Learning rates and losses, shape (m,), of one fixed sample, where they were
            measured and fall. Batches bring no noise into them, so they are not smoothed.
    """

    lrs: FloatArray
    losses: FloatArray
    smoothed: FloatArray
    unit: float
    fixed: tuple[FloatArray, FloatArray] | None

    @classmethod
    def of(
        cls, lrs: FloatArray, losses: FloatArray, validation_losses: FloatArray | None = None
    ) -> "Reading":
        """Return the reading of what a test measured.

        Args:
            lrs: Learning rates, shape (n,), increasing, > 0.
            losses: Loss of each batch, not smoothed, shape (n,).
            validation_losses: Loss of a fixed sample after each step, shape (n,), NaN where it
                was not measured.

        Raises:
            ConfigError: The arrays are no curve.
        """
        rates, values = _checked(lrs, losses)
        n = finite_length(values)
        scaled, unit = _scaled(values[:n])
        fixed = None
        if validation_losses is not None:
            fixed = _fixed(*_checked(lrs, validation_losses, "validation_losses"), n)
        arrays = rates[:n], scaled, smooth(scaled, DEFAULT_SMOOTHING)
        for array in arrays:
            # Every rule reads the same arrays: none may change them for the others.
            array.setflags(write=False)
        return cls(*arrays, unit, fixed)

    @cached_property
    def fell(self) -> bool:
        """Whether the losses fall by more than their noise."""
        return not is_noise(self.losses, self.smoothed)

    @cached_property
    def rose(self) -> bool:
        """Whether the losses rise by more than their noise."""
        return not is_noise(self.losses[::-1], self.smoothed[::-1])

    @property
    def bottom(self) -> int:
        """The index where the smoothed loss is lowest."""
        return bottom_index(self.smoothed)

    @property
    def limit(self) -> float:
        """The learning rate right of which "auto" never points."""
        return float(min(10 ** x_min(self.lrs, self.smoothed), self.lrs[self.bottom]))

    def auto(self, purpose: Purpose) -> float | None:
        """Return what "auto" picks: the geometric mean over both curves, times a factor.

        Where noise hides the fall of the training loss, a guess stands for it.
        """
        rule = auto if self.fell else guess
        found = [rule(self.lrs, self.smoothed)]
        if self.fixed is not None:
            sums = np.interp(self.fixed[0], self.lrs, np.cumsum(self.lrs))
            found.append(auto_with_sums(*self.fixed, sums))
        picks = [math.log(lr) for lr in found if lr is not None]
        if not picks:
            return None
        return min(purpose.factor * math.exp(sum(picks) / len(picks)), self.limit)

    @cached_property
    def refusal(self) -> str:
        """Why nothing can be suggested, or nothing."""
        return _refusal(self)

    @cached_property
    def doubt(self) -> str:
        """What speaks against what a rule reads off the training loss, or nothing."""
        if skips_decades(self.lrs):
            return words_for_skipped_decades(self.lrs)
        if not self.fell:
            return "A guess: noise hides the fall, if any. Take more steps or a larger batch."
        return _doubt_of_ends(self)

    @cached_property
    def doubt_of_auto(self) -> str:
        """What speaks against "auto", which heeds the fixed sample as well, or nothing."""
        if self.fixed is None or skips_decades(self.lrs):
            return self.doubt
        return (_doubt_of_ends(self) if self.fell else "") or _doubt_of_both(self, self.fixed)


def _checked(
    lrs: FloatArray, losses: FloatArray, name: str = "losses"
) -> tuple[FloatArray, FloatArray]:
    """Return both as float64, or say what is wrong with them."""
    rates, values = as_rates("lrs", lrs), as_losses(name, losses)
    check_same_length("lrs", rates, name, values)
    return rates, values


def _scaled(losses: FloatArray) -> tuple[FloatArray, float]:
    """Return losses and the unit they are in: 1, but for those that are close to overflow."""
    unit = magnitude(losses)
    unit = unit if unit > 1e100 else 1.0
    return losses / unit, unit


def _fixed(lrs: FloatArray, losses: FloatArray, n: int) -> tuple[FloatArray, FloatArray] | None:
    """Return what was measured of a fixed sample on the first n rungs, if that can be read."""
    measured = np.isfinite(losses[:n])
    found, _ = _scaled(losses[:n][measured])
    if len(found) < _FEWEST or not falls(found):
        return None
    return lrs[:n][measured], found


def _refusal(curve: Reading) -> str:
    """Return why nothing can be suggested from a curve, or nothing."""
    n = len(curve.losses)
    if skips_decades(curve.lrs) and (n < _FEWEST or curve.bottom == 0):
        return f"No suggestion. {words_for_skipped_decades(curve.lrs)}"
    if n < _FEWEST:
        return (
            f"No suggestion: only {n} finite losses were measured, and it takes {_FEWEST}. "
            "Take more steps, or start lower."
        )
    first, last = curve.lrs[0], curve.lrs[-1]
    if np.ptp(curve.smoothed) == 0:
        return (
            f"No suggestion: the loss was the same at every learning rate up to max_lr={last:.3g}. "
            "Raise max_lr, or check that the model has weights to train."
        )
    if not (curve.fell or curve.rose or curve.fixed):
        return (
            "No suggestion: the loss changed no more than its noise does. Take more steps or a "
            f"larger batch, or raise max_lr={last:.3g}."
        )
    if curve.bottom == 0:
        return (
            f"No suggestion: the loss never fell. Start lower than min_lr={first:.3g}, "
            "or check the labels."
        )
    return ""


def _doubt_of_ends(curve: Reading) -> str:
    """Return what the curve does not show of its ends, or nothing."""
    bottom, last = curve.bottom, curve.lrs[-1]
    fall = curve.smoothed[: bottom + 1].max() - curve.smoothed[bottom]
    rise = curve.smoothed[bottom:].max() - curve.smoothed[bottom]
    if curve.rose and rise >= _RISE * fall:
        return ""
    if bottom >= 0.9 * (len(curve.lrs) - 1):
        return f"The loss was still falling at max_lr={last:.3g}: raise max_lr to see it stop."
    return f"The loss had not risen again at max_lr={last:.3g}: raise max_lr to see it rise."


def _doubt_of_both(curve: Reading, fixed: tuple[FloatArray, FloatArray]) -> str:
    """Return where two curves disagree, or one of them is rough, or nothing.

    With d the decades that hold all but one of what "slide", "steepest" and "valley" read off
    both curves, and r all that the loss of the fixed sample rises on its way to its minimum, in
    falls, that is where d + r > 1.75, or half of that where noise hides the fall of the training
    loss. Tuned as "auto" was.
    """
    curves = ((curve.lrs, curve.smoothed), fixed)
    picks = [rule(*each) for rule in (slide, steepest, valley) for each in curves]
    x = np.sort(np.log10([lr for lr in picks if lr is not None]))
    apart = float(min(x[-1] - x[1], x[-2] - x[0]))
    until_bottom = fixed[1][: bottom_index(fixed[1]) + 1]
    rises = float(np.maximum(np.diff(until_bottom), 0).sum() / np.ptp(until_bottom))
    if apart + rises <= (_TROUBLE if curve.fell else _TROUBLE / 2):
        return ""
    if rises > apart:
        return "The validation loss goes up and down: take more steps."
    return "Training and validation loss disagree: take more steps."
