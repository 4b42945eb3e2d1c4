"""Plan: what Apply sets on the model, as a value, as a preview and as code."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrwidget.core.curve.ladder import FloatArray
from lrwidget.core.schedules.rates import rates_at
from lrwidget.errors import ConfigError
from lrwidget.ui.plan.optimizer_code import GIVEN_RATE, NOT_FOUND
from lrwidget.ui.plan.recipes import NUMBERS, RECIPES, Recipe
from lrwidget.ui.words import kinds, text

LOWER_DIVISOR = 4.0
"""If no curve shows the lower end of a cycle, it is a quarter of the upper end (Smith)."""

PREVIEW_POINTS = 400
PREVIEW_STEPS = 2**17
"""Number of steps computed for the preview; longer plans are sampled."""


@dataclass(frozen=True)
class Plan:
    """How the picked learning rate is used.

    Args:
        kind: One of RECIPES.
        epochs: Epochs of the training, >= 1.
        batches: Batches per epoch, >= 1; None if not known.
        low_lr: The lower pick; None uses `found_low`, or else a quarter of the upper pick.
        found_low: The lower bound for a cyclical learning rate that the curve shows, if any.
        typed: Numbers that a person chose, by argument of the schedule.
    """

    kind: str = "constant"
    epochs: int = 10
    batches: int | None = None
    low_lr: float | None = None
    found_low: float | None = None
    typed: Mapping[str, float] = field(default_factory=dict)

    @property
    def recipe(self) -> Recipe:
        """The recipe of this kind."""
        return RECIPES[self.kind]

    @property
    def is_schedule(self) -> bool:
        """Whether a schedule is applied, not a constant."""
        return bool(self.recipe.schedule)

    def changed(self, **values: Any) -> "Plan":
        """Return the plan with other values; a new length resets the numbers that depend on it.

        Args:
            values: "kind", "epochs", "batches", "low_lr", or an argument of the schedule; None
                fills the value in again.

        Raises:
            ConfigError: There is no such kind, the schedule takes no such number, or the plan
                has more steps than an optimizer can count.
        """
        own = {name: _read(name, values.pop(name)) for name in _OWN.keys() & values.keys()}
        made = replace(self, **own)
        if made.epochs * (made.batches or 1) > kinds.MOST:
            raise ConfigError(
                f"{made.epochs} epochs of {made.batches or 1} batches are more than the "
                f"{kinds.MOST} training steps that can be counted."
            )
        for name in values:
            if name not in made.recipe.numbers:
                raise ConfigError(
                    f"A {made.kind} learning rate takes no `{name}`; "
                    f"it takes {sorted({*made.recipe.numbers, 'epochs', 'batches', 'low_lr'})}."
                )
        same_length = (made.epochs, made.batches) == (self.epochs, self.batches)
        typed = {
            name: value
            for name, value in self.typed.items()
            if same_length or name not in _OF_LENGTH
        }
        typed |= {name: _read(name, value) for name, value in values.items()}
        return replace(made, typed={name: typed[name] for name in typed if typed[name] is not None})

    def lower(self, pick: float | None) -> float | None:
        """Return the lower end of the cycles; None if the kind has no cycles."""
        if not self.recipe.lower:
            return None
        if self.low_lr is not None or pick is None:
            return self.low_lr
        if self.found_low is not None and self.found_low < pick:
            return self.found_low
        return pick / LOWER_DIVISOR

    def numbers(self) -> dict[str, float]:
        """Return all numbers besides the picks, except those that need an unknown length."""
        known = self.batches is not None
        filled = self.recipe.fill(self.epochs, self.epochs * (self.batches or 1)) if known else {}
        typed = {name: self.typed[name] for name in self.typed if name in self.recipe.numbers}
        return {**filled, **self.recipe.fixed, **typed}

    def arguments(self, pick: float) -> dict[str, Any]:
        """Return the arguments for the class of the schedule."""
        if self.recipe.build is not None:
            return self.recipe.build(pick, self.numbers())
        ends = {self.recipe.upper: pick}
        low = self.lower(pick)
        if low is not None:
            ends = {self.recipe.lower: low, **ends}
        return ends | self.numbers()

    def learning_rate(self, pick: float) -> Any:
        """Return the value to apply: the pick or a schedule.

        Raises:
            ConfigError: The numbers do not fit together, or the batches per epoch are missing.
        """
        if not self.is_schedule:
            return pick
        if self.recipe.numbers - self.numbers().keys():
            raise ConfigError(
                "Enter the batches per epoch: this dataset does not report its length, or no test "
                "has run yet."
            )
        low = self.lower(pick)
        if low is not None and low >= pick:
            raise ConfigError(text.low_above_pick(low, pick))
        made = getattr(importlib.import_module(self.recipe.home), self.recipe.schedule)
        return made(**self.arguments(pick))

    def preview(self, pick: float) -> tuple[FloatArray, FloatArray]:
        """Return steps and the learning rate of the schedule at each, both of shape (n,).

        For a long plan, they are the lowest and the highest point of each stretch, so that no
        peak of a cycle is missed.

        Raises:
            ConfigError: As `learning_rate`.
        """
        schedule = self.learning_rate(pick)
        steps = np.unique(np.linspace(0, self.length(), PREVIEW_STEPS + 1).astype(np.int64))
        lrs = rates_at("schedule", schedule, steps)
        if len(steps) > PREVIEW_POINTS:
            kept = _extremes(lrs, PREVIEW_POINTS // 2)
            steps, lrs = steps[kept], lrs[kept]
        return steps.astype(np.float64), lrs

    def length(self) -> int:
        """Return the training steps of the plan: of the epochs or, if longer, of the schedule."""
        numbers = self.numbers()
        parts = ("warmup_steps", "hold_steps", "decay_steps")
        own = numbers.get("total_steps") or sum(int(numbers.get(part, 0)) for part in parts)
        return int(max(own, self.epochs * (self.batches or 0), 1))

    def code(self, pick: float, optimizer: str = "") -> str:
        """Return Python code that applies the plan to a compiled `model`.

        Args:
            pick: The picked learning rate.
            optimizer: The expression for the optimizer to change, for a model with several.

        Raises:
            ConfigError: As `learning_rate`.
        """
        self.learning_rate(pick)
        end = f", {optimizer})" if optimizer else ")"
        if optimizer in (NOT_FOUND, GIVEN_RATE):
            name = optimizer.partition("=")[0]
            end += f"  # `{name}` is the one that was passed to the widget"
        if not self.is_schedule:
            return f"import lrwidget\n\nlrwidget.apply_lr(model, {pick!r}{end}"
        given = "".join(f"    {name}={value!r},\n" for name, value in self.arguments(pick).items())
        name = self.recipe.schedule
        return (
            f"import lrwidget\nfrom {self.recipe.home} import {name}\n\n"
            f"schedule = {name}(\n{given})\nlrwidget.apply_lr(model, schedule{end}"
        )


def _extremes(values: FloatArray, stretches: int) -> NDArray[np.int64]:
    """Return the indices of both ends and of the lowest and highest value of each stretch."""
    places = np.array_split(np.arange(len(values)), stretches)
    lowest = [part[np.argmin(values[part])] for part in places]
    highest = [part[np.argmax(values[part])] for part in places]
    return np.unique([0, *lowest, *highest, len(values) - 1])


_OF_LENGTH = {name for recipe in RECIPES.values() for name in recipe.of_length}
_OWN = {"kind": None, "epochs": kinds.COUNT, "batches": kinds.COUNT, "low_lr": kinds.LR}


def _read(name: str, value: Any) -> Any:
    """Return a value of a plan as a Python number; raise ConfigError if it cannot be used."""
    if name == "kind":
        if not isinstance(value, str) or value not in RECIPES:
            raise ConfigError(f"`kind` must be one of {list(RECIPES)}; got {text.passed(value)}.")
        return value
    kind = _OWN.get(name) or NUMBERS[name].kind
    if value is None and name != "epochs":
        return None
    try:
        return kind.read(str(value))
    except ValueError as error:
        raise ConfigError(f"`{name}` must be {kind.noun}; got {text.passed(value)}.") from error
