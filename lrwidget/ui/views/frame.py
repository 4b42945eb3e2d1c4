"""Frame: the figure of the plot with its marks and axes, in which a person can zoom and move."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from bqplot import Axis, Figure, Scale
from bqplot.interacts import BrushSelector, PanZoom
from ipywidgets import Widget

from lrwidget.ui.looks.axis import AxisKind
from lrwidget.ui.looks.colors import EARLIER
from lrwidget.ui.views.marks import Marks
from lrwidget.ui.views.tree import descendants

HEIGHT = 400
_FARTHEST, _CLOSEST = 2.0, 1e-3
"""How far a person can move away and zoom in, in widths of the whole plot."""

MARGIN = {"top": 12, "bottom": 48, "left": 62, "right": 18}


class Frame:
    """A figure with a learning-rate axis and a loss axis.

    Args:
        lr_axis: The kind of the axis of learning rates.
        loss_axis: The kind of the axis of losses.
        on_view: Called when a person shows another part of the plot.
        on_box: Called when a person has drawn a box and it is shown.

    Attributes:
        lr_axis, loss_axis: The same kinds.
        marks: All marks of the figure.
        figure: The figure.
        is_zoomed: Whether a person has chosen the part to show, which `fit` then does not change.
    """

    def __init__(
        self,
        lr_axis: AxisKind,
        loss_axis: AxisKind,
        on_view: Callable[[], None],
        on_box: Callable[[], None],
    ) -> None:
        self.lr_axis, self.loss_axis = lr_axis, loss_axis
        self._on_view, self._on_box = on_view, on_box
        self.marks = Marks(lr_axis, loss_axis)
        self.is_zoomed = False
        self._whole: dict[str, tuple[float, float]] = {}
        self._is_fitting = False
        self._x_axis = Axis(
            scale=self.marks.x_scale,
            label="learning rate",
            tick_format="~e" if lr_axis.is_log else "~g",
        )
        self._y_axis = Axis(
            scale=self.marks.y_scale,
            side="left",
            label="loss",
            label_offset="46px",
            tick_format="~g",
            visible=False,
        )
        self.figure = Figure(
            marks=self.marks.all(),
            axes=[self._x_axis, self._y_axis],
            fig_margin=MARGIN,
            padding_y=0.0,
            display_toolbar=False,
            layout={"height": f"{HEIGHT}px", "width": "100%", "min_width": "0"},
        )
        self.figure.add_class("lrw-plot")
        for axis, kind in ((self._x_axis, lr_axis), (self._y_axis, loss_axis)):
            # One at a time, PanZoom moves both ends in one message.
            name = "x" if axis is self._x_axis else "y"
            axis.scale.observe(partial(self._scaled, name, axis, kind), ["min", "max"])

    @property
    def span(self) -> tuple[float, float]:
        """The lowest and the highest learning rate on show."""
        return self.marks.x_scale.min, self.marks.x_scale.max

    @property
    def limits(self) -> tuple[float, float]:
        """The lowest and the highest loss on show."""
        return self.marks.y_scale.min, self.marks.y_scale.max

    def fit_lrs(self, low: float, high: float) -> None:
        """Show these learning rates, unless a person has zoomed; Reset returns to them."""
        self._fit("x", self.marks.x_scale, low, high)

    def fit_losses(self, low: float, high: float) -> None:
        """Show these losses, unless a person has zoomed; Reset returns to them."""
        self._fit("y", self.marks.y_scale, low, high)

    def _fit(self, name: str, scale: Scale, low: float, high: float) -> None:
        self._whole[name] = float(low), float(high)
        if not self.is_zoomed:
            self._show(scale, low, high)

    def _show(self, scale: Scale, low: float, high: float) -> None:
        if (scale.min, scale.max) == (low, high):
            return
        self._is_fitting = True
        try:
            with scale.hold_sync(), scale.hold_trait_notifications():
                scale.min, scale.max = float(low), float(high)
        finally:
            self._is_fitting = False

    def reset(self) -> None:
        """Show everything again."""
        self.is_zoomed = False
        for name, scale in (("x", self.marks.x_scale), ("y", self.marks.y_scale)):
            if name in self._whole:
                self._show(scale, *self._whole[name])

    def name_loss_axis(self, name: str, is_visible: bool) -> None:
        """Write a name at the loss axis, and show or hide the axis."""
        self._y_axis.label, self._y_axis.visible = name, is_visible

    def use(self, tool: str) -> None:
        """Give the mouse another tool; see `PlotView`."""
        last, self.figure.interaction = self.figure.interaction, self._tool(tool)
        if last is not None:
            last.close()

    def _tool(self, name: str) -> Widget | None:
        x_scale, y_scale = self.marks.x_scale, self.marks.y_scale
        if name == "move":
            return PanZoom(scales={"x": [x_scale], "y": [y_scale]})
        if name == "box":
            box = BrushSelector(x_scale=x_scale, y_scale=y_scale, marks=[], color=EARLIER)
            box.observe(self._drawn, "brushing")
            return box
        return None

    def _scaled(self, name: str, axis: Axis, kind: AxisKind, _change: Any) -> None:
        low, high = axis.scale.min, axis.scale.max
        if not self._is_fitting and self._is_lost(name, kind, low, high):
            self.is_zoomed = True
            self.reset()
            return
        axis.tick_values = kind.ticks(low, high)
        if not self._is_fitting:
            self.is_zoomed = True
            self._on_view()

    def _is_lost(self, name: str, kind: AxisKind, low: Any, high: Any) -> bool:
        """Return whether a person has zoomed out, or in, so far that nothing can be drawn."""
        if (
            name not in self._whole
            or None in (low, high)
            or not low < high
            or (kind.is_log and low <= 0)
        ):
            return True
        ends = kind.fractions(np.array([low, high]), *self._whole[name])
        return bool((np.abs(ends) > _FARTHEST).any() or ends[1] - ends[0] < _CLOSEST)

    def _drawn(self, change: Any) -> None:
        box = change.owner
        if change.new or box.selected_x is None or box.selected_y is None:
            return
        ends = {self.marks.x_scale: box.selected_x, self.marks.y_scale: box.selected_y}
        for scale, (one, other) in ends.items():
            low, high = sorted((float(one), float(other)))
            if low < high:
                self._show(scale, low, high)
        self.is_zoomed = True
        self._on_box()
        self._on_view()

    def close(self) -> None:
        """Free all widgets of the figure."""
        for part in descendants(self.figure):
            part.close()
