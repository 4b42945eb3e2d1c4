"""Smith's cyclical learning rates, with the signatures of the retired TensorFlow Addons."""

import importlib
import math
import types
from collections.abc import Callable
from typing import Any, Literal, get_args

import keras
from keras import ops

from lrwidget.core.checks import (
    MAX_COUNT,
    as_choice,
    as_function,
    as_number,
    as_rate,
    as_text,
    check_order,
)
from lrwidget.core.model.values import float_type
from lrwidget.core.schedules.one_cycle import Steps, Tensor, as_steps, blend, registered
from lrwidget.errors import ConfigError

ScaleMode = Literal["cycle", "iterations"]
ScaleFunction = Callable[[Tensor], Any]


@registered
class CyclicalLearningRate(keras.optimizers.schedules.LearningRateSchedule):
    """Repeated triangles between two learning rates, with a scaled height.

    With S = `step_size`, cycle = floor(1 + step / (2 S)) and x = abs(step / S - 2 cycle + 1),

        lr = initial + (maximal - initial) * max(0, 1 - x) * scale_fn(m)

    where m is the cycle (1, 2, ...) or the step (0, 1, ...), depending on `scale_mode`.

    >>> schedule = CyclicalLearningRate(0.01, 0.05, step_size=4, scale_fn=lambda cycle: 1 / cycle)
    >>> [f"{rate:.3f}" for rate in ops.convert_to_numpy(schedule([0, 2, 4, 8, 12]))]
    ['0.010', '0.030', '0.050', '0.010', '0.030']

    A function that is defined at the top of a module, or registered with
    `keras.saving.register_keras_serializable`, is saved by its name. A lambda cannot be saved.

    Args:
        initial_learning_rate: The lower end, >= 0.
        maximal_learning_rate: The upper end, before it is scaled, >= initial_learning_rate.
        step_size: Batches from one end to the other, >= 0.5, not necessarily whole; half a cycle.
        scale_fn: A function that takes m as a float tensor, of the shape of the steps, and returns
            a factor.
        scale_mode: The meaning of m, "cycle" or "iterations".
        name: Name of the operations in a graph.

    Raises:
        ConfigError: A value cannot be used; when saving, `scale_fn` has no name by which to load
            it.

    Source: Smith, arXiv:1506.01186; signature and values of
        tensorflow_addons.optimizers.CyclicalLearningRate.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        maximal_learning_rate: float,
        step_size: float,
        scale_fn: ScaleFunction,
        scale_mode: ScaleMode = "cycle",
        name: str = "CyclicalLearningRate",
    ) -> None:
        self.initial_learning_rate = as_rate(
            "initial_learning_rate", initial_learning_rate, or_zero=True
        )
        self.maximal_learning_rate = as_rate("maximal_learning_rate", maximal_learning_rate)
        check_order(
            "initial_learning_rate",
            self.initial_learning_rate,
            "maximal_learning_rate",
            self.maximal_learning_rate,
        )
        self.step_size = _as_step_size(step_size)
        self.scale_fn = as_function("scale_fn", scale_fn, "of the cycle or the step", 1)
        self.scale_mode = as_choice("scale_mode", scale_mode, get_args(ScaleMode))
        self.name = as_text("name", name)

    def __call__(self, step: Steps) -> Tensor:
        """Return the learning rate of a step, or of each step of an array, in its shape."""
        with keras.name_scope(self.name.replace("/", "_")):
            step = as_steps(step)
            cycles_done, position = cycle_position(step, 2 * self.step_size)
            height = ops.minimum(position, 2 * self.step_size - position) / self.step_size
            by_cycle = self.scale_mode == "cycle"
            mode_step = cycles_done + 1 if by_cycle else ops.cast(step, float_type())
            scale = ops.cast(self.scale_fn(mode_step), float_type())
            return blend(
                self.initial_learning_rate,
                self.maximal_learning_rate,
                ops.maximum(height, 0.0) * scale,
            )

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that create the same schedule, with `scale_fn` by its name."""
        return self._shape() | {"scale_fn": _name_of(self.scale_fn)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "CyclicalLearningRate":
        """Create a schedule from the output of `get_config`."""
        if isinstance(config.get("scale_fn"), str):
            config = config | {"scale_fn": _function_named(config["scale_fn"])}
        return cls(**config)

    def _shape(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "maximal_learning_rate": self.maximal_learning_rate,
            "step_size": self.step_size,
            "scale_mode": self.scale_mode,
            "name": self.name,
        }


@registered
class TriangularCyclicalLearningRate(CyclicalLearningRate):
    """Cycles that all reach `maximal_learning_rate`.

    >>> schedule = TriangularCyclicalLearningRate(0.01, 0.05, step_size=4)
    >>> [f"{rate:.3f}" for rate in ops.convert_to_numpy(schedule([0, 2, 4, 6, 8]))]
    ['0.010', '0.030', '0.050', '0.030', '0.010']

    Args and Raises: see CyclicalLearningRate.

    Source: "triangular" of Smith, arXiv:1506.01186, as in TensorFlow Addons.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        maximal_learning_rate: float,
        step_size: float,
        scale_mode: ScaleMode = "cycle",
        name: str = "TriangularCyclicalLearningRate",
    ) -> None:
        super().__init__(
            initial_learning_rate, maximal_learning_rate, step_size, _one, scale_mode, name
        )

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make the same schedule again."""
        return self._shape()


@registered
class Triangular2CyclicalLearningRate(CyclicalLearningRate):
    """Cycles of which each has half the height of the previous one: scale_fn(m) = 2^(1 - m).

    >>> schedule = Triangular2CyclicalLearningRate(0.01, 0.05, step_size=4)
    >>> [f"{rate:.3f}" for rate in ops.convert_to_numpy(schedule([4, 12, 20]))]
    ['0.050', '0.030', '0.020']

    Args and Raises: see CyclicalLearningRate.

    Source: "triangular2" of Smith, arXiv:1506.01186, as in TensorFlow Addons.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        maximal_learning_rate: float,
        step_size: float,
        scale_mode: ScaleMode = "cycle",
        name: str = "Triangular2CyclicalLearningRate",
    ) -> None:
        super().__init__(
            initial_learning_rate, maximal_learning_rate, step_size, _halving, scale_mode, name
        )

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make the same schedule again."""
        return self._shape()


@registered
class ExponentialCyclicalLearningRate(CyclicalLearningRate):
    """Cycles that shrink from step to step: scale_fn(m) = gamma^m.

    >>> schedule = ExponentialCyclicalLearningRate(0.01, 0.05, step_size=4, gamma=0.9)
    >>> [f"{rate:.4f}" for rate in ops.convert_to_numpy(schedule([0, 4, 12]))]
    ['0.0100', '0.0362', '0.0213']

    Args and Raises: see CyclicalLearningRate; `scale_mode` is "iterations" unless given.
        gamma: The factor from one step (or cycle) to the next, > 0.

    Source: "exp_range" of Smith, arXiv:1506.01186, as in TensorFlow Addons.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        maximal_learning_rate: float,
        step_size: float,
        scale_mode: ScaleMode = "iterations",
        gamma: float = 1.0,
        name: str = "ExponentialCyclicalLearningRate",
    ) -> None:
        self.gamma = as_number("gamma", gamma, above=0.0)
        super().__init__(
            initial_learning_rate, maximal_learning_rate, step_size, self._power, scale_mode, name
        )

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make the same schedule again."""
        return self._shape() | {"gamma": self.gamma}

    def _power(self, mode_step: Tensor) -> Tensor:
        # In float32 gamma itself would have an error of 3e-8, and gamma^1,000,000 one of 3 %.
        return ops.exp(mode_step * math.log(self.gamma))


def _as_step_size(value: Any) -> float:
    """Return half the length of a cycle; a cycle has at least one step."""
    hint = "It is half a cycle in batches, such as 4 * batches_per_epoch."
    size = as_number("step_size", value, above=0.0, at_most=MAX_COUNT // 2, hint=hint)
    return as_number("step_size", size, at_least=0.5, hint=hint)


def cycle_position(step: Tensor, period: float) -> tuple[Tensor, Tensor]:
    """Return the number of whole cycles before a step, and the steps since then.

    After many cycles, `step / period` in float32 is too imprecise. So whole cycles are subtracted
    in integers; only the fractional part of `period` is handled in floats.
    """
    count = float_type()
    whole = "int" in keras.backend.standardize_dtype(step.dtype)
    whole_steps = ops.cast(step if whole else ops.floor(step), "int")
    rest = 0.0 if whole else step - ops.cast(whole_steps, count)
    cycles = ops.cast(ops.floor(ops.cast(whole_steps, count) / period), "int")
    whole_period = round(period)
    position = ops.cast(whole_steps - cycles * whole_period, count) + rest
    done = ops.cast(cycles, count)
    position = position - done * (period - whole_period)
    # The quotient is a float, and may be one too high or too low next to the end of a cycle.
    correction = ops.cast(ops.floor(position / period), count)
    return done + correction, position - correction * period


def _one(mode_step: Tensor) -> Tensor:
    return ops.ones_like(mode_step)


def _halving(mode_step: Tensor) -> Tensor:
    return ops.exp((1.0 - mode_step) * math.log(2.0))


def _name_of(function: ScaleFunction) -> str:
    """Return the name by which a function is loaded: "package>name" or "module:name"."""
    if isinstance(function, types.FunctionType):
        registered_name = str(keras.saving.get_registered_name(function))
        if keras.saving.get_registered_object(registered_name) is function:
            return registered_name
    name = f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', '')}"
    if _imported(name) is function:
        return name
    shown = getattr(function, "__qualname__", repr(function))
    raise ConfigError(
        f"A schedule with scale_fn={shown} cannot be saved, because loading could not find "
        "the function. Define `scale_fn` with `def` at the top of a module, or decorate it with "
        "`@keras.saving.register_keras_serializable()`."
    )


def _function_named(name: str) -> ScaleFunction:
    """Return the function for a name from `_name_of`."""
    found = (
        keras.saving.get_registered_object(name)
        or _imported(name)
        or keras.saving.get_registered_object(name.rpartition(":")[2])
    )
    if found is None:
        raise ConfigError(
            f"The `scale_fn` of a saved schedule, {name!r}, does not exist here. Import or define "
            "it before loading."
        )
    return found


def _imported(name: str) -> ScaleFunction | None:
    """Return the function "module:name", or None if there is none.

    Only functions written in Python are allowed, so that a saved model from an unknown source
    cannot name a system call.
    """
    module, _, path = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError):
        return None
    return found if isinstance(found, types.FunctionType) else None
