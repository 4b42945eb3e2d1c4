"""Built: undoes what a range test builds, so that an unbuilt optimizer is unbuilt again.

Keras builds an optimizer's slots in its first step, from the weights and settings at that
moment. If a range test left slots behind, later changes of these settings would have no effect.
"""

import copy
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import keras

from lrwidget.core.model.host import build_for, layers_of, tracker_in, tracker_of, with_tracker
from lrwidget.core.model.strategy import scope_of


class Built:
    """The attributes of unbuilt objects before and after building.

    During the test the objects use copies of their containers, so that the original containers
    never change: TensorFlow cannot export or checkpoint a list from which an item was removed.

    Args:
        objects: Optimizers; those that are built already are ignored.
    """

    def __init__(self, objects: Iterable[Any]) -> None:
        self._objects = [each for each in objects if not each.built]
        self._before = [dict(vars(each)) for each in self._objects]
        self._after: list[dict[str, Any]] = []
        self._changed: list[set[str]] | None = None
        for each in self._objects:
            vars(each).update(_copies_of_containers(vars(each)))

    def finish(self) -> None:
        """Call this when building is over: attributes that change later are the user's."""
        if self._changed is None:
            self._changed = self._changes()

    def undo(self) -> None:
        """Restore every object to its state before it was built."""
        changes = self._changed or self._changes()
        self._after = [
            {name: vars(each)[name] for name in names if name in vars(each)}
            for each, names in zip(self._objects, changes, strict=True)
        ]
        for each, before, names in zip(self._objects, self._before, changes, strict=True):
            for name in names:
                vars(each).pop(name, None)
            vars(each).update({name: before[name] for name in names if name in before})

    def redo(self) -> None:
        """Restore every object to its state when `undo` was called."""
        for each, after in zip(self._objects, self._after, strict=True):
            vars(each).update(after)

    def variables(self) -> list[keras.Variable]:
        """Return the current variables of the objects."""
        return [variable for each in self._objects for variable in each.variables]

    def _changes(self) -> list[set[str]]:
        return [
            {name for name in before.keys() | vars(each).keys() if _differs(name, before, each)}
            for each, before in zip(self._objects, self._before, strict=True)
        ]


def _differs(name: str, before: dict[str, Any], holder: Any) -> bool:
    missing = object()
    return before.get(name, missing) is not vars(holder).get(name, missing)


def _copies_of_containers(attributes: dict[str, Any]) -> dict[str, Any]:
    containers = {
        name: value for name, value in attributes.items() if isinstance(value, list | dict | set)
    }
    copies = {name: copy.copy(value) for name, value in containers.items()}
    by_id = {id(containers[name]): copies[name] for name in containers}
    tracker = copy.copy(tracker_in(attributes))
    tracker.config = {
        name: (is_kind, by_id.get(id(stored), stored))
        for name, (is_kind, stored) in tracker.config.items()
    }
    tracker.stored_ids = {name: set(ids) for name, ids in tracker.stored_ids.items()}
    return with_tracker(copies, tracker)


def build(model: keras.Model, batch_spec: Any) -> None:
    """Build everything that `fit` builds in its first step: layers, metrics, optimizer slots.

    Args:
        model: A compiled model.
        batch_spec: Shapes and types of a batch, as `train_step` takes it.
    """
    with scope_of(model), suppress(Exception):
        # A model that cannot be called on its data, such as a GAN, is built when its training
        # step is traced. Tracing also reports the error of any other model.
        build_for(model, _with_none(batch_spec))


def _with_none(batch_spec: Any) -> Any:
    """Return a batch with None for an optional part, for which tf.data has types without shape."""
    return keras.tree.map_structure(
        lambda part: part if hasattr(part, "shape") else None, batch_spec
    )


class UnbuiltLayers:
    """The unbuilt layers of a model, which are reset if building fails.

    A layer that was built for the wrong data would reject the right data later.

    Args:
        model: Any model.
    """

    def __init__(self, model: keras.Model) -> None:
        layers = [layer for layer in layers_of(model) if not layer.built]
        self._before = [(layer, dict(vars(layer)), _contents(layer)) for layer in layers]

    def undo(self) -> None:
        """Restore every layer to its unbuilt state."""
        for layer, attributes, contents in self._before:
            vars(layer).clear()
            vars(layer).update(attributes)
            for container, content in contents:
                if isinstance(container, list):
                    if len(container) != len(content):
                        container[:] = content
                elif len(container) != len(content):
                    container.clear()
                    container.update(content)
            tracker_of(layer).unlock()  # building locks it


def _contents(layer: Any) -> list[tuple[Any, Any]]:
    tracker = tracker_of(layer)
    containers = [
        *(value for value in vars(layer).values() if isinstance(value, list | dict | set)),
        *(stored for _, stored in tracker.config.values()),
        *tracker.stored_ids.values(),
    ]
    return [(container, copy.copy(container)) for container in containers]
