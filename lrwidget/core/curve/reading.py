"""Reading: a curve made ready for the rules, and "auto" on all that was measured."""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from lrwidget.core.arrays import FloatArray, as_losses, as_rates, check_same_length
from lrwidget.core.curve.purpose import Purpose
from lrwidget.core.curve.rules import OWN_RULES, auto, auto_with_sums, guess
from lrwidget.core.curve.shape import bottom_index, falls, x_min
from lrwidget.core.curve.significance import is_noise
from lrwidget.core.curve.smoothing import DEFAULT_SMOOTHING, finite_length, magnitude, smooth

# Points below which nothing is said.
FEWEST = 10


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
        is_cut: Whether a loss that was not finite came next.
        is_dead: Whether what came next was left out because the network had died.
    """

    lrs: FloatArray
    losses: FloatArray
    smoothed: FloatArray
    unit: float
    fixed: tuple[FloatArray, FloatArray] | None
    is_cut: bool = False
    is_dead: bool = False

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
        return cls(*arrays, unit, fixed, n < len(values))

    def by(self, rule: str) -> float | None:
        """Return what a rule of this package reads off the training loss; each is asked once."""
        if rule not in self._by_rule:
            self._by_rule[rule] = OWN_RULES[rule](self.lrs, self.smoothed)
        return self._by_rule[rule]

    @cached_property
    def _by_rule(self) -> dict[str, float | None]:
        return {}

    def until(self, n: int) -> "Reading":
        """Return the reading of the first n points alone, after which the network died."""
        fixed = None
        if self.fixed is not None:
            rates, losses = self.fixed
            fixed = _fixed(rates, losses, int(np.sum(rates <= self.lrs[n - 1])))
        first = Reading.of(self.lrs[:n], self.losses[:n])
        return replace(first, unit=self.unit, fixed=fixed, is_dead=True)

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
    if len(found) < FEWEST or not falls(found):
        return None
    return lrs[:n][measured], found
