"""Plot: draws the curve, the markers of the rules and the pick; reports clicks on them."""

from collections.abc import Callable
from typing import Any

import numpy as np
from bqplot import Axis, Figure, Lines, Scatter
from ipywidgets import HTML, Box, Label

from lrwidget.core.curve.ladder import FloatArray
from lrwidget.core.range_test.settings import FEWEST_STEPS_WITH_PROBE
from lrwidget.ui.looks import axis
from lrwidget.ui.looks import colors as looks
from lrwidget.ui.looks.drawing import set_points
from lrwidget.ui.state.drawn_curve import LOSSES
from lrwidget.ui.state.guard import Guarded
from lrwidget.ui.state.state import LEFT_TO_PROBE, WidgetState
from lrwidget.ui.views.marks import Marks
from lrwidget.ui.views.showing import ShowLine
from lrwidget.ui.views.thinning import COLUMNS, RAW_COLUMNS, shown_points
from lrwidget.ui.views.zones import draw_zones
from lrwidget.ui.words import text

HEIGHT = "400px"
INVITATION = "Press Run to draw the loss at each learning rate here."
AUTO_INVITATION = "Press Run: a probe finds the range, then the loss is drawn here."
AFTER_A_FAILURE = "The last run has no curve. Press Run to try again."
KEY = (
    f'<span class="lrw-line" style="border-top: 2.5px solid {looks.CURVE}"></span>smoothed'
    f'<span class="lrw-line" style="border-top: 1px solid {looks.CURVE}; opacity: .6"></span>'
    "each batch"
)
KEY_OF_COMPARED = '<span class="lrw-dot"></span>loss after training'


