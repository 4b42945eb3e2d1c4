"""Snapshot: all state that training changes, taken, restored, compared."""

import sys
import zlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import keras
import numpy as np

from lrwidget.core.model.building import build
from lrwidget.core.model.learning_rate import members_of_type, optimizers_of
from lrwidget.core.model.memory import available_memory, check_memory
from lrwidget.core.model.random_state import RandomState
from lrwidget.core.model.values import numpy_of
from lrwidget.core.range_test.result import Restored
from lrwidget.errors import NotRestoredError

__all__ = ["Snapshot", "build", "state_variables"]

Variable = Any  # a keras.Variable, or the backend's own kind


class Snapshot:
    """The state of a model, its optimizers and its metrics, and the global random state.

    A tensor read from a variable is immutable, and TensorFlow copies a buffer only when its
    variable is next written to: the snapshot holds at most one copy of the state, made at the
    speed of memory, and its fingerprint costs one reading of the state more.

    Args:
        variables: The variables to save.
        random_state: The global random state of the beginning; by default that of now.
        keeps_random_state: Whether the global random state is part of it. It is not where other
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
        new = [each for each in variables if id(_native(each)) not in self._saved]
        check_memory([_native(each) for each in new], available_memory())
        for variable in new:
            value = _value(variable)
            self._saved[id(_native(variable))] = _Saved(variable, value, _checksum(value))

    def keep_random_state(self) -> None:
        """Take the global random state as it is now, in place of that at the start."""
        self._random = RandomState()

    def restore(self) -> None:
        """Restore everything, bit for bit; an interrupt meanwhile is raised only after that.

        Raises:
            NotRestoredError: Some variables could not be written, not even at a second try;
                everything else is restored.
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

    def restored(self, left_behind: Iterable[Variable] = ()) -> Restored:
        """Return the fingerprints of the state as it was taken and as it is now.

        Args:
            left_behind: Variables that the model has now and did not have then.
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


def _native(variable: Variable) -> Any:
    """Return the backend's own variable."""
    return getattr(variable, "_value", variable)


def _value(variable: Variable) -> Any:
    return keras.ops.copy(_native(variable))


def _checksum(value: Any) -> int:
    array = np.ascontiguousarray(numpy_of(value))
    return zlib.crc32(array.reshape(-1).view(np.uint8).data)


def _fingerprint(checksums: list[int]) -> str:
    return f"{zlib.crc32(np.array(checksums, dtype=np.uint32).data):08x}"


def state_variables(model: keras.Model) -> list[Variable]:
    """Return the variables that a training step of `model` may change, each once.

    Layers (weights, BatchNorm statistics, seed generators, the states of recurrent layers,
    which Keras does not track), metrics, every optimizer that the model or one of its attributes
    holds (slots, iterations, learning rate, loss scale), and variables and generators of
    TensorFlow's among the attributes.
    """
    attributes = [value for layer in model._flatten_layers() for value in vars(layer).values()]
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
