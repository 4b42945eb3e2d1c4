"""Families: an optimizer and those that it wraps, and which of them update the weights."""

import weakref
from typing import Any

import keras

from lrwidget.core.model.host import chooser_of
from lrwidget.core.model.reach import attributes_of, in_reach, is_object_of_user
from lrwidget.errors import ModelError

_known: weakref.WeakKeyDictionary[keras.Model, list[weakref.ref[Any]]] = weakref.WeakKeyDictionary()


def remember_training(model: keras.Model, optimizers: list[keras.optimizers.Optimizer]) -> None:
    """Store which optimizer a model's training step uses, and which of its members update."""
    _known[model] = [weakref.ref(optimizer) for optimizer in optimizers]


def known_to_train(model: keras.Model) -> list[keras.optimizers.Optimizer]:
    """Return the optimizers passed to `remember_training`, or an empty list."""
    found = [reference() for reference in _known.get(model, [])]
    return [] if any(optimizer is None for optimizer in found) else found


def family_of(optimizer: keras.optimizers.Optimizer) -> list[keras.optimizers.Optimizer]:
    """Return an optimizer and those that it wraps or hands variables to, at any depth."""
    family = [optimizer]
    for each in family:
        inner = in_reach(
            attributes_of(each).values(), (keras.optimizers.Optimizer,), is_object_of_user
        )
        family += [found for found in inner if not any(found is known for known in family)]
    return family


def training_members(
    model: keras.Model, optimizer: keras.optimizers.Optimizer
) -> list[keras.optimizers.Optimizer]:
    """Return the members of an optimizer's family that update weights, the default one first.

    Raises:
        ModelError: The optimizer is a MultiOptimizer that has not made its optimizers yet.
    """
    known = known_to_train(model)
    if len(known) > 1 and known[0] is optimizer:
        return known[1:]
    if is_multi(optimizer):
        return _members_of_multi(model, optimizer)
    family = family_of(optimizer)
    return [each for each in family if len(family_of(each)) == 1]


def is_multi(optimizer: keras.optimizers.Optimizer) -> bool:
    """Return whether an optimizer hands its variables to others, each with its learning rate."""
    kind = getattr(keras.optimizers, "MultiOptimizer", None)
    return kind is not None and isinstance(optimizer, kind)


def leading_first(
    head: keras.optimizers.Optimizer, members: list[keras.optimizers.Optimizer]
) -> list[keras.optimizers.Optimizer]:
    """Return members of a MultiOptimizer with its default optimizer first."""
    if not is_multi(head):
        return members
    default = getattr(chooser_of(head), "default_optimizer", None)
    return sorted(members, key=lambda each: each is not default)


def _members_of_multi(
    model: keras.Model, optimizer: keras.optimizers.Optimizer
) -> list[keras.optimizers.Optimizer]:
    members = list(optimizer.optimizers)
    if not members:
        raise ModelError(
            "This MultiOptimizer has not made its optimizers yet. Call "
            "`model.optimizer.build(model.trainable_variables)` first."
        )
    choose = chooser_of(optimizer)
    if hasattr(choose, "default_optimizer"):
        used = [choose(variable) for variable in model.trainable_variables]
        members = [each for each in members if any(each is other for other in used)] or members
    return leading_first(optimizer, members)
