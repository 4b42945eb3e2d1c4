"""Variants: the changes that are compared, from the values that a user passes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np

from lrwidget.core.arrays import FloatArray
from lrwidget.core.checks import (
    array_of,
    as_count,
    as_flag,
    as_number,
    as_rate,
    plain_number,
    shown,
)
from lrwidget.core.curve.ladder import format_lr
from lrwidget.core.model.learning_rate import get_learning_rate, rate_value, updates_of
from lrwidget.core.model.optimizer_copy import settings_of
from lrwidget.core.schedules.rates import rates_at
from lrwidget.errors import ConfigError

_Schedule = keras.optimizers.schedules.LearningRateSchedule

_KINDS = (
    "A variant is a learning rate; a keras.optimizers.schedules.LearningRateSchedule; a Keras "
    "optimizer; a dict of changes, such as {'weight_decay': 0.01}; or a function of the number "
    "of steps that returns one of these."
)
_MOST = 1_000


@dataclass(frozen=True, eq=False)
class Variant:
    """One change to how a model is trained.

    Attributes:
        name: Its name.
        rate: A number or a schedule; None for the optimizer's own learning rate.
        optimizer: The optimizer of which a fresh copy trains; None for that of the model.
        changes: New values of settings in the optimizer's config.
        batch_size: Samples in a batch; None for that of the comparison.
    """

    name: str
    rate: Any = None
    optimizer: keras.optimizers.Optimizer | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    batch_size: int | None = None

    @property
    def trains_as_it_is(self) -> bool:
        """Whether the model's own optimizer trains, with its own settings."""
        return self.optimizer is None and not self.changes

    def rates(self, steps: int, present: keras.optimizers.Optimizer | None) -> FloatArray:
        """Return the learning rate of every step, shape (steps,).

        Args:
            steps: Number of steps.
            present: The optimizer of the model, if known.

        Raises:
            ConfigError: A schedule does not return learning rates.
        """
        rate, first = self.rate, 0
        if rate is None:
            optimizer = self.optimizer or present
            if optimizer is None:
                raise ConfigError(
                    f"Variant {self.name!r} has no learning rate, and that of the model is not "
                    "known. Add `learning_rate` to the variant."
                )
            rate = get_learning_rate(optimizer)
            if not isinstance(rate, _Schedule):
                rate = rate_value(optimizer)
            elif self.optimizer is None:
                first = updates_of(optimizer)  # a schedule in force goes on
        rates = rates_at(f"variant {self.name!r}", rate, np.arange(first, first + steps))
        return np.array([as_rate(f"variant {self.name!r}", each, or_zero=True) for each in rates])


def variants_of(
    variants: Any, present: keras.optimizers.Optimizer | None, steps: int | None
) -> list[Variant]:
    """Return the variants that a user passes, as a dict by name or as a list.

    Args:
        variants: As for `compare`.
        present: The optimizer of the model whose settings may be changed, if known.
        steps: Steps of a trial, for functions of it; None if functions are not allowed.

    Raises:
        ConfigError: One of them is of no known kind, or a setting in it is unknown.
    """
    if isinstance(variants, Mapping):
        named = dict(variants)
        for name in named:
            if not isinstance(name, str) or not name:
                raise ConfigError(f"The names of variants must be strings; got {shown(name)}.")
        found = [
            _checked(shown(name), name, value, present, steps) for name, value in named.items()
        ]
    elif isinstance(variants, list | tuple) or _is_list_of_numbers(variants):
        found = _with_own_names(
            [
                _checked(f"number {number}", "", each, present, steps)
                for number, each in enumerate(variants, 1)
            ]
        )
    else:
        raise ConfigError(
            "`variants` must be a dict of variants by name, or a list of them; got "
            f"{shown(variants)}. {_KINDS}"
        )
    if not 1 <= len(found) <= _MOST:
        raise ConfigError(f"`variants` must hold 1 to {_MOST} variants; got {len(found)}.")
    return found


def _is_list_of_numbers(value: Any) -> bool:
    array = array_of(value)
    return array is not None and array.ndim == 1


