"""The learning rates of a range test, from `min_lr` to `max_lr`."""

import math
from typing import Any, Literal, get_args

import numpy as np

from lrwidget.core.arrays import FloatArray as FloatArray
from lrwidget.core.checks import MAX_STEPS, as_choice, as_count, as_number
from lrwidget.errors import ConfigError

Mode = Literal["exponential", "linear"]


def lr_ladder(min_lr: float, max_lr: float, steps: int, mode: Mode = "exponential") -> FloatArray:
    """Return the learning rates of a range test, smallest first.

    Learning rate k of N = `steps` (k = 0 ... N - 1) is, with p = k / (N - 1),

    - "exponential": min_lr * (max_lr / min_lr) ** p, equal ratios;
    - "linear": min_lr + (max_lr - min_lr) * p, equal differences.

    >>> lr_ladder(0.001, 1.0, 4)
    array([0.001, 0.01 , 0.1  , 1.   ])
    >>> lr_ladder(0.1, 0.5, 5, "linear")
    array([0.1, 0.2, 0.3, 0.4, 0.5])

    Args:
        min_lr: First learning rate, > 0.
        max_lr: Last learning rate, > min_lr.
        steps: Number of learning rates, from 2 to 1,000,000.
        mode: "exponential" or "linear".

    Returns:
        Learning rates, shape (steps,), strictly increasing. The first and the last are
        `min_lr` and `max_lr` to the bit.

    Raises:
        ConfigError: A value cannot be used, or there are fewer different numbers between the
            limits than steps.

    Source: the range test of Smith, arXiv:1506.01186 (linear) and arXiv:1803.09820.
    """
    low = as_number("min_lr", min_lr, above=0.0)
    high = as_number("max_lr", max_lr, above=0.0)
    _check_order(low, high)
    steps, mode = as_steps(steps), as_mode(mode)
    if mode == "exponential":
        ladder = np.exp(np.linspace(math.log(low), math.log(high), steps))
    else:
        ladder = np.linspace(low, high, steps)
    ladder[0], ladder[-1] = low, high
    if not np.all(np.diff(ladder) > 0):
        raise ConfigError(
            f"There are no {steps} different learning rates between min_lr={low:g} and "
            f"max_lr={high:g}. Use fewer `steps` or move the limits apart."
        )
    return ladder


def skips_decades(lrs: FloatArray) -> bool:
    """Return whether a linear ladder starts with a jump over more than two decades.

    >>> skips_decades(lr_ladder(1e-7, 10.0, 100, "linear"))
    True
    >>> skips_decades(lr_ladder(0.1, 10.0, 100, "linear"))
    False
    """
    if len(lrs) < 3 or lrs[1] / 100 <= lrs[0]:
        return False
    return bool(np.allclose(np.diff(lrs), lrs[1] - lrs[0], rtol=1e-6))


def words_for_skipped_decades(lrs: FloatArray) -> str:
    """Return the message for a ladder that skips decades, with two remedies."""
    first, second = lrs[:2]
    return (
        f"No learning rate between {format_lr(first)} and {format_lr(second)} is tried: with "
        f'mode="linear" {np.mean(lrs >= lrs[-1] / 10):.0%} of them lie in the top decade. Use '
        f'mode="exponential", or raise min_lr to {format_lr(second)}.'
    )


def format_lr(lr: float) -> str:
    """Return a learning rate as text with three significant digits, in the format used everywhere.

    >>> format_lr(0.0032), format_lr(0.5), format_lr(10.0), format_lr(1234.5), format_lr(1e7)
    ('3.20e-3', '5.00e-1', '10', '1234', '1.00e+7')
    """
    if 1 <= lr < 1e5:
        return f"{lr:.2f}".rstrip("0").rstrip(".") if lr < 100 else f"{lr:.0f}"
    mantissa, exponent = f"{lr:.2e}".split("e")
    return f"{mantissa}e{int(exponent):+d}"


def as_steps(steps: Any) -> int:
    """Return a number of learning rates, or raise ConfigError."""
    hint = "100 is the default."
    return as_count("steps", steps, at_least=2, at_most=MAX_STEPS, hint=hint)


def as_mode(mode: Any) -> Mode:
    """Return the name of a ladder, or raise ConfigError."""
    return as_choice("mode", mode, get_args(Mode))  # type: ignore[return-value]


def _check_order(min_lr: float, max_lr: float) -> None:
    if min_lr < max_lr:
        return
    remedy = "Swap them." if min_lr > max_lr else "Move them apart."
    raise ConfigError(
        f"`min_lr` must be below `max_lr`; got min_lr={min_lr}, max_lr={max_lr}. {remedy}"
    )
