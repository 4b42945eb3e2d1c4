"""PythonState: saves and restores the state of the user's Python objects.

Examples are a PyDataset that shuffles its indices at the end of an epoch, a generator function
that draws from a random generator, and an eager model that fills a buffer. Without this, they
would continue from the state after the range test.
"""

import itertools
import random
import sys
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import Any

import keras
import numpy as np

from lrwidget.core.data.source import is_pipeline
from lrwidget.core.model.reach import (
    globals_of,
    is_of_user,
    items_of,
    kept_by,
    parts_of_callable,
    walk,
)
from lrwidget.core.model.values import Variable

_LARGEST_SMALL_ARRAY = 2**20
_MOST_OBJECTS = 100_000

_GENERATORS = (np.random.Generator, np.random.RandomState, random.Random)


class PythonState:
    """The state of Python objects: attributes, containers, arrays and random generators.

    Among the globals and closures of a function, objects, small arrays, the order of lists and
    random generators are saved. Other changes of lists and dicts are kept, since users collect
    values there.

    Args:
        roots: The objects to start from, such as data or the attributes of a model.
        alone: Whether no other code runs during the test. If not, only the random generators
            among the globals of functions are saved: another notebook cell may change the rest.

    Attributes:
        variables: The variables that the objects hold, such as those of an augmentation layer;
            the caller must save their values.
    """

    def __init__(self, roots: Iterable[Any], alone: bool = True) -> None:
        roots = list(roots)
        self.variables: list[Variable] = []
        self._undo: list[Callable[[], None]] = []
        self._alone = alone
        self._copies_all = any(_shuffles_between_epochs(each) for each in roots)
        for value in itertools.islice(walk(roots, self._parts), _MOST_OBJECTS):
            variables = _variables_of(value)
            undo = self._undo_for(value) if variables is None else None
            self.variables += variables or ()
            if undo is not None:
                self._undo.append(undo)

    def restore(self) -> None:
        """Restore everything except the variables; containers are restored in place."""
        for undo in reversed(self._undo):
            undo()

    def _parts(self, value: Any) -> Iterable[Any]:
        if _variables_of(value) is not None or isinstance(value, _GENERATORS):
            return []
        if is_pipeline(value):
            from lrwidget.core.data.pipeline import python_code_of

            return python_code_of(value)
        if isinstance(value, types.FunctionType):
            return self._seen_by(value) if is_of_user(value) else []
        items = items_of(value) or parts_of_callable(value)
        if items is not None:
            return [part for _, part in items]
        return vars(value).values() if _is_entered(value) else []

    def _seen_by(self, function: types.FunctionType) -> Iterator[Any]:
        for _, value in kept_by(function):
            yield from _parts_to_save(value)
        for _, value in () if _is_installed(function) else globals_of(function):
            if isinstance(value, _GENERATORS):
                yield value
            elif self._alone:
                yield from _parts_to_save(value)

    def _undo_for(self, value: Any) -> Callable[[], None] | None:
        if isinstance(value, np.ndarray):
            is_small = value.nbytes <= _LARGEST_SMALL_ARRAY
            return _undo_array(value) if is_small or self._copies_all else None
        for kind, save in _SAVERS.items():
            if isinstance(value, kind):
                return save(value)
        return _undo_attributes(value) if _is_entered(value) else None


def state_of_data(data: Any, alone: bool) -> PythonState:
    """Return the state of data of any form; arrays and lists of batches have none."""
    is_plain = isinstance(data, tuple | list | dict) or hasattr(data, "__array__")
    return PythonState([] if is_plain else [data], alone)


def _is_entered(value: Any) -> bool:
    """Return whether a value is an instance with attributes that a step or its data may change."""
    if not hasattr(value, "__dict__") or isinstance(value, _NOT_ENTERED) or is_pipeline(value):
        return False
    return isinstance(value, keras.utils.PyDataset) or is_of_user(value)


def _is_installed(function: types.FunctionType) -> bool:
    """Return whether a function belongs to an installed package and not to the user."""
    return "-packages" in function.__code__.co_filename


class _Order:
    """A list of which only the order is saved."""

    def __init__(self, values: list[Any]) -> None:
        self.values = values


def _parts_to_save(value: Any, depth: int = 3) -> Iterator[Any]:
    """Yield the objects to save for a value in the globals or the closure of a function."""
    items = items_of(value)
    if items is None:
        yield value
    if isinstance(value, list):
        yield _Order(value)
    for _, part in items or () if depth else ():
        yield from _parts_to_save(part, depth - 1)


_NOT_ENTERED = (
    type,
    types.ModuleType,
    types.FunctionType,
    types.GeneratorType,
    np.ndarray,
    _Order,
    keras.Variable,
    keras.Layer,
    keras.metrics.Metric,
    keras.optimizers.Optimizer,
)


def _shuffles_between_epochs(data: Any) -> bool:
    plain = keras.utils.PyDataset
    hooks = ("on_epoch_begin", "on_epoch_end")
    return isinstance(data, plain) and any(
        getattr(type(data), name) is not getattr(plain, name) for name in hooks
    )


def _variables_of(value: Any) -> list[Any] | None:
    """Return the variables of an object that holds variables, None for any other object."""
    if isinstance(value, (keras.Variable, *_kinds_of_tensorflow("Variable"))):
        return [value]
    generators: Any = (keras.random.SeedGenerator, *_kinds_of_tensorflow("random.Generator"))
    if isinstance(value, generators):
        return [value.state]
    if isinstance(value, keras.Layer | keras.metrics.Metric | keras.optimizers.Optimizer):
        return list(value.variables)
    return None


def _kinds_of_tensorflow(*names: str) -> list[Any]:
    """Return TensorFlow classes, or none if TensorFlow is not loaded."""
    tensorflow = sys.modules.get("tensorflow")
    return [] if tensorflow is None else [attrgetter(name)(tensorflow) for name in names]


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


def _undo_order(order: _Order) -> Callable[[], None]:
    values, saved = order.values, order.values.copy()

    def undo() -> None:
        if len(values) == len(saved) and sorted(map(id, values)) == sorted(map(id, saved)):
            values[:] = saved

    return undo


def _undo_dict(values: dict[Any, Any]) -> Callable[[], None]:
    saved = values.copy()

    def undo() -> None:
        same = values.keys() == saved.keys() and all(values[key] is saved[key] for key in saved)
        if not same:
            values.clear()
            values.update(saved)

    return undo


def _undo_set(values: set[Any]) -> Callable[[], None]:
    saved = values.copy()

    def undo() -> None:
        if values != saved:
            values.clear()
            values.update(saved)

    return undo


def _undo_deque(values: deque[Any]) -> Callable[[], None]:
    saved = values.copy()

    def undo() -> None:
        values.clear()
        values.extend(saved)

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
    dict: _undo_dict,
    set: _undo_set,
    deque: _undo_deque,
    _Order: _undo_order,
    np.random.Generator: _undo_generator,
    np.random.RandomState: _undo_random_state,
    random.Random: _undo_random,
}
