"""Pictures of LRMonitor's recordings: one training, or several for comparison."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lrwidget.core.arrays import FloatArray
from lrwidget.core.curve.drawing import (
    CURVE,
    DASHES,
    PICK,
    Room,
    as_named,
    axes_of,
    legend_above,
    legend_at_right,
    line_styles,
    robust_limits,
)
from lrwidget.core.curve.smoothing import DEFAULT_SMOOTHING, smooth
from lrwidget.core.monitor.monitor import Monitor
from lrwidget.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# With more epochs than this, their ends are not drawn: they would merge into a gray area.
_MOST_EPOCHS = 60


def plot_monitors(monitors: Mapping[str, Monitor], ax: "Axes | None" = None) -> "Axes":
    """Draw the losses of several trainings over the training steps with matplotlib.

    The loss of each step is pale, the smoothed loss is bold, and each validation loss is a
    diamond at the step after which it was measured.

    Args:
        monitors: LRMonitors by name.
        ax: The axes to draw on; None makes a new figure.

    Returns:
        The axes.

    Raises:
        ConfigError: An argument cannot be used.
        MissingPackageError: matplotlib is not installed.
    """
    named = as_named("monitors", monitors)
    for name, monitor in named.items():
        if not isinstance(monitor, Monitor):
            raise ConfigError(
                f"`monitors[{name!r}]` must be an LRMonitor; got {type(monitor).__name__}."
            )
    axes = axes_of(ax, "lrwidget.plot_monitors")
    room = Room(axes)
    for (name, monitor), style in zip(named.items(), line_styles(), strict=False):
        _draw_losses(axes, monitor, name, **style)
    _name_validation(axes, list(named.values()), "0.5")
    _set_loss_axis(axes, list(named.values()))
    legend_at_right(axes)
    room.make(axes)
    return axes


def draw_monitor(ax: Any, monitor: Monitor) -> "Axes":
    """Draw one training; see `LRMonitor.plot`, which raises the same errors."""
    axes = axes_of(ax, "LRMonitor.plot")
    room = Room(axes)
    _draw_losses(axes, monitor, "smoothed loss", color=CURVE)
    _name_validation(axes, [monitor], CURVE)
    _draw_epochs(axes, monitor)
    _set_loss_axis(axes, [monitor])
    rate_axes = axes.twinx()
    _draw_rates(rate_axes, monitor)
    legend_above(axes, rate_axes)
    room.make(axes, rate_axes)
    return axes


def _draw_losses(ax: "Axes", monitor: Monitor, name: str, **style: Any) -> None:
    losses, color = monitor.losses, style["color"]
    ax.plot(_steps(losses), losses, color=color, alpha=0.25, linewidth=1)
    smoothed = smooth(losses, DEFAULT_SMOOTHING)
    ax.plot(_steps(losses), smoothed, label=name, linewidth=2, **style)
    ax.plot(list(monitor.validation), list(monitor.validation.values()), "D", color=color)


def _name_validation(ax: "Axes", monitors: Sequence[Monitor], color: str) -> None:
    if any(monitor.validation for monitor in monitors):
        ax.plot([], [], "D", color=color, label="validation loss")


def _draw_epochs(ax: "Axes", monitor: Monitor) -> None:
    ends = (np.flatnonzero(np.diff(monitor.epochs)) + 1).tolist()
    for number, end in enumerate(ends if len(ends) < _MOST_EPOCHS else []):
        label = None if number else "end of an epoch"
        ax.axvline(end, color="0.5", linestyle=":", linewidth=1, alpha=0.6, label=label)


def _draw_rates(ax: "Axes", monitor: Monitor) -> None:
    rates = monitor.lrs_by_optimizer or {"": monitor.lrs}
    several = len(rates) > 1
    for (name, each), dash in zip(rates.items(), cycle(DASHES), strict=False):
        label = f"learning rate of {name}" if several else "learning rate"
        ax.plot(_steps(each), each, color=PICK, linestyle=dash, linewidth=1.8, label=label)
    ax.set_ylim(bottom=0)
    ax.set_ylabel("Learning rate", color=PICK)


def _set_loss_axis(ax: "Axes", monitors: Sequence[Monitor]) -> None:
    """Label the axes of losses, and choose limits that exclude single spikes."""
    seen = [np.append(each.losses, list(each.validation.values())) for each in monitors]
    limits = robust_limits(np.concatenate(seen))
    if limits is not None:
        ax.set_ylim(limits)
    ax.set(xlabel="Training step", ylabel="Loss of the batch")


def _steps(values: FloatArray) -> NDArray[np.int64]:
    return np.arange(1, len(values) + 1)
