"""plot_schedules: draws the learning rates of schedules over the training steps."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lrwidget.core.arrays import FloatArray
from lrwidget.core.checks import array_of, as_any_float, as_count, as_rate, plain_number, shown
from lrwidget.core.curve.drawing import Room, as_named, axes_of, legend_at_right, line_styles
from lrwidget.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Maximum number of drawn steps; a multiple of many lengths of cycles.
_MOST_POINTS = 5040


def plot_schedules(schedules: Mapping[str, Any], steps: int, ax: "Axes | None" = None) -> "Axes":
    """Draw the learning rates of schedules over the training steps with matplotlib.

    Args:
        schedules: Schedules by name; each is a `keras.optimizers.schedules.LearningRateSchedule`,
            another function of the step, or a number for a constant learning rate.
        steps: Training steps to draw, >= 1, from step 0 on; at most 5,040 of them are drawn.
        ax: The axes to draw on; None makes a new figure.

    Returns:
        The axes.

    Raises:
        ConfigError: An argument cannot be used, or a schedule does not return a number.
        MissingPackageError: matplotlib is not installed.
    """
    named = as_named("schedules", schedules)
    count = as_count("steps", steps, at_least=1)
    points = np.unique(np.linspace(0, count - 1, min(count, _MOST_POINTS)).astype(np.int64))
    lines = {name: _learning_rates(name, each, points) for name, each in named.items()}
    axes = axes_of(ax, "lrwidget.plot_schedules")
    room = Room(axes)
    for (name, rates), style in zip(lines.items(), line_styles(), strict=False):
        axes.plot(points, rates, label=name, linewidth=1.8, **style)
    axes.set(xlabel="Training step", ylabel="Learning rate")
    legend_at_right(axes)
    room.make(axes)
    return axes


def _learning_rates(name: str, schedule: Any, steps: Any) -> FloatArray:
    """Return the learning rate at each step, shape (n,)."""
    where = f"schedules[{name!r}]"
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
