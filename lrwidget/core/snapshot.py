"""Snapshot: all state that training changes, taken, put back, compared."""

import random
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import keras
import numpy as np
from keras.src.backend.common import global_state
from tensorflow.python.eager import context

Variable = Any  # a keras.Variable, or the backend's own kind

_SEED_GENERATOR = "global_seed_generator"


class Snapshot:
    """The state of a model, its optimizers and its metrics, and the global random state.

    A tensor read from a variable is immutable, and TensorFlow copies a buffer only when a
    variable is next written to: taking the snapshot costs next to nothing, and it holds one
    copy of what training then changes.

    Args:
        model: A built model with built optimizers; what is built later is not in it.
    """

    def __init__(self, model: keras.Model) -> None:
        self._saved: dict[int, tuple[Variable, Any]] = {}
        self._random = _RandomState()
        self.include(state_variables(model))

    def include(self, variables: Iterable[Variable]) -> None:
        """Take further variables as they are now; those already in it stay as they were."""
        for variable in variables:
            native = getattr(variable, "_value", variable)
            if id(native) not in self._saved:
                self._saved[id(native)] = (variable, _value(variable))

    def restore(self) -> None:
        """Put everything back, bit for bit."""
        for variable, value in self._saved.values():
            variable.assign(value)
        self._random.restore()

    def restore_without_interruption(self) -> None:
        """Restore; an interrupt in the middle is raised only after all is back."""
        try:
            self.restore()
        except KeyboardInterrupt:
            self.restore()
            raise

    def differences(self) -> list[str]:
        """Return the paths of the variables that are not bit-equal to the snapshot."""
        return [
            getattr(variable, "path", variable.name)
            for variable, value in self._saved.values()
            if np.asarray(_value(variable)).tobytes() != np.asarray(value).tobytes()
        ]


def _value(variable: Variable) -> Any:
    return keras.ops.copy(getattr(variable, "_value", variable))


def state_variables(model: keras.Model) -> list[keras.Variable]:
    """Return the variables that a training step of `model` may change.

    Layers (weights, BatchNorm statistics, seed generators, the states of recurrent layers,
    which Keras does not track), metrics, and every optimizer that the model or one of its
    attributes holds (slots, iterations, learning rate, loss scale).
    """
    attributes = [value for layer in model._flatten_layers() for value in vars(layer).values()]
    return [
        *model.variables,
        *_members_of_type(attributes, keras.Variable),
        *(variable for metric in model.metrics for variable in metric.variables),
        *(variable for optimizer in optimizers_of(model) for variable in optimizer.variables),
    ]


def optimizers_of(model: keras.Model) -> list[keras.optimizers.Optimizer]:
    """Return the optimizers that a model holds: the compiled one, and those a GAN has besides."""
    return _members_of_type(vars(model).values(), keras.optimizers.Optimizer)


def _members_of_type(attributes: Iterable[Any], kind: type) -> list[Any]:
    """Return what is of a kind among attributes and, one level down, in their containers."""
    found = []
    for held in attributes:
        if isinstance(held, dict):
            held = held.values()
        elif not isinstance(held, list | tuple):
            held = [held]
        found += [value for value in held if isinstance(value, kind)]
    return found


class _RandomState:
    """Python's, numpy's, Keras' and TensorFlow's global random state."""

    def __init__(self) -> None:
        self._put_back: list[Callable[[], None]] = list(_ways_back())

    def restore(self) -> None:
        for put_back in self._put_back:
            put_back()


def _ways_back() -> Iterator[Callable[[], None]]:
    yield partial(random.setstate, random.getstate())
    yield partial(np.random.set_state, np.random.get_state())
    generator = global_state.get_global_attribute(_SEED_GENERATOR)
    if generator is not None:
        yield partial(generator.state.assign, _value(generator.state))
    # After tf.random.set_seed, TensorFlow draws the seeds of later operations from here.
    operation_seeds = getattr(context.context(), "_rng", None)
    if operation_seeds is not None:
        yield partial(operation_seeds.setstate, operation_seeds.getstate())
