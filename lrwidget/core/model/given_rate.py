"""Learning rates passed by the user: a variable that the step reads, or a function."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras

from lrwidget.core.checks import shown, takes
from lrwidget.core.model.families import family_of
from lrwidget.core.model.host import iterations_of
from lrwidget.core.model.learning_rate import holder_of, optimizers_of
from lrwidget.core.model.rate import Rate, Reads
from lrwidget.core.model.reach import in_reach, is_of_user
from lrwidget.core.model.values import Variable, changed, copies_of
from lrwidget.errors import ConfigError, ModelError


class VariableRate(Rate):
    """A variable that the training step reads as its learning rate.

    Args:
        variable: A keras.Variable or the backend's own kind.
    """

    def __init__(self, variable: Any) -> None:
        self._variable = variable
        self.variables = [variable]
        self.dtype = keras.backend.standardize_dtype(variable.dtype)
        if "float" not in self.dtype or tuple(variable.shape):
            raise ConfigError(
                "`learning_rate` must be a variable that holds one float; got one of shape "
                f"{tuple(variable.shape)} and dtype {self.dtype}."
            )

    def traced(self) -> list[Any]:
        """Return the variable."""
        return [self._variable]

    def settle(self, model: keras.Model, reads: Reads) -> None:
        """Raise ModelError unless the step reads the variable."""
        if not reads(self._variable):
            raise ModelError(
                f"The training step does not read the variable {self._variable.name!r} that was "
                "passed as `learning_rate=`. Pass the variable that it reads."
            )
        self.leader = _accumulating(model, reads)

    def moved(self) -> list[tuple[Any, float]]:
        """Return the variable."""
        return [(self._variable, 1.0)]

    def assign(self, lr: Any) -> None:
        """Set the variable."""
        self._variable.assign(lr)


class FunctionRate(Rate):
    """The user's function that sets the learning rate, called before each step.

    Args:
        function: A function that takes the learning rate as a float.
    """

    def __init__(self, function: Callable[[float], Any]) -> None:
        self._function: Callable[[float], Any] | None = function
        self._is_checked = False
        self.variables = variables_seen_by(function)

    def renew(self, other: "FunctionRate") -> None:
        """Use the function of another test."""
        self._function, self.variables = other._function, other.variables
        self._is_checked = False

    @contextmanager
    def handed_over(self) -> Iterator[None]:
        """Drop the function at the end, because it may keep the model alive."""
        try:
            yield
        finally:
            self._function, self.variables = None, []

    def traced(self) -> list[Any]:
        """Return a marker for "a function": a trace does not depend on which function it is."""
        return ["function"]

    def settle(self, model: keras.Model, reads: Reads) -> None:
        """Find the optimizer whose updates to count."""
        self.leader = _accumulating(model, reads)

    def set(self, lr: float) -> None:
        """Call the function."""
        if self._function is not None:
            self._function(lr)

    def check_effect(self, variables: list[Variable], lrs: Any) -> None:
        """Check once that the function changes a variable that the step reads.

        Args:
            variables: The variables that the step reads.
            lrs: Learning rates to try; the caller must call the function again afterwards.

        Raises:
            ModelError: The function changes none of them.
        """
        if self._is_checked:
            return
        before = copies_of(variables)
        for lr in (float(lrs[0]), 2.0 * float(lrs[0])):
            self.set(lr)
            if changed(variables, before):
                self._is_checked = True
                return
        raise ModelError(
            "The function passed as `learning_rate=` changes no variable that the training step "
            "reads. A compiled step does not see later changes of a plain Python number. "
            "Keep the learning rate in a keras.Variable and make the function assign to it."
        )


def is_variable(value: Any) -> bool:
    """Return whether a value is a variable, of Keras or TensorFlow."""
    return all(hasattr(value, name) for name in ("assign", "dtype", "shape"))


def is_setter(value: Any) -> bool:
    """Return whether a value is a function that sets the learning rate."""
    is_schedule = isinstance(value, keras.optimizers.schedules.LearningRateSchedule)
    return callable(value) and not is_schedule and not isinstance(value, type) and takes(value, 1)


def check_kind(learning_rate: Any) -> None:
    """Raise ConfigError unless `learning_rate` is a variable, or a function that sets it."""
    if not is_variable(learning_rate) and not is_setter(learning_rate):
        raise ConfigError(
            "`learning_rate` must be a keras.Variable that the training step reads, or a function "
            f"that sets it; got {shown(learning_rate)}."
        )


def variable_of(learning_rate: Any) -> Any:
    """Return the variable that holds a learning rate: `learning_rate` itself, or its target.

    Raises:
        ConfigError: `learning_rate` is neither a variable nor a function that can reach exactly
            one variable.
    """
    if is_variable(learning_rate):
        VariableRate(learning_rate)
        return learning_rate
    found = variables_seen_by(learning_rate) if is_setter(learning_rate) else []
    if len(found) != 1:
        raise ConfigError(
            "To record a learning rate, `learning_rate` must be the keras.Variable that the "
            f"training step reads; got {learning_rate!r}, which leads to {len(found)} of them."
        )
    return found[0]


def variables_seen_by(function: Callable[..., Any]) -> list[Variable]:
    """Return the scalar variables that a function can reach, the nearest first."""
    found = in_reach([function], (keras.Variable, *_native_variables()), _may_hold_a_rate)
    return [variable for variable in found if not tuple(variable.shape)]


def _may_hold_a_rate(value: Any) -> bool:
    kinds = (keras.layers.Layer, keras.optimizers.Optimizer)
    return isinstance(value, kinds) or is_of_user(value)


def _native_variables() -> tuple[type, ...]:
    if keras.backend.backend() != "tensorflow":
        return ()
    import tensorflow as tf

    return (tf.Variable,)


def _accumulating(model: keras.Model, reads: Reads) -> keras.optimizers.Optimizer | None:
    """Return the optimizer that trains the model, preferably one that accumulates gradients."""
    members = [each for head in optimizers_of(model) for each in family_of(head)]
    used = [each for each in members if reads(iterations_of(each)) and holder_of(each) is each]
    used.sort(key=lambda each: not each.gradient_accumulation_steps)
    return used[0] if used else None
