"""apply_lr: the one function that changes a user's model on purpose."""

from dataclasses import dataclass
from typing import Any

import keras

from lrwidget.core.checks import as_rate
from lrwidget.core.learning_rate import (
    LearningRate,
    get_learning_rate,
    new_rate_variable,
    optimizer_of,
    optimizers_of,
    set_learning_rate,
)
from lrwidget.core.reserve import check_free
from lrwidget.core.train_step import trace_anew
from lrwidget.errors import ConfigError, ModelError


@dataclass(frozen=True, repr=False)
class AppliedLR:
    """A learning rate that was put on a model, and the way back.

    Attributes:
        previous: The learning rate before: a float, or the schedule object itself.
        current: The learning rate now: a float, or the schedule object itself.
    """

    previous: float | LearningRate
    current: float | LearningRate
    _model: keras.Model
    _optimizer: keras.optimizers.Optimizer
    _previous_object: LearningRate

    def undo(self) -> None:
        """Put the previous learning rate back: the same object, with its value then.

        Raises:
            ModelError: The model was compiled anew since, with another optimizer.
            BusyError: A range test runs on the model.
        """
        check_free(self._model)
        if not any(each is self._optimizer for each in optimizers_of(self._model)):
            raise ModelError(
                "Nothing to undo: the model was compiled anew since, and what was applied is no "
                "longer on it."
            )
        if isinstance(self._previous_object, keras.Variable):
            self._previous_object.assign(self.previous)
        _put(self._model, self._optimizer, self._previous_object)

    def __repr__(self) -> str:
        return f"Learning rate was {_name(self.previous)}, now {_name(self.current)}."


def apply_lr(
    model: keras.Model,
    lr_or_schedule: float | LearningRate,
    optimizer: keras.optimizers.Optimizer | None = None,
) -> AppliedLR:
    """Make the very next step of `fit` train at a learning rate or a schedule.

    That is the first one of the next `fit`, or, called by a callback, the next of the running one.

    Args:
        model: A compiled model, trained before or not.
        lr_or_schedule: A number > 0, or a keras.optimizers.schedules.LearningRateSchedule.
        optimizer: For a model that holds several, the one that is meant.

    Returns:
        What was there, what is there now, and `undo()`.

    Raises:
        ModelError: The model is not compiled, or it is not clear which optimizer is meant.
        ConfigError: Neither a finite number > 0 nor a schedule.
        BusyError: A range test runs on the model.
    """
    optimizer = optimizer_of(model, optimizer)
    check_free(model)
    old = get_learning_rate(optimizer)
    previous = _as_value(old)
    if isinstance(lr_or_schedule, keras.optimizers.schedules.LearningRateSchedule):
        _put(model, optimizer, lr_or_schedule)
    else:
        lr = _checked(lr_or_schedule)
        new = old if isinstance(old, keras.Variable) else new_rate_variable(lr)
        new.assign(lr)
        _put(model, optimizer, new)
    return AppliedLR(previous, _as_value(get_learning_rate(optimizer)), model, optimizer, old)


def _put(model: keras.Model, optimizer: keras.optimizers.Optimizer, new: LearningRate) -> None:
    if new is get_learning_rate(optimizer):
        return
    set_learning_rate(optimizer, new)
    # A compiled train function keeps the object it was traced with: Keras would silently ignore
    # the new one.
    trace_anew(model)


def _checked(lr: Any) -> float:
    try:
        return as_rate("lr_or_schedule", lr)
    except ConfigError as error:
        raise ConfigError(
            f"{error} Pass a number or a keras.optimizers.schedules.LearningRateSchedule."
        ) from None


def _as_value(rate: LearningRate) -> float | LearningRate:
    return float(rate.numpy()) if isinstance(rate, keras.Variable) else rate


def _name(value: float | LearningRate) -> str:
    return f"{value:.3g}" if isinstance(value, float) else f"a {type(value).__name__} schedule"
