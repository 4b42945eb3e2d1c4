"""ShowLine: chooses the displayed curve and how it is shown; below the axis."""

from collections.abc import Callable
from typing import Any

from ipywidgets import Checkbox, Dropdown, HBox

from lrwidget.ui.state.guard import Guarded
from lrwidget.ui.state.state import WidgetState
from lrwidget.ui.views.tools import Tools
from lrwidget.ui.words import text


class ShowLine(HBox):
    """The displayed curve and earlier runs, where there is something to choose, and the tools.

    Args:
        state: Observed.
        on_show: Called with the name of the curve to show.
        on_earlier: Called with whether earlier tests are to be shown.
        guarded: Wraps a handler so that its errors reach the user.
    """

    def __init__(
        self,
        state: WidgetState,
        on_show: Callable[[str], None],
        on_earlier: Callable[[bool], None],
        guarded: Guarded,
    ) -> None:
        self._state, self._on_show, self._on_earlier = state, on_show, on_earlier
        self._is_drawing = False
        self._choice = Dropdown(options=[("loss", "loss")], description="Show")
        self._choice.tooltip = "Which curve to show"
        self._choice.add_class("lrw-show")
        self._earlier = Checkbox(value=True, indent=False, description="Earlier runs")
        self._earlier.tooltip = "Show the curves of earlier runs, as chosen under History"
        self._earlier.add_class("lrw-earlier")
        super().__init__([self._choice, Tools(state, guarded), self._earlier])
        self.add_class("lrw-show-line")
        self._choice.observe(guarded(self._chosen), "value")
        self._earlier.observe(guarded(self._ticked), "value")
        state.history.observe(self._draw, "runs")
        state.observe(self._draw, ["measured", "show", "result", "earlier_shown"])
        self._draw()

    def _chosen(self, change: Any) -> None:
        is_chosen = change.new is not None and not self._is_drawing
        if is_chosen and change.new != self._state.show:
            self._on_show(change.new)

    def _ticked(self, change: Any) -> None:
        if change.new != self._state.earlier_shown:
            self._on_earlier(change.new)

    def _draw(self, _change: Any = None) -> None:
        state = self._state
        names = list(state.measured.series)
        if names:  # empty for a moment between two tests; avoid flicker
            options = tuple((text.name_of(name), name) for name in names)
            if options != self._choice.options:
                self._is_drawing = True  # a change of the options chooses the first one
                with self._choice.hold_sync():
                    self._choice.options = options
                    self._choice.value = state.show
                self._is_drawing = False
            self._choice.value = state.show
        self._choice.layout.display = "flex" if len(self._choice.options) > 1 else "none"
        self._earlier.value = state.earlier_shown
        others = [each for each in state.history.runs if each.result is not state.result]
        self._earlier.layout.display = "flex" if others else "none"
