"""Checks of what the widget's Python methods are called with."""

import numbers
from typing import Any

import keras
import numpy as np

from lrwidget.core.model.learning_rate import is_rate
from lrwidget.errors import ConfigError, ModelError
from lrwidget.ui.words import text


def check_model(model: Any) -> None:
    """Refuse what is no model of Keras 3; whether it is compiled counts only when a test starts."""
    if isinstance(model, keras.Model):
        return
    kind = type(model)
    origin = f"{kind.__module__}.{kind.__qualname__}"
    if any(base.__module__.startswith("tf_keras") for base in kind.__mro__):
        raise ModelError(
            f"`model` must be a keras.Model of Keras 3; got {origin}, a model of Keras 2. "
            "Build it with `import keras`, and unset TF_USE_LEGACY_KERAS."
        )
    raise ModelError(f"`model` must be a keras.Model; got {text.plain_name(origin)}.")


def check_optimizer(optimizer: Any) -> None:
    """Refuse what is neither None nor an optimizer."""
    if optimizer is not None and not isinstance(optimizer, keras.optimizers.Optimizer):
        raise ConfigError(
            "`optimizer` must be one of the optimizers that the model holds, such as "
            f"model.optimizer, or None; got {text.passed(optimizer)}."
        )


def check_smoothing(smoothing: Any) -> None:
    """Refuse what is no share from 0 up to 1."""
    if not (_is_real(smoothing) and 0 <= smoothing < 1):
        raise ConfigError(
            f"`smoothing` must be a number from 0 up to, but not including, 1; "
            f"got {text.passed(smoothing)}."
        )


def check_flag(name: str, value: Any) -> None:
    """Refuse what is neither True nor False."""
    if not isinstance(value, bool | np.bool_):
        raise ConfigError(f"`{name}` must be True or False; got {text.passed(value)}.")


def check_timeout(timeout: Any) -> None:
    """Refuse what is neither None nor a number of seconds."""
    if timeout is not None and not (_is_real(timeout) and timeout >= 0):
        raise ConfigError(
            "`timeout` must be None or a number of seconds of at least 0; "
            f"got {text.passed(timeout)}."
        )


def checked_lr(lr: Any) -> float:
    """Return a learning rate as a float, or say what is wrong with it."""
    # By its text: as a float, 0.001 in float32 has the digits 0.0010000000474974513.
    number = float(str(lr)) if isinstance(lr, np.floating) else lr
    if not (_is_real(number) and is_rate(number)):
        raise ConfigError(f"`lr` must be a finite number above 0; got {text.passed(lr)}.")
    return float(number)


def _is_real(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)
