"""rate_of: chooses which learning rate a test moves."""

from typing import Any

import keras

from lrwidget.core.model.given_rate import FunctionRate, VariableRate, check_kind, is_variable
from lrwidget.core.model.learning_rate import check_compiled
from lrwidget.core.model.optimizer_rate import OptimizerRate
from lrwidget.core.model.rate import Rate
from lrwidget.errors import ConfigError


def rate_of(
    model: keras.Model, optimizer: keras.optimizers.Optimizer | None, learning_rate: Any = None
) -> Rate:
    """Return the learning rate that a test moves.

    Args:
        model: A compiled model.
        optimizer: One of the optimizers that it holds; None to use the one that the step uses.
        learning_rate: Instead of an optimizer: a variable that the training step reads, or a
            function that sets it.

    Raises:
        ModelError: The model is not compiled, or does not hold the optimizer.
        ConfigError: Both are given, or `learning_rate` is of another kind.
    """
    if learning_rate is None:
        return OptimizerRate(model, optimizer)
    check_compiled(model)
    if optimizer is not None:
        raise ConfigError("Pass `optimizer=` or `learning_rate=`, not both.")
    check_kind(learning_rate)
    return (
        VariableRate(learning_rate) if is_variable(learning_rate) else FunctionRate(learning_rate)
    )
