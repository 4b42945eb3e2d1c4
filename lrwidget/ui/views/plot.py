"""Plot: the figure of a test with its tools; reports clicks on it."""

from collections.abc import Callable
from typing import Any

import numpy as np
from ipywidgets import HTML, Box, Label

from lrwidget.core.range_test.settings import FEWEST_STEPS_WITH_PROBE
from lrwidget.ui.looks import axis
from lrwidget.ui.looks import colors as looks
from lrwidget.ui.looks.drawing import set_points
from lrwidget.ui.state.guard import Guarded
from lrwidget.ui.state.state import LEFT_TO_PROBE, WidgetState
from lrwidget.ui.views.axis_sliders import AxisSliders
from lrwidget.ui.views.drawing import Drawing
from lrwidget.ui.views.frame import Frame
from lrwidget.ui.views.marks import Marks
from lrwidget.ui.views.showing import ShowLine
from lrwidget.ui.words import text

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
        state: Observed; of its facts, the plot changes only those of `state.view`.
        on_pick: Called with the learning rate of the point nearest to a click.
        sliders: Move the pick; on the axis.
        show: Chooses what is on show; below the axis.
        guarded: Wraps a handler so that its errors reach the user.
    """

    def __init__(
        self,
        state: WidgetState,
        on_pick: Callable[[float], None],
        sliders: AxisSliders,
        show: ShowLine,
        guarded: Guarded,
    ) -> None:
        self._state, self._on_pick, self._guarded = state, on_pick, guarded
        self._sliders = sliders
        self._columns = np.empty(0)
        self._hint = Label()
        self._cursor = looks.show_as_text(Label())
        self._key = HTML(KEY)
        for name, part in {"hint": self._hint, "cursor": self._cursor, "key": self._key}.items():
            part.add_class(f"lrw-{name}")
        self._new_frame()
        self._around = [self._hint, self._cursor, self._sliders, show, self._key]
        super().__init__([self._frame.figure, *self._around])
        self.add_class("lrw-stage")
        self._draw_on_changes()
        self._draw_range()
        self._draw_hint()

    @property
    def marks(self) -> Marks:
        """All marks of the figure."""
        return self._frame.marks

    def _draw_on_changes(self) -> None:
        state = self._state

        def on(names: list[str], draw: str) -> None:
            state.observe(lambda _change: getattr(self._drawing, draw)(), names)

        state.observe(self._match_axes, ["curve", "ladder_mode"])
        state.view.observe(self._match_axes, "has_log_loss")
        state.observe(self._draw_range, ["ladder", "min_lr", "max_lr"])
        on(["curve"], "curve")
        state.history.observe(lambda _change: self._drawing.earlier(), "runs")
        on(["result", "earlier_shown", "show", "smoothing"], "earlier")
        state.observe(self._draw_hint, ["curve", "status", "steps", *LEFT_TO_PROBE.values()])
        on(["curve", "suggestions", "rules_shown"], "rules")
        on(["zones", "ladder", "show", "model_now"], "zones")
        on(["curve", "picked_lr", "plan"], "pick")
        on(["curve", "compared"], "compared")
        state.observe(self._draw_key, ["curve", "compared"])
        state.view.observe(self._take_tool, "tool")
        state.observe(self._point_at_nothing, ["ladder", "picked_lr", "show"])
        state.view.observe(self._draw_zoom, "is_zoomed")

    def _new_frame(self) -> None:
        kinds = self._axis_kinds()
        self._frame = Frame(*kinds, self._guarded(self._zoomed), self._boxed)
        self._drawing = Drawing(self._state, self._frame)
        self._sliders.put_on(self._frame)
        self.marks.hits.on_element_click(self._guarded(self._clicked))
        self.marks.hits.on_hover(self._guarded(self._hovered))

    def _axis_kinds(self) -> tuple[axis.AxisKind, axis.AxisKind]:
        state = self._state
        return (
            axis.LINEAR if state.ladder_mode == "linear" else axis.LOG,
            axis.LOG if state.has_log_loss else axis.LINEAR,
        )

    def _match_axes(self, _change: Any = None) -> None:
        """Make a new frame if the axes must be of another kind: bqplot cannot change them."""
        last = self._frame
        if (last.lr_axis, last.loss_axis) == self._axis_kinds():
            return
        self._new_frame()
        self._frame.use(self._state.view.tool)
        self.children = [self._frame.figure, *self._around]
        last.close()
        self._state.view.is_zoomed = False
        self._draw_range()
        self._drawing.everything()

    def _draw_range(self, _change: Any = None) -> None:
        """Draw the range of the displayed test; before one, that of the settings."""
        state = self._state
        if state.ladder is not None:
            self._frame.fit_lrs(state.ladder[0], state.ladder[-1])
        elif 0 < state.min_lr < state.max_lr < np.inf:
            self._frame.fit_lrs(state.min_lr, state.max_lr)
        self._put_columns()

    def _put_columns(self) -> None:
        """Put a column for the mouse at each learning rate on show."""
        ladder = self._state.ladder
        if ladder is None:
            return
        low, high = self._frame.span
        first, last = np.searchsorted(ladder, [low * (1 - 1e-9), high * (1 + 1e-9)])
        on_show = ladder[first:last]
        if len(on_show) < 2:
            on_show = np.array([low, high])
        self._columns = axis.hit_columns(on_show, self._frame.lr_axis)
        set_points(self.marks.hits, self._columns, np.ones(len(self._columns)))
        self._sliders.place()

    def _zoomed(self) -> None:
        """Draw for the part of the plot that a person shows now."""
        self._state.view.is_zoomed = True
        self._put_columns()
        self._drawing.everything()

    def _take_tool(self, change: Any) -> None:
        self._frame.use(change.new)
        self._point_at_nothing()

    def _point_at_nothing(self, _change: Any = None) -> None:
        """Forget where the mouse was: the plot under it has changed, or reports it no more."""
        self._drawing.point(self.marks.here, None)
        self._cursor.value = ""

    def _boxed(self) -> None:
        self._state.view.tool = "pick"

    def _draw_zoom(self, change: Any) -> None:
        if not change.new and self._frame.is_zoomed:
            self._frame.reset()
            self._put_columns()
            self._drawing.everything()

    def _draw_hint(self, _change: Any = None) -> None:
        state = self._state
        is_empty = len(state.curve) < 2 and not state.is_busy
        is_probed = state.auto_range and state.steps >= FEWEST_STEPS_WITH_PROBE
        invitation = AUTO_INVITATION if is_probed else INVITATION
        if state.status != "idle":
            invitation = AFTER_A_FAILURE
        self._hint.value = invitation if is_empty and state.has_model else ""

    def _draw_key(self, _change: Any = None) -> None:
        self._key.value = KEY + KEY_OF_COMPARED if self.marks.compared.x.size else KEY

    def _lr_under(self, content: dict[str, Any]) -> float | None:
        """Return the learning rate of the column in a message from the browser."""
        column = content.get("data", {}).get("index")
        if column is None or not int(column) < len(self._columns):
            return None
        return float(self._columns[int(column)])

    def _clicked(self, _mark: Any, content: dict[str, Any]) -> None:
        lr, measured = self._lr_under(content), self._state.measured
        if lr is not None and len(measured):
            self._on_pick(float(measured.lrs[self._frame.lr_axis.nearest(measured.lrs, lr)]))

    def _hovered(self, _mark: Any, content: dict[str, Any]) -> None:
        lr, curve = self._lr_under(content), self._state.curve
        if lr is None or not len(curve):
            return
        index = self._frame.lr_axis.nearest(curve.lrs, lr)
        self._drawing.point(self.marks.here, float(curve.lrs[index]))
        self._cursor.value = (
            f"LR {text.format_lr(curve.lrs[index])}   "
            f"{text.name_of(self._state.show)} {text.format_loss(curve.losses[index])}   "
            f"smoothed {text.format_loss(curve.smoothed[index])}"
        )
