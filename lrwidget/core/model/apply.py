"""apply_lr: the one function that changes a user's model on purpose."""

import html
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import keras
import numpy as np

from lrwidget.core.checks import as_flag, as_rate
from lrwidget.core.model.families import family_of, training_members
from lrwidget.core.model.fit_guard import finish_left_fit
from lrwidget.core.model.given_rate import VariableRate, check_kind, is_variable, variables_seen_by
from lrwidget.core.model.host import iterations_of
from lrwidget.core.model.learning_rate import (
    LearningRate,
    check_compiled,
    get_learning_rate,
    holder_of,
    new_rate_variable,
    optimizer_of,
    optimizers_of,
    rate_value,
    set_learning_rate,
)
from lrwidget.core.model.reserve import check_free
from lrwidget.core.model.restarted import RestartedSchedule, users_schedule
from lrwidget.core.model.train_step import attach_state, retrace
from lrwidget.core.model.values import Variable, changed, copies_of, numpy_of
from lrwidget.errors import ConfigError, ModelError

_Schedule = keras.optimizers.schedules.LearningRateSchedule


class _Change(Protocol):
    """One change, and how to undo it."""

    def undo(self) -> None: ...


@dataclass(frozen=True, repr=False)
class AppliedLR:
    """A learning rate that was set on a model, and how to undo it.

    Attributes:
        previous: The learning rate before: a float, or the schedule object itself. For a
            MultiOptimizer, that of its default optimizer. None if the user's function sets it and
            the earlier value is unknown.
        current: The learning rate now: a float, or the schedule object itself.
        optimizers: The names of the optimizers that it was set on, the default one first.
    """

    previous: float | LearningRate | None
    current: float | LearningRate
    _model: keras.Model
    _changes: tuple[_Change, ...]
    _optimizer: keras.optimizers.Optimizer | None = None
    optimizers: tuple[str, ...] = ()

    def undo(self) -> None:
        """Restore the previous learning rate: the same object, with its earlier value.

        Raises:
            ModelError: The model has been compiled again since, with another optimizer.
            BusyError: A range test runs on the model.
        """
        check_free(self._model, "Undo")
        attach_state(self._model)
        held = [each for head in optimizers_of(self._model) for each in family_of(head)]
        if self._optimizer is not None and not any(each is self._optimizer for each in held):
            raise ModelError(
                "Nothing to undo: the model has been compiled again since, which replaced the "
                "applied learning rate."
            )
        for change in self._changes:
            change.undo()

    def __repr__(self) -> str:
        before = "" if self.previous is None else f" was {_name(self.previous)},"
        others = len(self.optimizers) - 1
        more = f" {others} more optimizer(s) changed by the same factor." if others > 0 else ""
        return f"Learning rate{before} now {_name(self.current)}.{more}"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>"


def apply_lr(
    model: keras.Model,
    lr_or_schedule: float | LearningRate,
    optimizer: keras.optimizers.Optimizer | None = None,
    *,
    learning_rate: Any = None,
    restart: bool = True,
) -> AppliedLR:
    """Set a learning rate or a schedule on a model, from the next training step on.

    Called by a callback, it affects the running `fit`; otherwise it affects the next one.

    Args:
        model: A compiled model, trained before or not.
        lr_or_schedule: A number > 0, or a keras.optimizers.schedules.LearningRateSchedule.
        optimizer: Which optimizer to change, for a model that holds several. For a
            MultiOptimizer, one of its optimizers; None changes all of them by one factor.
        learning_rate: Instead of an optimizer, for a step that keeps its learning rate
            elsewhere: the keras.Variable that it reads, or a function that takes a float and
            sets it. Both work with numbers only, not with schedules.
        restart: If true, a schedule starts at step 0, however many steps the optimizer has taken.
            If false, it continues from the optimizer's step count, as Keras does.

    Returns:
        The previous and the new learning rate, and `undo()`.

    Raises:
        ModelError: The model is not compiled, or it holds several optimizers and none is chosen.
        ConfigError: `lr_or_schedule` is neither a finite number > 0 nor a schedule.
        BusyError: A range test runs on the model.
    """
    if learning_rate is not None:
        return _apply_elsewhere(model, lr_or_schedule, optimizer, learning_rate)
    optimizer = optimizer_of(model, optimizer)
    check_free(model, "`apply_lr`")
    attach_state(model)
    finish_left_fit(model)
    restart = as_flag("restart", restart)
    is_schedule = isinstance(lr_or_schedule, _Schedule)
    new = lr_or_schedule if is_schedule else _checked(lr_or_schedule)
    members = training_members(model, optimizer)
    factors = _factors(members)
    previous = _as_value(get_learning_rate(members[0]))
    changes = [_OptimizerChange(model, each) for each in members]
    for each, factor in zip(members, factors, strict=True):
        _put(model, each, _placed(each, new, factor, restart) if is_schedule else new * factor)
    current = _as_value(get_learning_rate(members[0]))
    names = tuple(each.name for each in members)
    return AppliedLR(previous, current, model, tuple(changes), optimizer, names)


