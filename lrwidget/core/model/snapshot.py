"""Snapshot: saves, restores and compares all state that training changes."""

import sys
import zlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import keras
import numpy as np

from lrwidget.core.model.building import build
from lrwidget.core.model.host import layers_of, native_of
from lrwidget.core.model.learning_rate import members_of_type, optimizers_of
from lrwidget.core.model.memory import available_memory, check_memory
from lrwidget.core.model.random_state import RandomState
from lrwidget.core.model.restored import Restored
from lrwidget.core.model.values import Variable, numpy_of
from lrwidget.errors import NotRestoredError

__all__ = ["Snapshot", "build", "state_variables"]


class Snapshot:
    """The state of a model, its optimizers and its metrics, and the global random state.

    A tensor read from a variable is immutable, and TensorFlow copies a buffer only when its
    variable is next written. So the snapshot holds at most one copy of the state, and its
    fingerprint reads the state once more.

    Args:
        variables: The variables to save.
        random_state: The global random state at the start; the current one by default.
        keeps_random_state: Whether to save the global random state. This must be false if other
            code runs at the same time and may draw from it or set a seed.

    Raises:
        TooLargeError: No second copy fits into memory.
    """

    def __init__(
        self,
        variables: Iterable[Variable],
        random_state: RandomState | None = None,
        keeps_random_state: bool = True,
    ) -> None:
        self._saved: dict[int, _Saved] = {}
        self._random = (random_state or RandomState()) if keeps_random_state else None
        self.include(variables)

    def include(self, variables: Iterable[Variable]) -> None:
        """Add variables with their current values; known ones keep their saved values.

        Raises:
            TooLargeError: No second copy fits into memory.
        """
        new = [each for each in variables if _key(each) not in self._saved]
        check_memory([_native(each) for each in new], available_memory())
        for variable in new:
            value = _value(variable)
            self._saved[_key(variable)] = _Saved(variable, value, _checksum(value))

    def exclude(self, variables: Iterable[Variable]) -> None:
        """Drop variables and their saved values."""
        for variable in variables:
            self._saved.pop(_key(variable), None)

    def keep_random_state(self) -> None:
        """Save the current global random state, instead of the one at the start."""
        self._random = RandomState()

    def restore(self) -> None:
        """Restore everything, bit for bit. An interrupt during this is raised at the end.

        Raises:
            NotRestoredError: Some variables could not be written in two tries; everything else
                is restored.
        """
        try:
            self._restore()
        except KeyboardInterrupt:
            self._restore()
            raise

    def _restore(self) -> None:
        failed = _not_restored(self._saved.values())
        if self._random is not None:
            self._random.restore()
        failed = _not_restored(saved for saved, _ in failed)
        if failed:
            names = [_name(saved.variable) for saved, _ in failed]
            raise NotRestoredError(names, self.restore) from failed[0][1]

    def is_spoilt(self) -> bool:
        """Return whether a saved variable that was finite contains NaN or infinity now."""
        return any(
            not _is_finite(saved.variable) and _is_finite(saved.value)
            for saved in self._saved.values()
        )

    def restored(self, left_behind: Iterable[Variable] = ()) -> Restored:
        """Return the fingerprints of the saved state and of the current state.

        Args:
            left_behind: Variables that the model has now but did not have then.
        """
        before = [saved.checksum for saved in self._saved.values()]
        after = [_checksum(_value(saved.variable)) for saved in self._saved.values()]
        after += [_checksum(_value(variable)) for variable in left_behind]
        if self._random is not None:
            before.append(self._random.checksum())
            after.append(self._random.checksum_now())
        return Restored(before=_fingerprint(before), after=_fingerprint(after))


class _Saved(NamedTuple):
    variable: Variable
    value: Any
    checksum: int


def _not_restored(saved: Iterable[_Saved]) -> list[tuple[_Saved, Exception]]:
    """Write saved values back; return those that could not be written, and why."""
    failed = []
    for each in saved:
        try:
            each.variable.assign(each.value)
        except Exception as error:
            failed.append((each, error))
    return failed


def _name(variable: Variable) -> str:
    return str(getattr(variable, "path", None) or getattr(variable, "name", "a variable"))


def _key(variable: Variable) -> int:
    """Return the same number for a Keras variable and for that of TensorFlow inside it."""
    native = _native(variable)
    # On other backends it holds an array, another one after each assignment.
    return id(native if hasattr(native, "assign") else variable)


def _native(variable: Variable) -> Any:
    """Return the variable of TensorFlow inside a Keras variable, or its array."""
    return native_of(variable)


def _value(variable: Variable) -> Any:
    return keras.ops.copy(_native(variable))


def _checksum(value: Any) -> int:
    array = np.ascontiguousarray(numpy_of(value))
    return zlib.crc32(array.reshape(-1).view(np.uint8).data)


def _is_finite(variable: Variable) -> bool:
    """Return whether a variable or its value is finite; half precision is not looked at."""
    array = numpy_of(variable)
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def _fingerprint(checksums: list[int]) -> str:
    return f"{zlib.crc32(np.array(checksums, dtype=np.uint32).data):08x}"


def state_variables(model: keras.Model) -> list[Variable]:
    """Return the variables that a training step of `model` may change, each once.

    They come from layers (weights, BatchNorm statistics, seed generators, the states of recurrent
    layers, which Keras does not track), from metrics, from every optimizer that the model or one
    of its attributes holds (slots, iterations, learning rate, loss scale), and from TensorFlow
    variables and generators among the attributes.
    """
    attributes = [value for layer in layers_of(model) for value in vars(layer).values()]
    found = [
        *model.variables,
        *members_of_type(attributes, keras.Variable),
        *_variables_of_tensorflow(attributes),
        *(variable for metric in model.metrics for variable in metric.variables),
        *(variable for optimizer in optimizers_of(model) for variable in optimizer.variables),
    ]
    return list({id(variable): variable for variable in found}.values())


def _variables_of_tensorflow(attributes: list[Any]) -> list[Variable]:
    tf: Any = sys.modules.get("tensorflow")
    if tf is None or keras.backend.backend() != "tensorflow":
        return []
    generators = members_of_type(attributes, tf.random.Generator)
    found = [*members_of_type(attributes, tf.Variable), *(each.state for each in generators)]
    return list({id(variable): variable for variable in found}.values())
