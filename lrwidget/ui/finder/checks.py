"""Checks of the arguments of the widget's Python methods."""

import numbers
from typing import Any

import keras
import numpy as np

from lrwidget.core.model.learning_rate import is_rate
from lrwidget.core.range_test.result import RangeTestResult
from lrwidget.errors import ConfigError, ModelError
from lrwidget.ui.words import text


def check_model(model: Any) -> None:
    """Raise ModelError if `model` is not a Keras 3 model; a test checks whether it is compiled."""
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
    """Raise ConfigError if `optimizer` is neither None nor an optimizer."""
    if optimizer is not None and not isinstance(optimizer, keras.optimizers.Optimizer):
        raise ConfigError(
            "`optimizer` must be an optimizer of the model, such as model.optimizer, or None; "
            f"got {text.passed(optimizer)}."
        )


def check_result(result: Any) -> None:
    """Raise ConfigError if `result` is not the result of a range test."""
    if not isinstance(result, RangeTestResult):
        raise ConfigError(
            f"`result` must be a RangeTestResult; got {text.passed(result)}. Read a file with "
            "`RangeTestResult.load(path)`, or make a result of losses measured elsewhere with "
            "`RangeTestResult.from_losses(lrs, losses)`."
        )


def check_smoothing(smoothing: Any) -> None:
    """Raise ConfigError if `smoothing` is not a number in [0, 1)."""
    if not (_is_real(smoothing) and 0 <= smoothing < 1):
        raise ConfigError(
            f"`smoothing` must be a number from 0 up to, but not including, 1; "
            f"got {text.passed(smoothing)}."
        )


def check_flag(name: str, value: Any) -> None:
    """Raise ConfigError if `value` is neither True nor False."""
    if not isinstance(value, bool | np.bool_):
        raise ConfigError(f"`{name}` must be True or False; got {text.passed(value)}.")


def check_timeout(timeout: Any) -> None:
    """Raise ConfigError if `timeout` is neither None nor a number of seconds."""
    if timeout is not None and not (_is_real(timeout) and timeout >= 0):
        raise ConfigError(
            "`timeout` must be None or a number of seconds of at least 0; "
            f"got {text.passed(timeout)}."
        )


def checked_lr(lr: Any) -> float:
    """Return a learning rate as a float; raise ConfigError if it cannot be used."""
    # Convert the text, since float(np.float32(0.001)) is 0.0010000000474974513.
    number = float(str(lr)) if isinstance(lr, np.floating) else lr
    if not (_is_real(number) and is_rate(number)):
        raise ConfigError(f"`lr` must be a finite number above 0; got {text.passed(lr)}.")
    return float(number)


def _is_real(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)
