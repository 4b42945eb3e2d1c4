"""Fingerprint: whether a traced training step would be traced the same way now.

A trace holds what Python code read while it ran: attributes, closures, globals. A step that is
kept from an earlier test is right only while all of that is the same. So everything in reach of
the step is noted, plain values by value and variables by identity. Code that cannot be looked
into counts as the same while it is the same object. When in doubt, fingerprints differ.
"""

import hashlib
import types
import weakref
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from lrwidget.core.model.reach import (
    PLAIN,
    attributes_of,
    is_of_library,
    is_of_user,
    items_of,
    parts_of_callable,
)

Token = Any  # equal to that of another fingerprint where nothing has changed

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
"""More than that takes longer to compare than a trace: then fingerprints differ."""

_OF_COMPILE = ("CompileLoss", "CompileMetrics", "MetricsList")


class Fingerprint:
    """What a trace of some objects depends on, as it is now. It keeps none of them alive.

    Args:
        roots: The objects that are traced, such as a model and its training step.
        moved: Objects that are exchanged before a trace, and so do not count.
    """

    def __init__(self, roots: list[Any], moved: list[Any] | None = None) -> None:
        self._tokens = list(_tokens([*roots, *_settings_of_keras()], moved or []))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fingerprint) and self._tokens == other._tokens

    __hash__ = None  # type: ignore[assignment]


class _Identity:
    """Equal to that of the same object while it lives."""

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
    """Yield tokens of all in reach of the roots, in an order that depends on nothing else."""
    place = {id(value): -1 - index for index, value in enumerate(moved)}
    kept: list[Any] = list(moved)  # so that no id is used twice
    todo = list(reversed(roots))
    looked_at = size = 0
    while todo:
        value = todo.pop()
        looked_at += 1
        size += value.nbytes if isinstance(value, np.ndarray) else 0
        if looked_at > _MOST_OBJECTS or size > _MOST_BYTES:
            yield object()  # equal to nothing
            return
        if isinstance(value, PLAIN):
            yield type(value), value
            continue
        if id(value) in place:
            yield "again", place[id(value)]
            continue
        place[id(value)] = len(kept)
        kept.append(value)
        token, parts = _looked_at(value)
        yield token
        if parts:
            yield tuple(_name(name) for name, _ in parts)
            todo.extend(part for _, part in reversed(parts))


def _looked_at(value: Any) -> tuple[Token, list[tuple[Any, Any]] | None]:
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
        return object(), None  # what it gives next cannot be seen
    if type(value).__name__ in _OF_COMPILE and is_of_library(type(value)):
        # It makes the rest of itself of these when it is first called.
        attributes = attributes_of(value).items()
        return _identity(value), [part for part in attributes if part[0].startswith("_user")]
    if isinstance(value, _WALKED_OF_KERAS) or is_of_user(value):
        return _of_instance(value)
    return _identity(value), None


def _of_instance(value: Any) -> tuple[Token, list[tuple[Any, Any]] | None]:
    kinds = [kind for kind in type(value).__mro__ if not is_of_library(kind)]
    attributes = attributes_of(value)
    if not attributes and not hasattr(value, "__dict__"):
        return object(), None  # written in another language: its content cannot be seen
    parts = [*((kind.__name__, kind) for kind in kinds), *attributes.items()]
    return _identity(type(value)), parts


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
        # Nothing tells whether it is the same object later.
        return object()
