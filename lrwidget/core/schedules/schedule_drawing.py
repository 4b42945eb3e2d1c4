"""plot_schedules: draws the learning rates of schedules over the training steps."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lrwidget.core.checks import as_count
from lrwidget.core.curve.drawing import Room, as_named, axes_of, legend_at_right, line_styles
from lrwidget.core.schedules.rates import rates_at

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
    lines = {name: rates_at(f"schedules[{name!r}]", each, points) for name, each in named.items()}
    axes = axes_of(ax, "lrwidget.plot_schedules")
    room = Room(axes)
    for (name, rates), style in zip(lines.items(), line_styles(), strict=False):
        axes.plot(points, rates, label=name, linewidth=1.8, **style)
    axes.set(xlabel="Training step", ylabel="Learning rate")
    legend_at_right(axes)
    room.make(axes)
    return axes
