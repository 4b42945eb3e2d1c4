"""ModelAttributes: the plain Python attributes of a model, which its training step may change.

The Python code of an eager step runs every time, that of a compiled step only while it is traced.
It may count in an attribute, append to a list, or create a variable on first use.
"""

from functools import cache
from types import FunctionType
from typing import Any, NamedTuple

import keras

from lrwidget.core.model.host import SET_BY_TRACKING, layers_of


class _Attribute(NamedTuple):
    value: Any
    content: Any  # a shallow copy if the value is a container


class ModelAttributes:
    """The current attributes of a model and its layers.

    The attributes of every Keras model or layer are ignored, and so are layers that are built
    later.

    Args:
        model: Any model.
    """

    def __init__(self, model: keras.Model) -> None:
        layers = [layer for layer in layers_of(model) if not _is_of_keras(type(layer))]
        self._layers = layers
        self._was_built = [layer.built for layer in layers]
        self._before = [_attributes(layer) for layer in self._layers]
        self._changed: list[set[str]] | None = None

    def finish(self) -> None:
        """Call this when the step's Python code has run: later changes are the user's."""
        if self._changed is None:
            self._changed = self._changes()

    def undo(self) -> None:
        """Restore the attributes that changed, containers in place."""
        changes = self._changes() if self._changed is None else self._changed
        for layer, before, names in zip(self._layers, self._before, changes, strict=True):
            for name in names:
                if name in before:
                    _restore(layer, name, before[name])
                elif name in vars(layer) and not _is_tracked(vars(layer)[name]):
                    delattr(layer, name)

    def _changes(self) -> list[set[str]]:
        return [
            {name for name in before.keys() | _names(layer) if _differs(layer, name, before)}
            if layer.built == was_built
            else set()
            for layer, before, was_built in zip(
                self._layers, self._before, self._was_built, strict=True
            )
        ]


def python_objects_of(model: keras.Model) -> list[Any]:
    """Return the objects that a training step may change besides attributes and variables.

    They are the values of the attributes of the model and its layers, the user's losses and
    metrics, and the step itself, which can reach globals and closures.
    """
    own = [layer for layer in layers_of(model) if not _is_of_keras(type(layer))]
    held = [vars(layer)[name] for layer in own for name in _names(layer)]
    losses = keras.tree.flatten(getattr(model, "loss", None))
    steps = getattr(model.train_step, "__func__", model.train_step), type(model).call
    return [*held, *losses, *(each for each in steps if isinstance(each, FunctionType))]


def _names(layer: keras.Layer) -> set[str]:
    names = vars(layer).keys() - _names_of_keras()
    return {name for name in names if not name.startswith(SET_BY_TRACKING)}


@cache
def _names_of_keras() -> frozenset[str]:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    later = {"train_function", "test_function", "predict_function", "history", "stop_training"}
    layers = [model, *model.layers, keras.Model(), keras.Layer()]
    return frozenset(later.union(*(vars(each) for each in layers)))


def _is_of_keras(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "keras"


def _attributes(layer: keras.Layer) -> dict[str, _Attribute]:
    held = vars(layer)
    return {name: _Attribute(held[name], _content(held[name])) for name in _names(layer)}


def _content(value: Any) -> Any:
    if isinstance(value, list):
        return list(value)
    if isinstance(value, dict):
        return dict(value)
    return set(value) if isinstance(value, set) else None


def _differs(layer: keras.Layer, name: str, before: dict[str, _Attribute]) -> bool:
    value = vars(layer).get(name)
    if name not in before or value is not before[name].value:
        return True
    now, then = _content(value), before[name].content
    if isinstance(now, dict):
        return now.keys() != then.keys() or any(now[key] is not then[key] for key in now)
    if isinstance(now, list):
        return len(now) != len(then) or any(a is not b for a, b in zip(now, then, strict=True))
    return bool(now != then)


def _restore(layer: keras.Layer, name: str, attribute: _Attribute) -> None:
    if vars(layer).get(name) is not attribute.value:
        if name in vars(layer):
            delattr(layer, name)  # TensorFlow keeps a list of an object's attributes
        vars(layer)[name] = attribute.value
    if isinstance(attribute.content, list):
        attribute.value[:] = attribute.content
    elif attribute.content is not None:
        attribute.value.clear()
        attribute.value.update(attribute.content)


def _is_tracked(value: Any) -> bool:
    """Return whether Keras also tracks a value elsewhere; the fingerprints then include it."""
    return isinstance(value, keras.Layer | keras.Variable | keras.metrics.Metric)
