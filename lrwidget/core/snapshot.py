"""Snapshot: all state that training changes, taken, put back, compared."""

import random
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, NamedTuple

import keras
import numpy as np
from keras.src.backend.common import global_state

from lrwidget.core.learning_rate import members_of_type, optimizers_of
from lrwidget.core.memory import available_memory, check_memory
from lrwidget.core.result import Restored

Variable = Any  # a keras.Variable, or the backend's own kind

_SEED_GENERATOR = "global_seed_generator"


class Snapshot:
    """The state of a model, its optimizers and its metrics, and the global random state.

    A tensor read from a variable is immutable, and TensorFlow copies a buffer only when its
    variable is next written to: the snapshot holds at most one copy of the state, made at the
    speed of memory, and its fingerprint costs one reading of the state more.

    Args:
        variables: What is to be kept.

    Raises:
        TooLargeError: No second copy fits into memory.
    """

    def __init__(self, variables: Iterable[Variable]) -> None:
        self._saved: dict[int, _Saved] = {}
        self._random = _RandomState()
        variables = list(variables)
        check_memory([getattr(each, "value", each) for each in variables], available_memory())
        self.include(variables)

    def include(self, variables: Iterable[Variable]) -> None:
        """Take further variables as they are now; those already in it stay as they were."""
        for variable in variables:
            native = getattr(variable, "_value", variable)
            if id(native) not in self._saved:
                value = _value(variable)
                self._saved[id(native)] = _Saved(variable, value, _checksum(value))

    def keep_random_state(self) -> None:
        """Take the global random state as it is now, in place of that at the start."""
        self._random = _RandomState()

    def restore(self) -> None:
        """Put everything back, bit for bit; an interrupt meanwhile is raised only after that."""
        try:
            self._restore()
        except KeyboardInterrupt:
            self._restore()
            raise

    def _restore(self) -> None:
        for saved in self._saved.values():
            saved.variable.assign(saved.value)
        self._random.restore()

    def restored(self) -> Restored:
        """Return the fingerprints of the state as it was taken and as it is now."""
        before = [saved.checksum for saved in self._saved.values()]
        after = [_checksum(_value(saved.variable)) for saved in self._saved.values()]
        return Restored(
            before=_fingerprint(before, self._random), after=_fingerprint(after, _RandomState())
        )


class _Saved(NamedTuple):
    variable: Variable
    value: Any
    checksum: int


def _value(variable: Variable) -> Any:
    return keras.ops.copy(getattr(variable, "_value", variable))


def _checksum(value: Any) -> int:
    array = np.ascontiguousarray(keras.ops.convert_to_numpy(value))
    return zlib.crc32(array.reshape(-1).view(np.uint8).data)


def _fingerprint(checksums: list[int], random_state: "_RandomState") -> str:
    parts = np.array([*checksums, random_state.checksum], dtype=np.uint32)
    return f"{zlib.crc32(parts.data):08x}"


def state_variables(model: keras.Model) -> list[keras.Variable]:
    """Return the variables that a training step of `model` may change, each once.

    Layers (weights, BatchNorm statistics, seed generators, the states of recurrent layers,
    which Keras does not track), metrics, and every optimizer that the model or one of its
    attributes holds (slots, iterations, learning rate, loss scale).
    """
    attributes = [value for layer in model._flatten_layers() for value in vars(layer).values()]
    found = [
        *model.variables,
        *members_of_type(attributes, keras.Variable),
        *(variable for metric in model.metrics for variable in metric.variables),
        *(variable for optimizer in optimizers_of(model) for variable in optimizer.variables),
    ]
    return list({id(variable): variable for variable in found}.values())


def build(model: keras.Model, batch_spec: Any) -> None:
    """Build what `fit` would build with its first step: layers, metrics, optimizer slots.

    Args:
        model: A compiled model.
        batch_spec: Shapes and types of a batch, as `train_step` takes it.
    """
    strategy = getattr(model, "distribute_strategy", None)
    with strategy.scope() if strategy else nullcontext(), suppress(Exception):
        # A model that cannot be called on its data, such as a GAN, builds itself when its
        # training step is traced; what is wrong with any other shows there as well.
        model._symbolic_build(data_batch=batch_spec)


@contextmanager
def unchanged_random_state() -> Iterator[None]:
    """Put the global random state back at the end, whatever drew from it."""
    state = _RandomState()
    try:
        yield
    finally:
        state.restore()


class _RandomState:
    """Python's, numpy's, Keras' and TensorFlow's global random state."""

    def __init__(self) -> None:
        self._parts = list(_random_parts())

    @property
    def checksum(self) -> int:
        return zlib.crc32(b"".join(_as_bytes(state) for _, state in self._parts))

    def restore(self) -> None:
        for put_back, state in self._parts:
            put_back(state)


def _as_bytes(state: Any) -> bytes:
    if isinstance(state, np.ndarray):
        return state.tobytes()  # the repr of an array takes milliseconds
    if isinstance(state, dict):
        return b"".join(_as_bytes(value) for value in state.values())
    return repr(state).encode()


def _random_parts() -> Iterator[tuple[Callable[[Any], Any], Any]]:
    """Yield how to put a global random state back, and the state as it is now."""
    yield random.setstate, random.getstate()
    yield np.random.set_state, np.random.get_state(legacy=False)
    generator = global_state.get_global_attribute(_SEED_GENERATOR)
    if generator is not None:
        yield generator.state.assign, keras.ops.convert_to_numpy(_value(generator.state))
    if keras.backend.backend() == "tensorflow":
        from tensorflow.python.eager import context

        # After tf.random.set_seed, TensorFlow draws the seeds of later operations from here.
        operation_seeds = getattr(context.context(), "_rng", None)
        if operation_seeds is not None:
            yield operation_seeds.setstate, operation_seeds.getstate()
