"""LivePlot: one figure with learning rate and loss over the steps, while a `fit` runs."""

import numpy as np
from bqplot import Axis, Figure, LinearScale, Lines, Scatter
from ipywidgets import HTML, VBox

from lrwidget.core.curve.ladder import FloatArray
from lrwidget.ui.looks import axis
from lrwidget.ui.looks import colors as looks
from lrwidget.ui.looks.drawing import set_points
from lrwidget.ui.looks.kept import ALIVE, HIDES_KEPT

MAX_POINTS = 1000
"""Nobody could distinguish more points, and each redraw sends all of them."""

MAX_EPOCH_MARKS = 60

STEPS_AT_FIRST = 10.0
"""End of the step axis before the first step."""

ROOM_AHEAD = 0.25
"""Space for coming steps, as a fraction of the steps so far."""

MOSTLY = 0.7
"""An axis is narrowed if the data fill less than this fraction of it."""


class _View(VBox):
    """A box with a short repr; the usual one would collect those of all its parts."""

    def __repr__(self) -> str:
        return "Learning rate and loss of a fit, drawn live by LRMonitor"


class LivePlot:
    """A bqplot figure with the loss on the left axis and the learning rate on the right one.

    With more than a thousand steps, each point is the mean of several steps.

    Attributes:
        figure: The figure.
        view: The figure with the style rule that hides its kept picture; to be displayed.
    """

    def __init__(self) -> None:
        self._epoch_ends: list[int] = []
        self._marked = 0
        self._validation: list[tuple[int, float]] = []
        exact = {"min": 0.0, "max": 1.0, "allow_padding": False}
        self._steps = steps = LinearScale(**exact | {"max": STEPS_AT_FIRST})
        self._loss_scale, self._lr_scale = LinearScale(**exact), LinearScale(**exact)
        self._whole_height = LinearScale(**exact)
        on_loss = {"x": steps, "y": self._loss_scale}
        self._loss = Lines(x=[], y=[], scales=on_loss, colors=[looks.CURVE], stroke_width=1.5)
        self._lr = Lines(
            x=[],
            y=[],
            scales={"x": steps, "y": self._lr_scale},
            colors=[looks.PICK],
            stroke_width=1.5,
        )
        self._points = Scatter(
            x=[],
            y=[],
            scales=on_loss,
            colors=[looks.CURVE],
            marker="diamond",
            default_size=80,
        )
        self._marks = Lines(
            x=[],
            y=[],
            scales={"x": steps, "y": self._whole_height},
            colors=["#8a949e"],
            stroke_width=1.0,
            line_style="dotted",
        )
        self.figure = self._make_figure()
        style = HTML(f"<style>{HIDES_KEPT}</style>", layout={"display": "none"})
        self.view = _View([style, self.figure])
        self.view.add_class(ALIVE)

    def _make_figure(self) -> Figure:
        self._loss_axis = Axis(
            scale=self._loss_scale,
            side="left",
            label="loss (diamonds: validation)",
            label_color=looks.CURVE,
            label_offset="46px",
            tick_format="~g",
            grid_lines="none",
        )
        self._lr_axis = Axis(
            scale=self._lr_scale,
            side="right",
            label="learning rate",
            label_color=looks.PICK,
            label_offset="56px",
            tick_format="~e",
            grid_lines="none",
        )
        self._step_axis = Axis(
            scale=self._steps,
            label="step",
            label_color=looks.EARLIER,  # default: orange in dark themes, like the LR
            tick_format=",~r",
            grid_lines="none",
        )
        return Figure(
            marks=[self._marks, self._lr, self._loss, self._points],
            axes=[self._step_axis, self._loss_axis, self._lr_axis],
            # Its default scales would be two more widgets to send.
            scale_x=self._steps,
            scale_y=self._whole_height,
            fig_margin={"top": 12, "bottom": 48, "left": 62, "right": 72},
            padding_y=0.0,
            display_toolbar=False,
            layout={"height": "320px", "width": "100%", "min_width": "0"},
        )

    def mark_epoch(self, steps: int, validation_loss: float | None) -> None:
        """Remember the end of an epoch, after `steps` steps, for the next redraw."""
        self._epoch_ends.append(steps)
        if validation_loss is not None and np.isfinite(validation_loss):
            self._validation.append((steps, float(validation_loss)))

    def draw(self, lrs: FloatArray, losses: FloatArray, over: bool = False) -> None:
        """Draw the steps so far.

        The axes do not change while the data fit well, since each changed axis costs a message.

        Args:
            lrs: Learning rates of the steps so far, shape (n,), n >= 0.
            losses: Their losses, shape (n,); NaN and infinite losses leave a gap.
            over: Whether `fit` has ended, so that no space for more steps is needed.
        """
        if not len(lrs):
            return
        ahead = 0.02 if over else ROOM_AHEAD
        steps = np.arange(1, len(lrs) + 1, dtype=np.float64)
        validation = np.array(self._validation).reshape(-1, 2)
        if _show(self._steps, 0.0, steps[-1], 0.0, ahead, over):
            self._step_axis.tick_values = axis.linear_ticks(0.0, self._steps.max)
        seen = limits_without_spikes(np.concatenate([losses, validation[:, 1]]))
        _show(self._loss_scale, *seen, 0.05, 0.05, over)
        _show(self._lr_scale, 0.0, float(np.fmax.reduce(lrs, initial=0.0)), 0.0, ahead, over)
        low, high = self._loss_scale.min, self._loss_scale.max
        tamed = np.where(np.isfinite(losses), axis.LINEAR.clipped(losses, low, high), np.nan)
        set_points(self._loss, thinned(steps), thinned(tamed))
        set_points(self._lr, thinned(steps), thinned(lrs))
        if len(self._points.x) != len(validation):
            set_points(self._points, validation[:, 0], validation[:, 1])
        if self._marked != len(self._epoch_ends):
            self._marked = len(self._epoch_ends)
            set_points(self._marks, *epoch_lines(self._epoch_ends))


