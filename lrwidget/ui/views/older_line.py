"""OlderLine: says that an older widget uses the same model, and offers to take over from it."""

from collections.abc import Callable
from typing import Any

from ipywidgets import Button, HBox, Label

from lrwidget.ui.state.guard import Guarded
from lrwidget.ui.state.state import WidgetState


class OlderLine(HBox):
    """A sentence and a button; hidden unless an older widget of the model is open.

    Args:
        state: Observed.
        on_take_over: Called when the button is pressed.
        guarded: Wraps a handler so that its errors reach the user.
    """

    def __init__(
        self, state: WidgetState, on_take_over: Callable[[], None], guarded: Guarded
    ) -> None:
        self._state = state
        said = Label("An older widget of this model is open, and keeps its data in memory.")
        button = Button(description="Take over", icon="level-down")
        button.tooltip = "Close the older widget, and keep its runs, its pick and Undo here"
        button.add_class("lrw-take-over")
        button.on_click(guarded(lambda _button: on_take_over()))
        super().__init__([said, button])
        self.add_class("lrw-older")
        state.observe(self._draw, "has_older")
        self._draw()

    def _draw(self, _change: Any = None) -> None:
        self.layout.display = "flex" if self._state.has_older else "none"