def _checked(
    label: str,
    name: str,
    value: Any,
    present: keras.optimizers.Optimizer | None,
    steps: int | None,
) -> Variant:
    """Return the variant of a value; errors name the variant."""
    try:
        return _variant_of(name, value, present, steps)
    except ConfigError as error:
        raise ConfigError(f"Variant {label}: {error}") from error


def _variant_of(
    name: str, value: Any, present: keras.optimizers.Optimizer | None, steps: int | None
) -> Variant:
    if isinstance(value, Variant):
        return value
    if isinstance(value, Mapping):
        return _from_dict(name, value, present, steps)
    if isinstance(value, keras.optimizers.Optimizer):
        return Variant(name or type(value).__name__, optimizer=value)
    if plain_number(value) is not None or isinstance(value, _Schedule):
        return _with_rate(name, value)
    if callable(value) and not isinstance(value, type) and steps is not None:
        return _variant_of(name, _called(value, steps), present, None)
    raise ConfigError(f"got {shown(value)}. {_KINDS}")


def _called(function: Any, steps: int) -> Any:
    try:
        return function(steps)
    except Exception as error:
        raise ConfigError(
            f"calling {shown(function)} with the number of steps, {steps}, raised "
            f"{type(error).__name__}: {error}"
        ) from error


def _with_rate(name: str, rate: Any) -> Variant:
    if isinstance(rate, _Schedule):
        return Variant(name or type(rate).__name__, rate=rate)
    number = as_rate("learning_rate", rate, or_zero=True)
    return Variant(name or format_lr(number), rate=number)


def _from_dict(
    name: str,
    value: Mapping[str, Any],
    present: keras.optimizers.Optimizer | None,
    steps: int | None,
) -> Variant:
    """Return the variant of a dict of changes."""
    changes = dict(value)
    optimizer = changes.pop("optimizer", None)
    if optimizer is not None and not isinstance(optimizer, keras.optimizers.Optimizer):
        raise ConfigError(f"`optimizer` must be a Keras optimizer; got {shown(optimizer)}.")
    rate = _rate_of(changes.pop("learning_rate", None), steps)
    batch_size = changes.pop("batch_size", None)
    settings = settings_of(optimizer or present) if optimizer or present else {}
    unknown = [key for key in changes if key not in settings]
    if unknown:
        known = ["learning_rate", "optimizer", "batch_size", *settings]
        raise ConfigError(f"unknown changes {unknown}. Known are {known}.")
    return Variant(
        name or ", ".join(f"{key}={_short(each)}" for key, each in value.items()) or "as it is",
        rate=rate,
        optimizer=optimizer,
        changes={key: _setting(key, new, settings[key]) for key, new in changes.items()},
        batch_size=None if batch_size is None else as_count("batch_size", batch_size, at_least=1),
    )


def _rate_of(value: Any, steps: int | None) -> Any:
    """Return the learning rate in a dict of changes: a number, a schedule or None."""
    if callable(value) and plain_number(value) is None and not isinstance(value, _Schedule):
        if steps is None:
            raise ConfigError("`learning_rate` must not be a function here; got one.")
        value = _called(value, steps)
    if value is None or isinstance(value, _Schedule):
        return value
    if plain_number(value) is None:
        raise ConfigError(f"`learning_rate` must be a number or a schedule; got {shown(value)}.")
    return as_rate("learning_rate", value, or_zero=True)


def _setting(key: str, new: Any, present: Any) -> Any:
    """Return a new value of a setting in an optimizer's config."""
    if isinstance(present, bool):
        return as_flag(key, new)
    if new is None:
        return None
    number = as_number(key, new)
    return int(number) if isinstance(plain_number(new), int) else number


def _short(value: Any) -> str:
    number = plain_number(value)
    if number is not None:
        return f"{number:.4g}"
    if isinstance(value, bool | None):
        return str(value)
    return type(value).__name__


def _with_own_names(variants: list[Variant]) -> list[Variant]:
    """Return variants of which none has the name of another."""
    found: list[Variant] = []
    for variant in variants:
        name, number = variant.name, 1
        while any(each.name == name for each in found):
            number += 1
            name = f"{variant.name} ({number})"
        found.append(replace(variant, name=name))
    return found
