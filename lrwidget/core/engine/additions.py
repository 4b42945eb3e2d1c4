"""Additions: the objects that building and tracing add to a model, and how to remove them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from lrwidget.core.engine.protocol import Engine
from lrwidget.core.model.attributes import ModelAttributes
from lrwidget.core.model.building import Built, UnbuiltLayers, build
from lrwidget.core.model.host import compiled_parts_of
from lrwidget.core.model.learning_rate import optimizers_of
from lrwidget.core.model.values import is_tensorflow


class Additions:
    """Everything that building and tracing have added, except weights, which `fit` also creates.

    Args:
        built: Optimizers that were not built before.
        attributes: The attributes of the model, which an eager step changes at every step.
        layers: Layers that were not built before.
        is_eager: Whether the Python code of the step runs at every step.
    """

    def __init__(
        self, built: Built, attributes: ModelAttributes, layers: UnbuiltLayers, is_eager: bool
    ) -> None:
        self._built, self._attributes, self._layers = built, attributes, layers
        self._is_eager, self._is_traced = is_eager, False

    def finish(self) -> None:
        """Call this when the training step is traced: later changes come from other code."""
        self._is_traced = True
        self._built.finish()
        if not self._is_eager:
            self._attributes.finish()

    def undo(self) -> None:
        """Remove the additions; after a failed trace, also half-built layers."""
        self._attributes.undo()
        self._built.undo()
        if not self._is_traced:
            self._layers.undo()


@contextmanager
def added_by_building(model: keras.Model, batch_spec: Any, engine: Engine) -> Iterator[Additions]:
    """Build everything that `fit` would build, and remove it at the end.

    Args:
        model: A compiled model.
        batch_spec: Shapes and types of a batch, or a batch, as `train_step` takes it.
        engine: The engine of the test; if it is reused, it holds the slots of an earlier test.
    """
    layers = UnbuiltLayers(model)
    built = Built([*_with_inner(optimizers_of(model)), *_parts_of_compile(model)])
    build(model, batch_spec)
    built = engine.adopt(built)
    additions = Additions(built, ModelAttributes(model), layers, bool(model.run_eagerly))
    try:
        yield additions
    finally:
        additions.undo()


def _parts_of_compile(model: keras.Model) -> list[Any]:
    """Return the loss and the metrics of `compile`, if `fit` reads a batch to build them.

    On JAX and PyTorch, the first `fit` does so before its first epoch. If a range test left them
    built, that `fit` would not, and data that shuffle would come in another order.
    """
    if is_tensorflow():
        return []
    return compiled_parts_of(model)


def _with_inner(optimizers: list[Any]) -> list[Any]:
    """Return optimizers and those that they wrap, such as for loss scaling, each once."""
    found: dict[int, Any] = {}
    todo = list(optimizers)
    while todo:
        optimizer = todo.pop()
        if id(optimizer) not in found:
            found[id(optimizer)] = optimizer
            todo += [each for each in _members(optimizer) if hasattr(each, "update_step")]
    return list(found.values())


def _members(optimizer: Any) -> list[Any]:
    members: list[Any] = []
    for value in vars(optimizer).values():
        # TensorFlow wraps the containers of some optimizers, and a list cannot `+=` such a tuple.
        members.extend(value if isinstance(value, list | tuple) else [value])
    return members
