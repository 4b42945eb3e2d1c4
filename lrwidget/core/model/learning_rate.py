"""The learning rate of an optimizer as an object: read, replaced, restored.

Keras has no public way to read the schedule of an optimizer, nor to replace a schedule by a
number. Only this file depends on how an optimizer stores its learning rate.
"""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from lrwidget.core.curve.purpose import OptimizerKind
from lrwidget.core.model.families import family_of, known_to_train
from lrwidget.core.model.host import hold_rate, iterations_of, rate_held_by
from lrwidget.core.model.reach import in_reach, is_object_of_user, is_of_user
from lrwidget.core.model.values import numpy_of
from lrwidget.errors import ModelError

LearningRate = Any  # a keras.Variable (constant), a LearningRateSchedule or a callable


def is_rate(number: float | np.number[Any]) -> bool:
    """Return whether a number can be a learning rate: > 0, and neither 0 nor inf in float32."""
    limits = np.finfo(np.float32)
    return bool(float(limits.smallest_normal) <= number <= float(limits.max))


def optimizer_of(
    model: keras.Model, chosen: keras.optimizers.Optimizer | None = None
) -> keras.optimizers.Optimizer:
    """Return the optimizer whose learning rate to use.

    Args:
        model: A compiled model.
        chosen: One of the optimizers that the model holds; None if it holds only one.

    Raises:
        ModelError: The model is not compiled, has no optimizer, has several and none is
            chosen, or does not have the chosen one.
    """
    check_compiled(model)
    if chosen is not None:
        return _checked_choice(model, chosen)
    optimizer = _only_optimizer(model)
    if optimizer is None:
        raise several_optimizers(optimizers_of(model))
    return optimizer


def _remedy_for(kind: type) -> str:
    if kind.__module__.partition(".")[0] == "tf_keras":
        return (
            "tf_keras is Keras 2: build the model with `import keras`, and do not set "
            "TF_USE_LEGACY_KERAS."
        )
    return "Pass the model that you call `fit` on."


def check_compiled(model: keras.Model) -> None:
    """Raise ModelError unless `model` is a compiled Keras model that holds an optimizer."""
    if not isinstance(model, keras.Model):
        raise ModelError(
            f"`model` must be a keras.Model of Keras 3; got a {type(model).__name__} of "
            f"{type(model).__module__}. {_remedy_for(type(model))}"
        )
    if not model.compiled:
        raise ModelError(
            "The model is not compiled. Call `model.compile(optimizer=..., loss=...)` first."
        )


def candidates_of(
    model: keras.Model, chosen: keras.optimizers.Optimizer | None = None
) -> list[keras.optimizers.Optimizer]:
    """Return the optimizers that may train the model; a traced step shows which one does.

    Raises:
        ModelError: The model is not compiled, has no optimizer, or does not hold the chosen one.
    """
    check_compiled(model)
    if chosen is not None:
        return [_checked_choice(model, chosen)]
    if steps_as_keras(model) and model.optimizer is not None:
        return [model.optimizer]
    held = optimizers_of(model)
    if not held:
        raise _no_optimizer()
    inside = [inner for each in held for inner in family_of(each)[1:]]
    return [each for each in held if not any(each is inner for inner in inside)]


def steps_as_keras(model: keras.Model) -> bool:
    """Return whether a model uses Keras' own training step, which uses `model.optimizer`."""
    return getattr(model.train_step, "__func__", None) is keras.Model.train_step


def several_optimizers(
    held: list[keras.optimizers.Optimizer], used: list[keras.optimizers.Optimizer] | None = None
) -> ModelError:
    """Return the error for a model with several optimizers, none of which was chosen.

    Args:
        held: The optimizers of the model.
        used: The optimizers that its training step uses, if known.
    """
    names = [each.name for each in used or []]
    also = f" The training step uses {len(names)} of them, {names}." if names else ""
    return ModelError(
        f"The model holds {len(held)} optimizer(s), {[each.name for each in held]}; got "
        f"optimizer=None.{also} Pass the optimizer whose learning rate to use, such as "
        "optimizer=model.optimizer."
    )


def not_read(model: keras.Model, rates: list[Any]) -> ModelError:
    """Return the error for a training step that uses none of these optimizers or variables."""
    if not model.trainable_variables:
        return ModelError(
            f"The model {model.name!r} has no trainable weights, so no learning rate has an "
            "effect. Set `trainable = True` on the layers to train, and compile the model again."
        )
    return ModelError(
        f"The training step does not use the learning rate of {[each.name for each in rates]}. "
        "Pass `optimizer=` with the optimizer that trains, or `learning_rate=` with the "
        "keras.Variable that the training step reads or a function that sets the learning rate."
    )


