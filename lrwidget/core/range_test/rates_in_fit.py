"""RatesInFit: the learning rates that LRRangeTest moves within a running `fit`."""

from typing import Any, NamedTuple

import keras

from lrwidget.core.model.families import is_multi, training_members
from lrwidget.core.model.given_rate import is_setter, variable_of
from lrwidget.core.model.learning_rate import (
    get_learning_rate,
    new_rate_variable,
    optimizer_of,
    rate_value,
    set_learning_rate,
)
from lrwidget.core.model.optimizer_rate import moved_together, notes_on, stand_in_for
from lrwidget.core.model.strategy import scope_of
from lrwidget.core.model.train_step import retrace
from lrwidget.core.model.values import numpy_of
from lrwidget.errors import ModelError


class _Place(NamedTuple):
    """One learning rate that is moved.

    Attributes:
        optimizer: The optimizer that reads it; None for a variable or function of the user.
        own: The object from which the optimizer read its learning rate before.
        in_use: The object from which it reads its learning rate during the test.
        variable: The variable that is moved.
        value: Its value before the test.
        factor: Its factor of the learning rate of the test.
    """

    optimizer: keras.optimizers.Optimizer | None
    own: Any
    in_use: Any
    variable: Any
    value: float
    factor: float


class RatesInFit:
    """Moves the learning rates of one `fit`; one factor moves all those of a MultiOptimizer.

    Args:
        model: A compiled model.
        optimizer: The optimizer whose learning rate is moved; None if the model has only one.
        learning_rate: Instead of an optimizer: a variable that the training step reads, or a
            function that sets it.

    Attributes:
        optimizer: The optimizer that was chosen; None with `learning_rate`.
        leader: The optimizer whose updates are counted; None with `learning_rate`.
        variables: The variables that are moved, if known before `take_over`.
        notes: Sentences for the user about the learning rates that are moved.

    Raises:
        LRWidgetError: The learning rate cannot be moved. The model is unchanged.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer | None,
        learning_rate: Any,
    ) -> None:
        self._model = model
        self._function = learning_rate if is_setter(learning_rate) else None
        self.optimizer = None if learning_rate is not None else _chosen(model, optimizer)
        self.leader: keras.optimizers.Optimizer | None = None
        self.variables = [] if learning_rate is None else [variable_of(learning_rate)]
        self.notes: tuple[str, ...] = ()
        self._places: list[_Place] = []
        self._last_values: list[float] = []

    def take_over(self) -> None:
        """Replace schedules by variables.

        Raises:
            ModelError: The learning rate of this kind of optimizer cannot be moved.
        """
        for variable in self.variables:
            self._places.append(_Place(None, None, None, variable, _number(variable), 1.0))
        if self.optimizer is not None:
            members, factors = moved_together(self._members(self.optimizer))
            self.leader = members[0]
            self.notes = notes_on(members, factors)
            for each, factor in zip(members, factors, strict=True):
                self._places.append(self._replaced(each, factor))
        if any(place.in_use is not place.own for place in self._places):
            # A function that is already compiled would continue with the schedule.
            retrace(self._model)
        self.record()

    def _members(self, optimizer: keras.optimizers.Optimizer) -> list[keras.optimizers.Optimizer]:
        if is_multi(optimizer) and not optimizer.optimizers and self._model.built:
            with scope_of(self._model):
                optimizer.build(self._model.trainable_variables)
        return training_members(self._model, optimizer)

    def _replaced(self, optimizer: keras.optimizers.Optimizer, factor: float) -> _Place:
        own = get_learning_rate(optimizer)
        if isinstance(own, keras.Variable):
            return _Place(optimizer, own, own, own, _number(own), factor)
        with scope_of(self._model):
            variable = new_rate_variable(rate_value(optimizer))
        in_use = stand_in_for(variable)
        set_learning_rate(optimizer, in_use)
        return _Place(optimizer, own, in_use, variable, _number(variable), factor)

    def set(self, lr: float) -> None:
        """Set the learning rate of the next step."""
        if self._function is not None:
            self._function(float(lr))
        else:
            for place in self._places:
                place.variable.assign(lr * place.factor)
        self.record()

    def record(self) -> None:
        """Store the current values, to detect that other code changes them later."""
        self._last_values = [_number(place.variable) for place in self._places]

    def check_kept(self) -> None:
        """Raise ModelError if other code has replaced a learning rate."""
        if any(not _is_kept(place) for place in self._places):
            raise ModelError(
                "The learning rate of the optimizer was replaced during the range test. Remove "
                "the callback that does so from this `fit`."
            )

    def set_since(self) -> list[Any]:
        """Return what other code has set since `record`: an object, a number or None for each."""
        return [
            _set_since(place, last)
            for place, last in zip(self._places, self._last_values, strict=True)
        ]

    def restore(self, new: list[Any] | None = None) -> None:
        """Restore the learning rates.

        Args:
            new: What `set_since` returned, to keep it.
        """
        if any(place.in_use is not place.own for place in self._places):
            # It was compiled for the variable that replaced the schedule.
            self._model.train_function = None
        for place, kept in zip(self._places, new or [None] * len(self._places), strict=True):
            if kept is None or isinstance(kept, float):
                if place.optimizer is not None:
                    set_learning_rate(
                        place.optimizer, place.own if kept is None else place.variable
                    )
                place.variable.assign(place.value if kept is None else kept)


def _set_since(place: _Place, last: float) -> Any:
    if not _is_kept(place):
        return get_learning_rate(place.optimizer)
    value = _number(place.variable)
    return None if value == last else value


def _is_kept(place: _Place) -> bool:
    return place.optimizer is None or get_learning_rate(place.optimizer) is place.in_use


def _chosen(
    model: keras.Model, chosen: keras.optimizers.Optimizer | None
) -> keras.optimizers.Optimizer:
    optimizer = optimizer_of(model, chosen)
    if keras.backend.backend() == "jax" and optimizer is not model.optimizer:
        raise ModelError(
            "On the JAX backend a training step knows `model.optimizer` only; got "
            f"optimizer={optimizer.name}. Pass optimizer=model.optimizer or leave it out."
        )
    return optimizer


def _number(variable: Any) -> float:
    return float(numpy_of(variable))
