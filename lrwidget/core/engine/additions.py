"""Additions: what building and tracing add to a model, and how it is removed again."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from lrwidget.core.engine.tensorflow import StepGroups
from lrwidget.core.model.attributes import ModelAttributes
from lrwidget.core.model.building import Built, UnbuiltLayers, build
from lrwidget.core.model.learning_rate import optimizers_of


class Additions:
    """What building and tracing have added, except for weights, which `fit` would make as well.

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
        """Say that the training step is traced: what changes now was changed by others."""
        self._is_traced = True
        self._built.finish()
        if not self._is_eager:
            self._attributes.finish()

    def undo(self) -> None:
        """Remove what was added; after a failed trace, half-built layers too."""
        self._attributes.undo()
        self._built.undo()
        if not self._is_traced:
            self._layers.undo()


@contextmanager
def added_by_building(
    model: keras.Model, batch_spec: Any, groups: StepGroups
) -> Iterator[Additions]:
    """Build what `fit` would build, and remove it at the end.

    Args:
        model: A compiled model.
        batch_spec: Shapes and types of a batch, as `train_step` takes it.
        groups: The compiled steps; those of an earlier test know the slots of that time.
    """
    layers = UnbuiltLayers(model)
    built = Built(_with_inner(optimizers_of(model)))
    build(model, batch_spec)
    built = groups.adopt(built)
    additions = Additions(built, ModelAttributes(model), layers, bool(model.run_eagerly))
    try:
        yield additions
    finally:
        additions.undo()


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
        members += value if isinstance(value, list | tuple) else [value]
    return members
