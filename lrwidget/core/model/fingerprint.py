"""Fingerprint: whether tracing a training step again would give the same trace.

A trace contains all values that Python code read while it ran: attributes, closures, globals. A
step that is kept from an earlier test is valid only while none of them changes. So a fingerprint
covers every object that the step can reach, plain values by value and variables by identity. Code
that cannot be inspected counts as unchanged while it is the same object. When in doubt,
fingerprints differ.
"""

import hashlib
import types
import weakref
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from lrwidget.core.model.host import MADE_BY_COMPILE, PASSED_BY_USER
from lrwidget.core.model.reach import (
    PLAIN,
    attributes_of,
    is_of_library,
    is_of_user,
    items_of,
    parts_of_callable,
)

Token = Any  # equal to that of another fingerprint if nothing has changed

_WALKED_OF_KERAS = (
    keras.layers.Layer,
    keras.losses.Loss,
    keras.metrics.Metric,
    keras.optimizers.Optimizer,
    keras.optimizers.schedules.LearningRateSchedule,
    keras.initializers.Initializer,
    keras.regularizers.Regularizer,
    keras.constraints.Constraint,
    keras.random.SeedGenerator,
    keras.dtype_policies.DTypePolicy,
)

_MOST_OBJECTS = 100_000
_MOST_BYTES = 2**26
"""Comparing more than this takes longer than a trace: then fingerprints differ."""


class Fingerprint:
    """The current values that a trace of some objects depends on. It keeps no object alive.

    Args:
        roots: The objects that are traced, such as a model and its training step.
        moved: Objects that are replaced before a trace, and are therefore ignored.
    """

    def __init__(self, roots: list[Any], moved: list[Any] | None = None) -> None:
        self._tokens = list(_tokens([*roots, *_settings_of_keras()], moved or []))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fingerprint) and self._tokens == other._tokens

    __hash__ = None  # type: ignore[assignment]


class _Identity:
    """A token that is equal for the same object while it exists."""

    def __init__(self, value: Any) -> None:
        self._value = weakref.ref(value)

    def __eq__(self, other: object) -> bool:
        value = self._value()
        return value is not None and isinstance(other, _Identity) and value is other._value()

    __hash__ = None  # type: ignore[assignment]


def _settings_of_keras() -> list[Any]:
    config = keras.config
    return [config.floatx(), config.epsilon(), config.image_data_format(), config.dtype_policy()]


def _tokens(roots: list[Any], moved: list[Any]) -> Iterator[Token]:
    """Yield the tokens of all reachable objects, in an order that depends only on the roots."""
    place = {id(value): -1 - index for index, value in enumerate(moved)}
    kept: list[Any] = list(moved)  # so that no id is used twice
    todo = list(reversed(roots))
    looked_at = size = 0
    while todo:
        value = todo.pop()
        looked_at += 1
        if isinstance(value, PLAIN):
            yield type(value), value
            continue
        size += value.nbytes if isinstance(value, np.ndarray) else 0
        if looked_at > _MOST_OBJECTS or size > _MOST_BYTES:
            yield object()  # equal to nothing
            return
        if id(value) in place:
            yield "again", place[id(value)]
            continue
        place[id(value)] = len(kept)
        kept.append(value)
        token, parts = _token_and_parts(value)
        yield token
        if parts:
            yield tuple(_name(name) for name, _ in parts)
            todo.extend(part for _, part in reversed(parts))


def _token_and_parts(value: Any) -> tuple[Token, list[tuple[Any, Any]] | None]:
    """Return the token of one object, and its parts."""
    if isinstance(value, keras.Variable):
        own = [(name, getattr(value, name, None)) for name in ("regularizer", "constraint")]
        return (_identity(value), value.trainable, str(value.dtype)), own
    if isinstance(value, np.ndarray | np.generic):
        return _of_array(np.asarray(value))
    items = items_of(value)
    if items is not None:
        return (type(value), len(items)), [*items, *attributes_of(value).items()]
    if isinstance(value, types.FunctionType):
        return _identity(value.__code__), parts_of_callable(value)
    parts = parts_of_callable(value)
    if parts is not None:
        return type(value), parts
    if isinstance(value, type):
        return _identity(value), None if is_of_library(value) else _parts_of_class(value)
    if isinstance(value, Iterator):
        return object(), None  # its next item is unknown
    if type(value).__name__ in MADE_BY_COMPILE and is_of_library(type(value)):
        # The rest is created from these on the first call.
        attributes = attributes_of(value).items()
        return _identity(value), [part for part in attributes if part[0].startswith(PASSED_BY_USER)]
    if isinstance(value, _WALKED_OF_KERAS) or is_of_user(value):
        return _of_instance(value)
    return _identity(value), None


def _of_instance(value: Any) -> tuple[Token, list[tuple[Any, Any]] | None]:
    kinds = [kind for kind in type(value).__mro__ if not is_of_library(kind)]
    attributes = attributes_of(value)
    if not attributes and not hasattr(value, "__dict__"):
        return object(), None  # written in another language: its content is hidden
    # Building an optimizer and undoing it changes the order of its attributes.
    parts = [*((kind.__name__, kind) for kind in kinds), *sorted(attributes.items(), key=_by_name)]
    return _identity(type(value)), parts


def _by_name(item: tuple[str, Any]) -> str:
    return item[0]


def _parts_of_class(kind: type) -> list[tuple[Any, Any]]:
    hidden = ("__dict__", "__weakref__", "__doc__", "__module__", "__annotations__")
    return [(name, value) for name, value in vars(kind).items() if name not in hidden]


def _of_array(array: np.ndarray[Any, Any]) -> tuple[Token, list[tuple[Any, Any]] | None]:
    if array.dtype == object:
        return array.shape, list(enumerate(array.ravel().tolist()))
    content = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return (str(array.dtype), array.shape, hashlib.blake2b(content.data).digest()), None


def _name(name: Any) -> Token:
    return name if isinstance(name, PLAIN) else (type(name).__name__, id(name))


def _identity(value: Any) -> Token:
    try:
        return _Identity(value)
    except TypeError:
        # No way to find out later whether it is the same object.
        return object()
