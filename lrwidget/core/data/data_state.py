"""DataState: what the user's Python data keep from batch to batch, saved and restored.

A PyDataset that shuffles its indices at the end of an epoch, or an iterable with a random
generator among its attributes, would go on from where a range test left it.
"""

import inspect
import random
import types
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

_LARGEST_SMALL_ARRAY = 2**20
_MOST_ITEMS = 1000
_DEEPEST = 4


class DataState:
    """The state of Python data: attributes, containers, arrays and random generators.

    Args:
        data: Any data that a range test takes. For a function, the random generators that it
            uses are saved; tf.data pipelines and arrays have no such state.

    Attributes:
        variables: The variables that it holds, such as those of an augmentation layer; their
            values are left to the caller.
    """

    def __init__(self, data: Any) -> None:
        self.variables: list[Any] = []
        self._undo: list[Callable[[], None]] = []
        self._seen: set[int] = set()
        self._copies_all = _shuffles_between_epochs(data)
        for each in _state_holders(data):
            self._save(each, _DEEPEST)

    def restore(self) -> None:
        """Restore everything but the variables, the containers in place."""
        for undo in reversed(self._undo):
            undo()

    def _save(self, value: Any, depth: int) -> None:
        if id(value) in self._seen or depth == 0:
            return
        self._seen.add(id(value))
        variables = _variables_of(value)
        if variables is not None:
            self.variables += variables
            return
        undo = self._undo_for(value)
        if undo is not None:
            self._undo.append(undo)
        for part in _parts(value):
            self._save(part, depth - 1)

    def _undo_for(self, value: Any) -> Callable[[], None] | None:
        if isinstance(value, np.ndarray):
            is_small = value.nbytes <= _LARGEST_SMALL_ARRAY
            return _undo_array(value) if is_small or self._copies_all else None
        for kind, save in _SAVERS.items():
            if isinstance(value, kind):
                return save(value)
        return _undo_attributes(value) if _is_object(value) else None


def _state_holders(data: Any) -> Iterator[Any]:
    if inspect.isroutine(data):
        used = inspect.getclosurevars(data)
        generators = (np.random.Generator, np.random.RandomState, random.Random)
        values = [*used.nonlocals.values(), *used.globals.values()]
        yield from (value for value in values if isinstance(value, generators))
    elif _is_object(data):
        yield data


def _is_object(value: Any) -> bool:
    """Say whether a value is an instance with attributes that data may change."""
    plain = (type, types.ModuleType, types.GeneratorType, tf.data.Dataset, tf.Tensor, np.ndarray)
    return hasattr(value, "__dict__") and not (isinstance(value, plain) or callable(value))


def _shuffles_between_epochs(data: Any) -> bool:
    plain = keras.utils.PyDataset
    hooks = ("on_epoch_begin", "on_epoch_end")
    return isinstance(data, plain) and any(
        getattr(type(data), name) is not getattr(plain, name) for name in hooks
    )


def _variables_of(value: Any) -> list[Any] | None:
    """Return the variables of something that holds variables, None for anything else."""
    if isinstance(value, keras.Variable | tf.Variable):
        return [value]
    if isinstance(value, keras.random.SeedGenerator | tf.random.Generator):
        return [value.state]
    if isinstance(value, keras.Layer | keras.metrics.Metric):
        return list(value.variables)
    return None


def _parts(value: Any) -> list[Any]:
    if isinstance(value, list | tuple | set | frozenset):
        return list(value) if len(value) <= _MOST_ITEMS else []
    if isinstance(value, dict):
        return list(value.values()) if len(value) <= _MOST_ITEMS else []
    return list(vars(value).values()) if _is_object(value) else []


def _undo_array(array: np.ndarray) -> Callable[[], None] | None:
    if not array.flags.writeable:
        return None
    saved = array.copy()
    return lambda: np.copyto(array, saved)


def _undo_attributes(holder: Any) -> Callable[[], None]:
    saved = dict(vars(holder))

    def undo() -> None:
        now = vars(holder)
        for name in set(now) - set(saved):
            del now[name]
        now.update(saved)

    return undo


def _undo_list(values: list[Any]) -> Callable[[], None]:
    saved = values.copy()

    def undo() -> None:
        if len(values) != len(saved) or any(a is not b for a, b in zip(values, saved, strict=True)):
            values[:] = saved

    return undo


def _undo_mapping(values: Any) -> Callable[[], None]:
    saved = values.copy()

    def undo() -> None:
        values.clear()
        values.update(saved)

    return undo


def _undo_generator(generator: np.random.Generator) -> Callable[[], None]:
    saved = generator.bit_generator.state
    return lambda: setattr(generator.bit_generator, "state", saved)


def _undo_random_state(generator: np.random.RandomState) -> Callable[[], None]:
    saved = generator.get_state()
    return lambda: generator.set_state(saved)


def _undo_random(generator: random.Random) -> Callable[[], None]:
    saved = generator.getstate()
    return lambda: generator.setstate(saved)


_SAVERS: dict[type, Callable[[Any], Callable[[], None]]] = {
    list: _undo_list,
    dict: _undo_mapping,
    set: _undo_mapping,
    np.random.Generator: _undo_generator,
    np.random.RandomState: _undo_random_state,
    random.Random: _undo_random,
}
