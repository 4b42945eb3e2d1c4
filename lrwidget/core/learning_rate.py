"""The learning rate of an optimizer as an object: read, replaced, put back.

Keras has no public way to read the schedule that an optimizer holds, nor to put a number
where a schedule was; this is the one file that knows how an optimizer keeps it.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from lrwidget.core.purpose import OptimizerKind
from lrwidget.errors import ModelError

LearningRate = Any  # a keras.Variable (constant), a LearningRateSchedule or a callable


def is_rate(number: float | np.number[Any]) -> bool:
    """Say whether a number can be a learning rate: above 0, and neither 0 nor inf in float32."""
    limits = np.finfo(np.float32)
    return bool(float(limits.smallest_normal) <= number <= float(limits.max))


def optimizer_of(
    model: keras.Model, chosen: keras.optimizers.Optimizer | None = None
) -> keras.optimizers.Optimizer:
    """Return the optimizer whose learning rate is meant.

    Args:
        model: A compiled model.
        chosen: One of the optimizers that the model holds; None where it has but one.

    Raises:
        ModelError: The model is not compiled, has no optimizer, has several and none is
            chosen, or does not have the chosen one.
    """
    if not isinstance(model, keras.Model):
        raise ModelError(f"`model` must be a keras.Model; got {type(model).__name__}.")
    if not model.compiled:
        raise ModelError(
            "The model is not compiled. Call `model.compile(optimizer=..., loss=...)` first."
        )
    held = optimizers_of(model)
    if not held:
        raise ModelError(
            "The model has no optimizer whose learning rate could be moved. "
            "Call `model.compile(optimizer=..., loss=...)` with one."
        )
    if chosen is None and len(held) == 1:
        return held[0]
    if not any(optimizer is chosen for optimizer in held):
        raise ModelError(
            f"The model holds {len(held)} optimizer(s), {[each.name for each in held]}; "
            f"got optimizer={chosen and chosen.name}. Pass the one whose learning rate is meant, "
            "such as optimizer=model.optimizer."
        )
    return chosen


def optimizer_kind(optimizer: keras.optimizers.Optimizer) -> OptimizerKind:
    """Return what an optimizer is, as far as suggestions depend on it."""
    inner = holder_of(optimizer)
    momentum = getattr(inner, "momentum", 0.0)
    if isinstance(inner, keras.optimizers.SGD):
        return "momentum" if momentum else "sgd"
    return "rmsprop" if isinstance(inner, keras.optimizers.RMSprop) and not momentum else "other"


def optimizers_of(model: keras.Model) -> list[keras.optimizers.Optimizer]:
    """Return the optimizers that a model holds: the compiled one, and those a GAN has besides."""
    held = members_of_type(vars(model).values(), keras.optimizers.Optimizer)
    return list({id(optimizer): optimizer for optimizer in held}.values())


def members_of_type(attributes: Iterable[Any], kind: type) -> list[Any]:
    """Return what is of a kind among attributes and, one level down, in their containers."""
    found = []
    for held in attributes:
        if isinstance(held, dict):
            held = held.values()
        elif not isinstance(held, list | tuple):
            held = [held]
        found += [value for value in held if isinstance(value, kind)]
    return found


def get_learning_rate(optimizer: keras.optimizers.Optimizer) -> LearningRate:
    """Return the object that an optimizer takes its learning rate from.

    Returns:
        A keras.Variable for a constant, else the very schedule or callable.
    """
    return holder_of(optimizer)._learning_rate


def set_learning_rate(optimizer: keras.optimizers.Optimizer, new: LearningRate) -> None:
    """Make an optimizer take its learning rate from `new`, as if built with it.

    Args:
        optimizer: Any Keras optimizer, built or not.
        new: A keras.Variable, a schedule or a callable.
    """
    holder = holder_of(optimizer)
    old = holder._learning_rate
    if new is old:
        return
    if isinstance(old, keras.Variable):
        holder._untrack_variable(old)
    holder._learning_rate = new
    # On some backends the assignment has tracked it already.
    is_tracked = any(variable is new for variable in holder._variables)
    if isinstance(new, keras.Variable) and not is_tracked:
        holder._track_variable(new)
    _list_variables(holder, new)


def _list_variables(holder: keras.optimizers.Optimizer, rate: LearningRate) -> None:
    """Give an optimizer a new list of its variables, the rate second where it is one of them.

    A saved optimizer is loaded by position, and `iterations` stands first. It is a new list,
    because TensorFlow neither exports nor checkpoints one from which something was taken.
    """
    first, *rest = (variable for variable in holder._variables if variable is not rate)
    is_kept = isinstance(rate, keras.Variable)
    # Without its tracker, as in an optimizer's constructor: it would wrap the list once more.
    tracker = vars(holder).pop("_tracker")
    try:
        holder._variables = [first, *([rate] if is_kept else []), *rest]
    finally:
        vars(holder)["_tracker"] = tracker
    is_variable, _ = tracker.config["variables"]
    tracker.config["variables"] = is_variable, holder._variables


@contextmanager
def learning_rate_moved_by(
    optimizer: keras.optimizers.Optimizer, variable: keras.Variable
) -> Iterator[None]:
    """Let `variable` decide the learning rate, and put the old object back at the end."""
    old = get_learning_rate(optimizer)
    set_learning_rate(optimizer, variable)
    try:
        yield
    finally:
        set_learning_rate(optimizer, old)


def new_rate_variable(lr: float) -> keras.Variable:
    """Return a constant learning rate as Keras optimizers keep it."""
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
