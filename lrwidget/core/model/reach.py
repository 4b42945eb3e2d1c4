"""Reach: the Python objects that can be reached from an object through attributes and names.

The search follows containers, the attributes of objects, and the closure, the defaults and the
globals of a function. It does not enter libraries.
"""

import functools
import sys
import types
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from lrwidget.core.model.host import BOOKKEEPING, SET_BY_TRACKING

Part = tuple[Any, Any]  # the key of a part, such as its name, and the part

PLAIN = (type(None), bool, int, float, complex, str, bytes)
"""Values without parts, compared by value."""

# Their functions and classes read nothing that a user changes.
_LIBRARIES = frozenset(
    {"keras", "tensorflow", "numpy", "ml_dtypes", "jax", "jaxlib", "torch", "absl", "lrwidget"}
) | frozenset(sys.stdlib_module_names - {"__main__"})


def is_of_library(kind: Any) -> bool:
    """Return whether a function or class belongs to Python, Keras or a backend."""
    module = getattr(kind, "__module__", None)
    return isinstance(module, str) and _is_library(module)


def _is_library(module: str) -> bool:
    return module.partition(".")[0] in _LIBRARIES


def attributes_of(value: Any) -> dict[str, Any]:
    """Return the attributes of an object by name, without those that Keras or this package sets.

    This package overrides methods for a while. The result is sorted by name, because an attribute
    that is removed and set again moves to the end of `vars`.
    """
    return {
        name: held
        for name, held in sorted(_all_attributes(value), key=_name_of)
        if name not in BOOKKEEPING and not name.startswith(SET_BY_TRACKING) and not _is_ours(held)
    }


def _name_of(attribute: Part) -> Any:
    return attribute[0]


def _is_ours(value: Any) -> bool:
    # A function made by `exec` may have no module.
    return isinstance(value, types.FunctionType) and str(value.__module__).startswith("lrwidget.")


def _all_attributes(value: Any) -> Iterator[tuple[str, Any]]:
    yield from getattr(value, "__dict__", {}).items()
    for name in _slots_of(type(value)):
        if hasattr(value, name):
            yield name, getattr(value, name)


_slots: weakref.WeakKeyDictionary[type, tuple[str, ...]] = weakref.WeakKeyDictionary()


def _slots_of(kind: type) -> tuple[str, ...]:
    if kind not in _slots:
        slots = [vars(each).get("__slots__", ()) for each in kind.__mro__]
        names = [name for each in slots for name in ((each,) if isinstance(each, str) else each)]
        _slots[kind] = tuple(name for name in names if name not in ("__dict__", "__weakref__"))
    return _slots[kind]


def items_of(container: Any) -> list[Part] | None:
    """Return the items of a container, or None if the value is no container."""
    if isinstance(container, list | tuple | set | frozenset | deque):
        return list(enumerate(container))
    # Asking a class whether it is a Mapping takes microseconds, and most objects are none. Objects
    # themselves are not asked: an attribute may do anything when it is read.
    if isinstance(container, dict) or (
        hasattr(type(container), "keys") and isinstance(container, Mapping)
    ):
        return list(container.items())
    return None


def seen_by(function: types.FunctionType) -> Iterator[Part]:
    """Return the objects that a function can reach: those it holds, and globals by their names."""
    yield from kept_by(function)
    yield from globals_of(function)


def kept_by(function: types.FunctionType) -> Iterator[Part]:
    """Return the closure, the defaults and the attributes of a function."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:
            yield name, None  # not yet set
    yield "defaults", (function.__defaults__, function.__kwdefaults__)
    yield "attributes", vars(function)


def globals_of(function: types.FunctionType) -> Iterator[Part]:
    """Return the globals that a function names, and the names that it reads in user modules."""
    names = _names_in(function.__code__)
    for name in names:
        if name in function.__globals__:
            value = function.__globals__[name]
            yield name, value
            if isinstance(value, types.ModuleType) and not _is_library(value.__name__):
                yield from ((each, vars(value)[each]) for each in names if each in vars(value))


@functools.lru_cache(maxsize=4096)
def _names_in(code: types.CodeType) -> tuple[str, ...]:
    """Return the names that a function and its inner functions use."""
    inner = [_names_in(each) for each in code.co_consts if isinstance(each, types.CodeType)]
    return tuple(dict.fromkeys([*code.co_names, *(name for names in inner for name in names)]))


def parts_of_callable(value: Any) -> list[Part] | None:
    """Return the parts of a callable or of an object that wraps one; None for other objects."""
    if isinstance(value, types.FunctionType):
        return [] if is_of_library(value) else list(seen_by(value))
    if isinstance(value, types.MethodType):
        return [("function", value.__func__), ("self", value.__self__)]
    if isinstance(value, functools.partial):
        return [("function", value.func), ("args", value.args), ("kwargs", value.keywords)]
    if isinstance(value, staticmethod | classmethod):
        return [("function", value.__func__)]
    if isinstance(value, property):
        return [("get", value.fget)]
    return None


def walk(roots: Iterable[Any], parts_of: Callable[[Any], Iterable[Any]]) -> Iterator[Any]:
    """Yield the reachable objects, nearest first, each once, without plain values.

    Args:
        roots: The objects to start from.
        parts_of: A function that returns the parts of an object.
    """
    todo = deque(roots)
    seen: dict[int, Any] = {}  # keeps visited objects alive, so that no id is used twice
    while todo:
        value = todo.popleft()
        if isinstance(value, PLAIN) or id(value) in seen:
            continue
        seen[id(value)] = value
        yield value
        todo.extend(parts_of(value))


def in_reach(
    roots: Iterable[Any], wanted: tuple[type, ...], enters: Callable[[Any], bool]
) -> list[Any]:
    """Return the reachable objects of some kinds, nearest first, each once.

    Args:
        roots: The objects to start from.
        wanted: The kinds to find; the search does not enter such objects.
        enters: Whether to enter an object, by its attributes or its closure.
    """

    def parts_of(value: Any) -> list[Any]:
        if isinstance(value, wanted):
            return []
        items = items_of(value)
        if items is None and enters(value):
            items = parts_of_callable(value)
            items = list(attributes_of(value).items()) if items is None else items
        return [part for _, part in items or ()]

    return [value for value in walk(roots, parts_of) if isinstance(value, wanted)]


def is_of_user(value: Any) -> bool:
    """Return whether an object is a function, or an instance of a class, outside the libraries."""
    if isinstance(value, types.FunctionType):
        return not is_of_library(value)
    if isinstance(value, types.MethodType | functools.partial | types.SimpleNamespace):
        return True
    return not isinstance(value, type | types.ModuleType) and not is_of_library(type(value))


def is_object_of_user(value: Any) -> bool:
    """Return whether an object is an instance of a user's class, not a function or method."""
    return is_of_user(value) and parts_of_callable(value) is None
