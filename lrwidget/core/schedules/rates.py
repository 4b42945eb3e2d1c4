"""rates_at: the learning rates of a number, a schedule or a function at given steps."""

from typing import Any

import numpy as np

from lrwidget.core.arrays import FloatArray
from lrwidget.core.checks import array_of, as_any_float, as_rate, plain_number, shown
from lrwidget.errors import ConfigError


def rates_at(where: str, schedule: Any, steps: Any) -> FloatArray:
    """Return the learning rate at each step, shape (n,).

    Args:
        where: The name of the schedule, for errors.
        schedule: A number, a schedule or another function of the step.
        steps: The steps, int64, shape (n,).

    Raises:
        ConfigError: It is none of these, or it does not return numbers.
    """
    if plain_number(schedule) is not None:
        return np.full(len(steps), as_rate(where, schedule, or_zero=True))
    if not callable(schedule):
        raise ConfigError(
            f"`{where}` must be a schedule, another function of the step, or a number; got "
            f"{shown(schedule)}."
        )
    at_once = _all_at_once(schedule, steps)
    if at_once is not None:
        return at_once
    return np.array([as_any_float(f"{where}({step})", schedule(step)) for step in steps.tolist()])


def _all_at_once(schedule: Any, steps: Any) -> FloatArray | None:
    """Return the learning rates for an array of steps; None if a schedule takes no arrays."""
    try:
        rates = array_of(schedule(steps))
    except Exception:
        return None
    if rates is None or rates.shape != steps.shape:
        return None
    return rates.astype(np.float64)