def _factors(members: list[keras.optimizers.Optimizer]) -> list[float]:
    """Return the ratio of each optimizer's learning rate to that of the first."""
    if len(members) == 1:
        return [1.0]
    values = [rate_value(each) for each in members]
    if not values[0]:
        raise ModelError(
            f"The learning rate of {members[0].name} is 0, so no factor can change it. "
            "Choose one of the optimizers with `optimizer=`."
        )
    return [value / values[0] for value in values]


def _placed(
    optimizer: keras.optimizers.Optimizer, schedule: Any, factor: float, restart: bool
) -> LearningRate:
    """Return the schedule, scaled, and started at the next step of the optimizer if `restart`."""
    start = 0
    if isinstance(schedule, RestartedSchedule):
        start, factor = schedule.start, factor * schedule.factor
        schedule = schedule.schedule
    if restart:
        start = int(keras.ops.convert_to_numpy(iterations_of(holder_of(optimizer))))
    return RestartedSchedule(schedule, start, factor) if start or factor != 1.0 else schedule


def _put(model: keras.Model, optimizer: keras.optimizers.Optimizer, new: LearningRate) -> None:
    old = get_learning_rate(optimizer)
    if isinstance(new, float):
        value, new = new, old if isinstance(old, keras.Variable) else new_rate_variable(new)
        new.assign(value)
    if new is old:
        return
    set_learning_rate(optimizer, new)
    # A compiled train function keeps the object it was traced with: Keras would silently ignore
    # the new one.
    retrace(model)


class _OptimizerChange:
    """The learning-rate object of an optimizer at the time when this was made."""

    def __init__(self, model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
        self._model, self._optimizer = model, optimizer
        self._rate = get_learning_rate(optimizer)
        self._value = rate_value(optimizer) if isinstance(self._rate, keras.Variable) else None

    def undo(self) -> None:
        if self._value is not None:
            self._rate.assign(self._value)
        _put(self._model, self._optimizer, self._rate)


class _VariableChange:
    """The value of a variable when this was made."""

    def __init__(self, variable: Any, value: Any) -> None:
        self._variable, self._value = variable, value

    def undo(self) -> None:
        self._variable.assign(self._value)


def _apply_elsewhere(
    model: keras.Model,
    lr: Any,
    optimizer: keras.optimizers.Optimizer | None,
    learning_rate: Any,
) -> AppliedLR:
    """Set a learning rate that is kept outside the optimizers."""
    check_compiled(model)
    if optimizer is not None:
        raise ConfigError("Pass `optimizer=` or `learning_rate=`, not both.")
    check_free(model, "`apply_lr`")
    attach_state(model)
    if isinstance(lr, _Schedule):
        raise ConfigError(
            "A schedule needs an optimizer; `learning_rate=` takes numbers only. Pass a number, "
            "or `optimizer=` instead of `learning_rate=`."
        )
    lr = _checked(lr)
    check_kind(learning_rate)
    if is_variable(learning_rate):
        VariableRate(learning_rate)
        return _assigned(model, lr, [learning_rate], learning_rate.assign)
    return _assigned(model, lr, _in_reach_of(learning_rate, model), learning_rate)


def _in_reach_of(function: Callable[[float], Any], model: keras.Model) -> list[Variable]:
    """Return the scalar variables that a function may set."""
    members = [each for head in optimizers_of(model) for each in family_of(head)]
    held = [*model.variables, *(variable for each in members for variable in each.variables)]
    found = [*variables_seen_by(function), *(each for each in held if not tuple(each.shape))]
    return list({id(variable): variable for variable in found}.values())


def _assigned(
    model: keras.Model, lr: float, variables: list[Variable], assign: Callable[[float], Any]
) -> AppliedLR:
    """Set a learning rate by calling a function; the variables that it changes can be undone."""
    before = copies_of(variables)
    assign(2.0 * lr)  # shows what it sets, even if that equals `lr`
    others = {id(variable) for variable in changed(variables, before)}
    assign(lr)
    others |= {id(variable) for variable in changed(variables, before)}
    set_ones = [
        (each, value) for each, value in zip(variables, before, strict=True) if id(each) in others
    ]
    if not set_ones:
        raise ModelError(
            "The function passed as `learning_rate=` changes no variable of the model, nor one "
            "in its closure or globals. Make it assign to a keras.Variable that the training step "
            "reads."
        )
    variable, value = set_ones[0]
    is_the_rate = np.isclose(float(copies_of([variable])[0]), lr, rtol=1e-2)
    previous = float(value) if is_the_rate else None
    return AppliedLR(previous, lr, model, tuple(_VariableChange(*each) for each in set_ones))


def _checked(lr: Any) -> float:
    try:
        return as_rate("lr_or_schedule", lr)
    except ConfigError as error:
        raise ConfigError(
            f"{error} Pass a number or a keras.optimizers.schedules.LearningRateSchedule."
        ) from None


def _as_value(rate: LearningRate) -> float | LearningRate:
    if isinstance(rate, keras.Variable):
        return float(numpy_of(rate))
    return users_schedule(rate)


def _name(value: float | LearningRate) -> str:
    return f"{value:.3g}" if isinstance(value, float) else f"a {type(value).__name__} schedule"