class Plot(Box):
    """The plot of a range test.

    Args:
        state: Observed; the plot never changes it.
        on_pick: Called with the learning rate of the point nearest to a click.
        on_show: Called with the name of the curve to show.
        on_earlier: Called with whether earlier tests are to be shown.
        guarded: Wraps a handler so that its errors reach the user.

    Attributes:
        marks: All marks of the figure.
    """

    def __init__(
        self,
        state: WidgetState,
        on_pick: Callable[[float], None],
        on_show: Callable[[str], None],
        on_earlier: Callable[[bool], None],
        guarded: Guarded,
    ) -> None:
        self._state = state
        self._on_pick = on_pick
        self._columns = np.empty(0)
        self.marks = Marks()
        self._hint = Label()
        self._cursor = looks.show_as_text(Label())
        self._key = HTML(KEY)
        for name, part in {"hint": self._hint, "cursor": self._cursor, "key": self._key}.items():
            part.add_class(f"lrw-{name}")
        show = ShowLine(state, on_show, on_earlier, guarded)
        super().__init__([self._make_figure(), self._hint, self._cursor, show, self._key])
        self.add_class("lrw-stage")
        self.marks.hits.on_element_click(guarded(self._clicked))
        self.marks.hits.on_hover(guarded(self._hovered))
        state.observe(self._draw_range, ["ladder", "min_lr", "max_lr"])
        state.observe(self._draw_curve, ["curve"])
        state.history.observe(self._draw_earlier, "runs")
        of_earlier = ["result", "earlier_shown", "show", "smoothing"]
        state.observe(self._draw_earlier, of_earlier)
        state.observe(self._draw_hint, ["curve", "status", "steps", *LEFT_TO_PROBE.values()])
        state.observe(self._draw_rules, ["curve", "suggestions", "rules_shown"])
        state.observe(self._draw_zones, ["zones", "ladder", "show", "model_now"])
        state.observe(self._draw_pick, ["curve", "picked_lr", "plan"])
        state.observe(self._draw_compared, ["curve", "compared"])
        self._draw_range()
        self._draw_hint()

    def _make_figure(self) -> Figure:
        self._x_axis = Axis(scale=self.marks.x_scale, label="learning rate", tick_format=".0e")
        self._y_axis = Axis(
            scale=self.marks.y_scale,
            side="left",
            label="loss",
            label_offset="46px",
            tick_format="~g",
            visible=False,
        )
        figure = Figure(
            marks=self.marks.all(),
            axes=[self._x_axis, self._y_axis],
            fig_margin={"top": 12, "bottom": 48, "left": 62, "right": 18},
            padding_y=0.0,
            display_toolbar=False,
            layout={"height": HEIGHT, "width": "100%", "min_width": "0"},
        )
        figure.add_class("lrw-plot")
        return figure

    def _draw_range(self, _change: Any = None) -> None:
        """Draw the range of the displayed test; before one, that of the settings."""
        state = self._state
        if state.ladder is not None:
            self._set_range(state.ladder[0], state.ladder[-1])
            self._put_columns(state.ladder)
        elif 0 < state.min_lr < state.max_lr < np.inf:
            self._set_range(state.min_lr, state.max_lr)

    def _set_range(self, low: float, high: float) -> None:
        scale = self.marks.x_scale
        with scale.hold_sync():
            scale.min, scale.max = float(low), float(high)
        self._x_axis.tick_values = axis.decade_ticks(low, high)

    def _put_columns(self, ladder: FloatArray) -> None:
        self._columns = axis.hit_columns(ladder)
        set_points(self.marks.hits, self._columns, np.ones(len(self._columns)))

    def _draw_curve(self, _change: Any = None) -> None:
        curve, marks = self._state.curve, self.marks
        self._y_axis.visible = len(curve) > 0
        self._y_axis.label = text.name_of(self._state.show)
        if not len(curve):
            for line in (marks.raw, marks.smoothed):
                set_points(line, curve.lrs, curve.losses)
            set_points(marks.band, [], [])
            return
        low, high = self._limits()
        self._set_limits(low, high)
        self._put_line(marks.raw, curve.lrs, axis.tame(curve.losses, low, high), RAW_COLUMNS)
        self._put_line(marks.smoothed, curve.lrs, axis.tame(curve.smoothed, low, high), COLUMNS)
        self._draw_band(low, high)

    def _put_line(self, line: Lines, lrs: FloatArray, values: FloatArray, columns: int) -> None:
        kept = shown_points(lrs, values, self._span(), columns)
        set_points(line, lrs[kept], values[kept])

    def _span(self) -> tuple[float, float]:
        return self.marks.x_scale.min, self.marks.x_scale.max

    def _limits(self) -> tuple[float, float]:
        """Return the lower and the upper end of the vertical axis."""
        state, curve = self._state, self._state.curve
        if state.show in LOSSES:
            return axis.loss_limits(curve.losses, curve.smoothed)
        loss = state.measured.curve("loss", state.smoothing)
        calm_until = loss.lrs[int(np.argmin(loss.smoothed))]
        return axis.value_limits(curve.losses, curve.losses[curve.lrs <= calm_until])

    def _draw_band(self, low: float, high: float) -> None:
        state = self._state
        band = state.measured.band(state.smoothing)
        if state.show != "loss" or not band.size:
            set_points(self.marks.band, [], [])
            return
        lrs = state.measured.lrs
        # Keep the narrowest and the widest place in each column.
        kept = shown_points(lrs, band[1] - band[0], self._span(), COLUMNS // 2)
        set_points(self.marks.band, lrs[kept], axis.tame(band[:, kept], low, high))

    def _set_limits(self, low: float, high: float) -> None:
        scale = self.marks.y_scale
        if (scale.min, scale.max) == (low, high):
            return
        with scale.hold_sync():
            scale.min, scale.max = low, high
        self._y_axis.tick_values = axis.loss_ticks(low, high)

    def _draw_earlier(self, _change: Any = None) -> None:
        lrs, heights, colors = [], [], []
        for run in self._state.earlier:
            curve = run.measured.curve(self._state.show, self._state.smoothing)
            if len(curve):
                low, high = axis.loss_limits(curve.losses, curve.smoothed)
                height = axis.tame(curve.smoothed, low, high)
                span = (curve.lrs[0], curve.lrs[-1])
                kept = shown_points(curve.lrs, height, span, COLUMNS // len(self._state.earlier))
                lrs.append(curve.lrs[kept])
                heights.append(height[kept])
                colors.append(looks.run_color(run.number))
        self.marks.earlier.colors = colors or [looks.EARLIER]
        set_points(self.marks.earlier, _as_rows(lrs), _as_rows(heights))

    def _draw_hint(self, _change: Any = None) -> None:
        state = self._state
        is_empty = len(state.curve) < 2 and not state.is_busy
        is_probed = state.auto_range and state.steps >= FEWEST_STEPS_WITH_PROBE
        invitation = AUTO_INVITATION if is_probed else INVITATION
        if state.status != "idle":
            invitation = AFTER_A_FAILURE
        self._hint.value = invitation if is_empty and state.has_model else ""

    def _draw_zones(self, _change: Any = None) -> None:
        draw_zones(self.marks, self._state)

    def _draw_rules(self, _change: Any = None) -> None:
        spans, heights, colors = [], [], []
        for rule, marker in self.marks.rules.items():
            is_shown = rule == "auto" or self._state.rules_shown
            suggestion = self._state.suggestion(rule) if is_shown else None
            self._put_point(marker, suggestion.lr if suggestion else None)
            if suggestion is None or suggestion.low is None or suggestion.lr is None:
                continue
            height = self._state.curve.height(suggestion.lr)
            if height is not None:
                spans.append([suggestion.low, suggestion.high])
                heights.append([height, height])
                colors.append(looks.of_rule(rule).color)
        self.marks.intervals.colors = colors or [looks.EARLIER]
        set_points(self.marks.intervals, spans, heights)

    def _draw_compared(self, _change: Any = None) -> None:
        """Draw what training has given at each compared learning rate."""
        curve, (low, high) = self._state.curve, self._span()
        drawn = [each for each in self._state.compared if len(curve) and low <= each.lr <= high]
        lrs = [each.lr for each in drawn]
        heights = [curve.height(lr) for lr in lrs]
        if not drawn and not self.marks.compared.x.size:
            return
        self._key.value = KEY + KEY_OF_COMPARED if drawn else KEY
        self.marks.compared.colors = [looks.variant_look(e.place).color for e in drawn] or ["gray"]
        set_points(self.marks.compared, lrs, heights)
        with self.marks.scores.hold_sync():
            self.marks.scores.text = np.array([text.format_loss(each.score) for each in drawn])
            set_points(self.marks.scores, lrs, heights)

    def _draw_pick(self, _change: Any = None) -> None:
        lr, low = self._state.picked_lr, self._state.low_lr
        self._put_point(self.marks.pick_point, lr)
        for line, at in ((self.marks.pick_line, lr), (self.marks.low_line, low)):
            set_points(line, *(([], []) if at is None else ([at, at], [0.0, 1.0])))

    def _put_point(self, mark: Scatter, lr: float | None) -> None:
        height = None if lr is None else self._state.curve.height(lr)
        set_points(mark, *(([], []) if height is None else ([lr], [height])))

    def _lr_under(self, content: dict[str, Any]) -> float | None:
        """Return the learning rate of the column in a message from the browser."""
        column = content.get("data", {}).get("index")
        if column is None or not len(self._columns):
            return None
        return float(self._columns[int(column)])

    def _clicked(self, _mark: Any, content: dict[str, Any]) -> None:
        lr, measured = self._lr_under(content), self._state.measured
        if lr is not None and len(measured):
            self._on_pick(float(measured.lrs[measured.nearest(lr)]))

    def _hovered(self, _mark: Any, content: dict[str, Any]) -> None:
        lr, curve = self._lr_under(content), self._state.curve
        if lr is not None and len(curve):
            index = curve.nearest(lr)
            self._cursor.value = (
                f"LR {text.format_lr(curve.lrs[index])}   "
                f"{text.name_of(self._state.show)} {text.format_loss(curve.losses[index])}   "
                f"smoothed {text.format_loss(curve.smoothed[index])}"
            )


def _as_rows(curves: list[FloatArray]) -> FloatArray:
    """Return curves of different lengths as rows, each filled up with its last value.

    With NaN instead, bqplot would place the hidden name of a curve at an undefined position.
    """
    longest = max(map(len, curves), default=0)
    rows = [np.pad(each, (0, longest - len(each)), mode="edge") for each in curves]
    return np.array(rows) if rows else np.empty(0)