def _no_optimizer() -> ModelError:
    return ModelError(
        "The model has no optimizer whose learning rate can be moved. Call "
        "`model.compile(optimizer=..., loss=...)` with one, or pass `learning_rate=`: the "
        "keras.Variable that the training step reads, or a function that sets it."
    )


def _checked_choice(
    model: keras.Model, chosen: keras.optimizers.Optimizer
) -> keras.optimizers.Optimizer:
    held = optimizers_of(model)
    if not any(each is chosen for optimizer in held for each in family_of(optimizer)):
        raise ModelError(
            f"The model holds {len(held)} optimizer(s), {[each.name for each in held]}; "
            f"got optimizer={getattr(chosen, 'name', repr(chosen))}. Pass the optimizer whose "
            "learning rate to use, such as optimizer=model.optimizer."
        )
    return chosen


def _only_optimizer(model: keras.Model) -> keras.optimizers.Optimizer | None:
    """Return the optimizer that trains a model, if it is known without a trace."""
    held = optimizers_of(model)
    if steps_as_keras(model) and model.optimizer is not None:
        return model.optimizer
    known = known_to_train(model)
    if known and any(each is known[0] for each in held):
        return known[0]
    if not held:
        raise _no_optimizer()
    own = members_of_type(vars(model).values(), keras.optimizers.Optimizer)
    nearest = list({id(optimizer): optimizer for optimizer in own}.values()) or held
    return nearest[0] if len(nearest) == 1 else None


def optimizer_kind(optimizer: keras.optimizers.Optimizer) -> OptimizerKind:
    """Return the kind of an optimizer that suggestions depend on, such as "sgd"."""
    inner = holder_of(optimizer)
    momentum = getattr(inner, "momentum", 0.0)
    if isinstance(inner, keras.optimizers.SGD):
        return "momentum" if momentum else "sgd"
    return "rmsprop" if isinstance(inner, keras.optimizers.RMSprop) and not momentum else "other"


def optimizers_of(model: keras.Model) -> list[keras.optimizers.Optimizer]:
    """Return the optimizers that a model holds, the nearest first.

    They are the compiled optimizer; those in the model's attributes, submodels, containers and
    the user's objects, at any depth; and those in the closure and globals of a custom training
    step. Optimizers that another optimizer wraps are not listed.
    """
    enters = is_object_of_user if steps_as_keras(model) else is_of_user
    found = in_reach(
        [model, model.train_step],
        (keras.optimizers.Optimizer,),
        lambda value: isinstance(value, keras.layers.Layer) or enters(value),
    )
    own = [model.optimizer] if getattr(model, "optimizer", None) is not None else []
    return list({id(optimizer): optimizer for optimizer in [*own, *found]}.values())


def members_of_type(attributes: Iterable[Any], kind: type) -> list[Any]:
    """Return the objects of a kind among attributes and in containers that are attributes."""
    found = []
    for held in attributes:
        if isinstance(held, dict):
            held = held.values()
        elif not isinstance(held, list | tuple):
            held = [held]
        found += [value for value in held if isinstance(value, kind)]
    return found


def get_learning_rate(optimizer: keras.optimizers.Optimizer) -> LearningRate:
    """Return the object from which an optimizer reads its learning rate.

    Returns:
        A keras.Variable for a constant, else the schedule or callable itself.
    """
    return rate_held_by(holder_of(optimizer))


def rate_value(optimizer: keras.optimizers.Optimizer) -> float:
    """Return the learning rate of an optimizer's next step."""
    rate = get_learning_rate(optimizer)
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        rate = rate(iterations_of(holder_of(optimizer)))
    elif callable(rate):
        rate = rate()
    return float(numpy_of(rate))


def updates_of(optimizer: keras.optimizers.Optimizer) -> int:
    """Return how many training steps an optimizer has done."""
    return int(numpy_of(iterations_of(holder_of(optimizer))))


def set_learning_rate(optimizer: keras.optimizers.Optimizer, new: LearningRate) -> None:
    """Make an optimizer read its learning rate from `new`, as if it had been built with it.

    Args:
        optimizer: Any Keras optimizer, built or not.
        new: A keras.Variable, a schedule or a callable.
    """
    holder = holder_of(optimizer)
    if new is not rate_held_by(holder):
        hold_rate(holder, new)


def new_rate_variable(lr: float) -> keras.Variable:
    """Return a constant learning rate in the form in which Keras optimizers store it."""
    return keras.Variable(
        lr,
        name="learning_rate",
        dtype=keras.config.floatx(),
        trainable=False,
        aggregation="only_first_replica",
    )


def holder_of(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Return the optimizer that holds the rate: a loss-scale optimizer wraps it."""
    return getattr(optimizer, "inner_optimizer", optimizer)