def thinned(values: FloatArray) -> FloatArray:
    """Return at most MAX_POINTS values, each the mean of equally many neighbors.

    >>> thinned(np.arange(2000.0))[:3]
    array([0.5, 2.5, 4.5])
    """
    width = -(-len(values) // MAX_POINTS)
    if width <= 1:
        return values
    starts = np.arange(0, len(values), width)
    return np.add.reduceat(values, starts) / np.diff([*starts, len(values)])


def limits_without_spikes(losses: FloatArray) -> tuple[float, float]:
    """Return the lowest and highest loss to show, without the highest 0.5 % of the losses."""
    finite = losses[np.isfinite(losses)]
    if not len(finite):
        return 0.0, 1.0
    return float(finite.min()), float(np.percentile(finite, 99.5))


def epoch_lines(ends: list[int]) -> tuple[FloatArray, FloatArray]:
    """Return x and y of vertical lines at the ends of epochs, as one line with gaps."""
    shown = np.array(ends[:: 1 + len(ends) // MAX_EPOCH_MARKS], dtype=np.float64)
    return np.repeat(shown, 3), np.tile([0.0, 1.0, np.nan], len(shown))


def _show(
    scale: LinearScale, low: float, high: float, below: float, above: float, exactly: bool
) -> bool:
    """Make a scale cover `low` to `high`; return whether it changed.

    Args:
        below: Space to leave below, as a fraction of the range.
        above: Space to leave above, as a fraction of the range.
        exactly: Whether to change even if the range fits and fills most of the scale.
    """
    fits = scale.min <= low and high <= scale.max
    if fits and not exactly and high - low > MOSTLY * (scale.max - scale.min):
        return False
    height = (high - low) or abs(high) or 1.0
    limits = low - below * height, high + above * height
    if (scale.min, scale.max) == limits:
        return False
    with scale.hold_sync():
        scale.min, scale.max = limits
    return True
