"""Reading: a curve prepared for the rules, and "auto" on training and validation loss."""

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

# Minimum number of points for a suggestion.
FEWEST = 10


@dataclass(frozen=True)
class Reading:
    """A curve prepared for the rules: cut before the first loss that is not finite, and smoothed.

    Args:
        lrs: Learning rates, shape (n,).
        losses: Their losses, in units of `unit`, so that differences of very large ones are finite.
        smoothed: The smoothed losses, shape (n,).
        unit: The loss that a value of 1 represents.
        validation: Learning rates and losses, shape (m,), of the validation sample, if they were
            measured and fall. They have no noise from batches, so they are not smoothed.
        is_cut: Whether the next loss was not finite.
        is_dead: Whether the later losses were left out because the network had died.
    """

    lrs: FloatArray
    losses: FloatArray
    smoothed: FloatArray
    unit: float
    validation: tuple[FloatArray, FloatArray] | None
    is_cut: bool = False
    is_dead: bool = False

    @classmethod
    def from_losses(
        cls, lrs: FloatArray, losses: FloatArray, validation_losses: FloatArray | None = None
    ) -> "Reading":
        """Return the reading of the losses of a test.

        Args:
            lrs: Learning rates, shape (n,), increasing, > 0.
            losses: Loss of each batch, not smoothed, shape (n,).
            validation_losses: Loss of the validation sample after each step, shape (n,), NaN where
                it was not measured.

        Raises:
            ConfigError: The arrays are not a valid curve.
        """
        rates, values = _checked(lrs, losses)
        n = finite_length(values)
        scaled, unit = _scaled(values[:n])
        validation = None
        if validation_losses is not None:
            validation = _validation_of(*_checked(lrs, validation_losses, "validation_losses"), n)
        arrays = rates[:n], scaled, smooth(scaled, DEFAULT_SMOOTHING)
        for array in arrays:
            # All rules read the same arrays, so no rule may change them.
            array.setflags(write=False)
        return cls(*arrays, unit, validation, n < len(values))

    def by(self, rule: str) -> float | None:
        """Return the learning rate that a rule of this package reads; it is calculated once."""
        if rule not in self._by_rule:
            self._by_rule[rule] = OWN_RULES[rule](self.lrs, self.smoothed)
        return self._by_rule[rule]

    @cached_property
    def _by_rule(self) -> dict[str, float | None]:
        return {}

    def until(self, n: int) -> "Reading":
        """Return the reading of the first n points, after which the network died."""
        validation = None
        if self.validation is not None:
            rates, losses = self.validation
            validation = _validation_of(rates, losses, int(np.sum(rates <= self.lrs[n - 1])))
        first = Reading.from_losses(self.lrs[:n], self.losses[:n])
        return replace(first, unit=self.unit, validation=validation, is_dead=True)

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
        """The largest learning rate that "auto" suggests."""
        return float(min(10 ** x_min(self.lrs, self.smoothed), self.lrs[self.bottom]))

    def auto(self, purpose: Purpose) -> float | None:
        """Return the learning rate of "auto": the geometric mean over both curves, times a factor.

        If noise hides the fall of the training loss, `guess` replaces its rule.
        """
        rule = auto if self.fell else guess
        found = [rule(self.lrs, self.smoothed)]
        if self.validation is not None:
            sums = np.interp(self.validation[0], self.lrs, np.cumsum(self.lrs))
            found.append(auto_with_sums(*self.validation, sums))
        picks = [math.log(lr) for lr in found if lr is not None]
        if not picks:
            return None
        return min(purpose.factor * math.exp(sum(picks) / len(picks)), self.limit)


def _checked(
    lrs: FloatArray, losses: FloatArray, name: str = "losses"
) -> tuple[FloatArray, FloatArray]:
    """Return both arrays as float64, or raise ConfigError."""
    rates, values = as_rates("lrs", lrs), as_losses(name, losses)
    check_same_length("lrs", rates, name, values)
    return rates, values


def _scaled(losses: FloatArray) -> tuple[FloatArray, float]:
    """Return the losses and their unit, which is 1 except for losses close to overflow."""
    unit = magnitude(losses)
    unit = unit if unit > 1e100 else 1.0
    return losses / unit, unit


def _validation_of(
    lrs: FloatArray, losses: FloatArray, n: int
) -> tuple[FloatArray, FloatArray] | None:
    """Return the validation losses measured on the first n points, if they can be read."""
    measured = np.isfinite(losses[:n])
    found, _ = _scaled(losses[:n][measured])
    if len(found) < FEWEST or not falls(found):
        return None
    return lrs[:n][measured], found
