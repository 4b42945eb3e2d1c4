"""Copies of optimizers, with changed settings, and a model that trains with a copy for a while."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras

from lrwidget.core.checks import shown
from lrwidget.core.model.families import family_of, known_to_train, remember_training
from lrwidget.core.model.host import every_variable_of, trained_by, without_schedule
from lrwidget.core.model.learning_rate import get_learning_rate, holder_of, rate_value
from lrwidget.core.model.strategy import scope_of
from lrwidget.errors import ConfigError, ModelError

_NOT_SETTINGS = ("name", "learning_rate")


def settings_of(optimizer: keras.optimizers.Optimizer) -> dict[str, Any]:
    """Return the numbers in an optimizer's config by name; those that are not set are None."""
    config = _config_of(holder_of(optimizer))
    return {
        name: value
        for name, value in config.items()
        if name not in _NOT_SETTINGS and isinstance(value, int | float | None)
    }


def fresh_copy(
    optimizer: keras.optimizers.Optimizer, changes: Mapping[str, Any] | None = None
) -> keras.optimizers.Optimizer:
    """Return an unbuilt copy of an optimizer.

    Args:
        optimizer: Any Keras optimizer; it is not changed.
        changes: New values of settings in its config.

    Raises:
        ConfigError: The optimizer cannot be copied, or does not take the new values.
    """
    holder = holder_of(optimizer)
    try:
        new = _copy_of(holder, changes or {})
        return new if holder is optimizer else _copy_of(optimizer, {"inner_optimizer": new})
    except Exception as error:
        settings = f" with {dict(changes)}" if changes else ""
        raise ConfigError(
            f"A copy of {shown(optimizer)}{settings} could not be made: {error} An optimizer of "
            "your own needs a `get_config` that returns the arguments of its constructor."
        ) from error


Recipe = tuple[Any, dict[str, Any], Any]
"""The class and the config of an optimizer, and the recipe of the one that it wraps, if any."""


def recipe_of(optimizer: keras.optimizers.Optimizer) -> Recipe:
    """Return what `made_from` needs to make an optimizer with a constant learning rate.

    Raises:
        ConfigError: The optimizer has no config.
    """
    try:
        config = _config_of(optimizer)
        inner = getattr(optimizer, "inner_optimizer", None)
        if inner is not None:
            config.pop("inner_optimizer")
            return type(optimizer), config, recipe_of(inner)
        if "learning_rate" in config:
            config["learning_rate"] = rate_value(optimizer)
        return type(optimizer), config, None
    except Exception as error:
        raise ConfigError(
            f"{shown(optimizer)} cannot be sent to a worker: {type(error).__name__}: {error} An "
            "optimizer of your own needs a `get_config` that returns the arguments of its "
            "constructor."
        ) from error


def made_from(recipe: Recipe) -> keras.optimizers.Optimizer:
    """Return an unbuilt optimizer for which `recipe_of` returned a recipe."""
    kind, config, inner = recipe
    if inner is not None:
        return kind(made_from(inner), **config)
    return kind.from_config(dict(config))


def _copy_of(
    optimizer: keras.optimizers.Optimizer, changes: Mapping[str, Any]
) -> keras.optimizers.Optimizer:
    config = {**_config_of(optimizer), **changes}
    rate = get_learning_rate(optimizer)
    if "inner_optimizer" in changes:
        return type(optimizer)(**config)
    # A schedule is passed as it is, because a user's own class may not be registered.
    if not isinstance(rate, keras.Variable):
        config["learning_rate"] = rate
    return type(optimizer).from_config(config)


def _config_of(optimizer: keras.optimizers.Optimizer) -> dict[str, Any]:
    """Return the config of an optimizer.

    A schedule and an inner optimizer are left out, because a user's own class may not be
    serializable.
    """
    attributes = dict(vars(optimizer))
    if "inner_optimizer" in attributes:
        attributes["inner_optimizer"] = keras.optimizers.SGD()
    stand_in = object.__new__(type(optimizer))
    vars(stand_in).update(without_schedule(attributes))
    return stand_in.get_config()


def with_slots_of(
    new: keras.optimizers.Optimizer, old: keras.optimizers.Optimizer, model: keras.Model
) -> keras.optimizers.Optimizer:
    """Return a copy of an optimizer, built and with the slots of the original, if that is built.

    Args:
        new: A copy that `fresh_copy` made.
        old: The original.
        model: The model that the original trains.
    """
    inner = holder_of(old)
    if not old.built or not inner.built:
        return new
    with scope_of(model):
        new.build(trained_by(inner))
    values = slots_of(old)
    for key, variable in slots_of(new).items():
        known = values.get(key)
        if known is not None and known.shape == variable.shape:
            variable.assign(known)
    return new


def slots_of(optimizer: keras.optimizers.Optimizer) -> dict[tuple[int, str, int], Any]:
    """Return the variables of an optimizer and those inside it, except the learning rates.

    They are found by name in the list of each optimizer. The path does not identify them: it says
    in which scope they were made.
    """
    found = {}
    for level, each in enumerate(family_of(optimizer)):
        count: Counter[str] = Counter()
        for variable in every_variable_of(each):
            count[variable.name] += 1
            if variable is not get_learning_rate(each):
                found[level, variable.name, count[variable.name]] = variable
    return found


@contextmanager
def swapped(
    model: keras.Model, old: keras.optimizers.Optimizer, new: keras.optimizers.Optimizer
) -> Iterator[None]:
    """Let a model hold another optimizer in this block.

    Raises:
        ModelError: The optimizer is not an attribute of the model itself.
    """
    attributes = vars(model)
    names = [name for name, value in attributes.items() if value is old]
    if not names:
        raise ModelError(
            f"{old.name} is not an attribute of the model, so that no other optimizer can train "
            "in its place. Store it as an attribute, such as `model.optimizer`, and use it from "
            "there in `train_step`; or leave the optimizer out of the variants."
        )
    known = known_to_train(model)
    try:
        attributes.update(dict.fromkeys(names, new))
        yield
    finally:
        attributes.update(dict.fromkeys(names, old))
        remember_training(model, known)
