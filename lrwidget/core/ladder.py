"""The learning rates of a range test, from `min_lr` to `max_lr`."""

import math
import numbers
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lrwidget.errors import ConfigError

FloatArray = NDArray[np.float64]
Mode = Literal["exponential", "linear"]


def lr_ladder(min_lr: float, max_lr: float, steps: int, mode: Mode = "exponential") -> FloatArray:
    """Return the learning rates of a range test, smallest first.

    Rung k of N = `steps` (k = 0 ... N - 1) is, with p = k / (N - 1),

    - "exponential": min_lr * (max_lr / min_lr) ** p, equal ratios;
    - "linear": min_lr + (max_lr - min_lr) * p, equal differences.

    >>> lr_ladder(0.001, 1.0, 4)
    array([0.001, 0.01 , 0.1  , 1.   ])
    >>> lr_ladder(0.1, 0.5, 5, "linear")
    array([0.1, 0.2, 0.3, 0.4, 0.5])

    Args:
        min_lr: First learning rate, > 0.
        max_lr: Last learning rate, > min_lr.
        steps: Number of learning rates, >= 2.
        mode: "exponential" or "linear".

    Returns:
        Learning rates, shape (steps,), strictly increasing. The first and the last are
        `min_lr` and `max_lr` to the bit.

    Raises:
        ConfigError: A value that cannot be used, or more steps than there are different
            numbers between the limits.

    Source: the range test of Smith, arXiv:1506.01186 (linear) and arXiv:1803.09820.
    """
    low, high = _checked_limit("min_lr", min_lr), _checked_limit("max_lr", max_lr)
    _check_order(low, high)
    _check_steps(steps)
    if not isinstance(mode, str) or mode not in get_args(Mode):
        raise ConfigError(f'`mode` must be "exponential" or "linear"; got mode={mode!r}.')
    if mode == "exponential":
        ladder = np.exp(np.linspace(math.log(low), math.log(high), steps))
    else:
        ladder = np.linspace(low, high, steps)
    ladder[0], ladder[-1] = low, high
    if not np.all(np.diff(ladder) > 0):
        raise ConfigError(
            f"There are no {steps} different learning rates between min_lr={low:g} and "
            f"max_lr={high:g}. Take fewer `steps` or move the limits apart."
        )
    return ladder


def _checked_limit(name: str, value: float) -> float:
    """Return a limit of the ladder as a float, or say what is wrong with it."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise ConfigError(f"`{name}` must be a number above 0; got {name}={value!r}.")
    try:
        limit = float(value)
    except OverflowError:
        limit = math.inf
    if not (math.isfinite(limit) and limit > 0):
        raise ConfigError(f"`{name}` must be a finite number above 0; got {name}={value}.")
    return limit


def _check_order(min_lr: float, max_lr: float) -> None:
    if min_lr < max_lr:
        return
    mend = "Swap them." if min_lr > max_lr else "Move them apart."
    raise ConfigError(
        f"`min_lr` must be below `max_lr`; got min_lr={min_lr}, max_lr={max_lr}. {mend}"
    )


def _check_steps(steps: int) -> None:
    if isinstance(steps, bool) or not isinstance(steps, numbers.Integral):
        raise ConfigError(f"`steps` must be a whole number of at least 2; got steps={steps!r}.")
    if steps < 2:
        raise ConfigError(f"`steps` must be at least 2; got steps={steps}. 100 is the default.")
