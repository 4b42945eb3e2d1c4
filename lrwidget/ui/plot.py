"""The figure: draws the curve, the rules' markers and the pick; reports where it is pointed at."""

from collections.abc import Callable
from typing import Any

import numpy as np
from bqplot import Axis, Bars, Figure, LinearScale, Lines, LogScale, Scatter
from ipywidgets import HTML, Box, Label

from lrwidget.core.ladder import FloatArray
from lrwidget.core.rules import RULES
from lrwidget.ui import axis, looks, text
from lrwidget.ui.guard import Shown
from lrwidget.ui.state import WidgetState

HEIGHT = "400px"
INVITATION = "Press Run: the loss at each learning rate will be drawn here."
KEY = (
    f'<span class="lrw-line" style="border-top: 2.5px solid {looks.CURVE}"></span>smoothed'
    f'<span class="lrw-line" style="border-top: 1px solid {looks.CURVE}; opacity: .6"></span>'
    "each batch"
)


class Plot(Box):
    """The plot of a range test.

    Args:
        state: Observed; never changed from here.
        on_pick: Called with the learning rate of the point that a click is nearest to.
        shown: Wraps a handler so that its errors reach the user.
    """

    def __init__(
        self,
        state: WidgetState,
        on_pick: Callable[[float], None],
        shown: Shown,
    ) -> None:
        self._state = state
        self._on_pick = on_pick
        self._columns = np.empty(0)
        self._make_marks()
        self._hint = Label(INVITATION)
        self._cursor = Label()
        self._hint.add_class("lrw-hint")
        self._cursor.add_class("lrw-cursor")
        key = HTML(KEY)
        key.add_class("lrw-key")
        super().__init__([self._make_figure(), self._hint, self._cursor, key])
        self.add_class("lrw-stage")
        self._hits.on_element_click(shown(self._clicked))
        self._hits.on_hover(shown(self._hovered))
        state.observe(self._draw_range, ["ladder", "min_lr", "max_lr"])
        state.observe(self._draw_curve, ["curve"])
        state.observe(self._draw_hint, ["curve", "status"])
        state.observe(self._draw_rules, ["curve", "suggestions"])
        state.observe(self._draw_pick, ["curve", "picked_lr"])
        self._draw_range()

    def _make_marks(self) -> None:
        self._scales = {
            "x": LogScale(min=1e-7, max=10.0, allow_padding=False),
            "y": LinearScale(min=0.0, max=1.0, allow_padding=False),
        }
        # Full height whatever the loss is: what stands on this scale is never redrawn for it.
        full_height = {"x": self._scales["x"], "y": LinearScale(min=0.0, max=1.0)}
        line = {"scales": self._scales, "x": [], "y": [], "enable_hover": False}
        self._raw = Lines(**line, colors=[looks.CURVE], stroke_width=1.0, opacities=[0.65])
        self._smoothed = Lines(**line, colors=[looks.CURVE], stroke_width=2.5)
        self._pick_line = Lines(
            scales=full_height,
            x=[],
            y=[],
            colors=[looks.PICK],
            stroke_width=1.5,
            line_style="dashed",
            enable_hover=False,
        )
        self._pick_point = Scatter(
            **line,
            colors=[looks.PICK],
            fill=False,
            stroke=looks.PICK,
            stroke_width=2.5,
            default_size=240,
        )
        self._rules = {
            rule: Scatter(
                **line,
                marker=looks.of_rule(rule).marker,
                colors=[looks.of_rule(rule).colour],
                default_size=looks.of_rule(rule).size,
            )
            for rule in RULES
        }
        # Nothing else in bqplot reports a click on an empty place. It draws bars up to a pixel too
        # narrow; the stroke closes these gaps, and a wider one would cover the neighbours.
        self._hits = Bars(
            scales=full_height,
            x=[],
            y=[],
            opacities=[0],
            padding=0,
            stroke="black",
            stroke_width=1.0,
        )

    def _make_figure(self) -> Figure:
        self._x_axis = Axis(scale=self._scales["x"], label="learning rate", tick_format=".0e")
        self._y_axis = Axis(
            scale=self._scales["y"],
            side="left",
            label="loss",
            label_offset="46px",
            tick_format="~g",
            visible=False,
        )
        marks = [self._raw, self._smoothed, self._pick_line]
        figure = Figure(
            marks=[*marks, *self._rules.values(), self._pick_point, self._hits],
            axes=[self._x_axis, self._y_axis],
            fig_margin={"top": 12, "bottom": 48, "left": 62, "right": 18},
            padding_y=0.0,
            display_toolbar=False,
            layout={"height": HEIGHT, "width": "100%", "min_width": "0"},
        )
        figure.add_class("lrw-plot")
        return figure

    def _draw_range(self, _change: Any = None) -> None:
        """Draw the range of the test on show; before the first one, the range that is set."""
        state = self._state
        if state.ladder is not None:
            self._set_range(state.ladder[0], state.ladder[-1])
            self._put_columns(state.ladder)
        elif 0 < state.min_lr < state.max_lr < np.inf:
            self._set_range(state.min_lr, state.max_lr)

    def _set_range(self, low: float, high: float) -> None:
        with self._scales["x"].hold_sync():
            self._scales["x"].min, self._scales["x"].max = float(low), float(high)
        self._x_axis.tick_values = axis.decade_ticks(low, high)

    def _put_columns(self, ladder: FloatArray) -> None:
        self._columns = axis.hit_columns(ladder)
        self._put(self._hits, self._columns, np.ones(len(self._columns)))

    def _draw_curve(self, _change: Any = None) -> None:
        curve = self._state.curve
        self._y_axis.visible = len(curve) > 0
        if not len(curve):
            for line in (self._raw, self._smoothed):
                self._put(line, curve.lrs, curve.losses)
            return
        low, high = axis.loss_limits(curve.losses, curve.smoothed)
        self._set_limits(low, high)
        self._put(self._raw, curve.lrs, axis.tame(curve.losses, low, high))
        self._put(self._smoothed, curve.lrs, axis.tame(curve.smoothed, low, high))

    def _set_limits(self, low: float, high: float) -> None:
        scale = self._scales["y"]
        if (scale.min, scale.max) == (low, high):
            return
        with scale.hold_sync():
            scale.min, scale.max = low, high
        self._y_axis.tick_values = axis.loss_ticks(low, high)

    def _draw_hint(self, _change: Any = None) -> None:
        is_empty = len(self._state.curve) < 2 and not self._state.is_busy
        self._hint.value = INVITATION if is_empty else ""

    def _draw_rules(self, _change: Any = None) -> None:
        for rule, marker in self._rules.items():
            suggestion = self._state.suggestion(rule)
            self._put_point(marker, suggestion.lr if suggestion else None)

    def _draw_pick(self, _change: Any = None) -> None:
        lr = self._state.picked_lr
        self._put_point(self._pick_point, lr)
        self._put(self._pick_line, *(([], []) if lr is None else ([lr, lr], [0.0, 1.0])))

    def _put_point(self, mark: Scatter, lr: float | None) -> None:
        height = None if lr is None else self._state.curve.height(lr)
        self._put(mark, *(([], []) if height is None else ([lr], [height])))

    def _put(self, mark: Any, x: Any, y: Any) -> None:
        """Move a mark in one message; float64, because one narrower array breaks it for good."""
        with mark.hold_sync():
            mark.x, mark.y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)

    def _point_under(self, content: dict[str, Any]) -> int | None:
        """Return the index of the curve's point nearest to the column that a message names."""
        column = content.get("data", {}).get("index")
        if column is None or not len(self._state.curve):
            return None
        return self._state.curve.nearest(float(self._columns[int(column)]))

    def _clicked(self, _mark: Any, content: dict[str, Any]) -> None:
        index = self._point_under(content)
        if index is not None:
            self._on_pick(float(self._state.curve.lrs[index]))

    def _hovered(self, _mark: Any, content: dict[str, Any]) -> None:
        index = self._point_under(content)
        if index is not None:
            curve = self._state.curve
            self._cursor.value = (
                f"LR {text.format_lr(curve.lrs[index])}   "
                f"loss {text.format_loss(curve.losses[index])}   "
                f"smoothed {text.format_loss(curve.smoothed[index])}"
            )
