"""Tools: what the mouse does on the plot, the kind of its loss axis, and the way back."""

import os
from typing import Any

from ipywidgets import Button, Checkbox, HBox, ToggleButton

from lrwidget.ui.state.guard import Guarded
from lrwidget.ui.state.state import WidgetState

_IN_VSCODE = "VSCODE_PID" in os.environ or "VSCODE_CWD" in os.environ


class Tools(HBox):
    """Move and zoom, zoom to a box, reset, and a logarithmic loss axis.

    Args:
        state: Observed; the tools change `state.view`.
        guarded: Wraps a handler so that its errors reach the user.
    """

    def __init__(self, state: WidgetState, guarded: Guarded) -> None:
        self._state = state
        self._log = Checkbox(value=False, indent=False, description="log loss")
        self._log.tooltip = "Show the loss on a logarithmic axis; for values above 0"
        self._log.add_class("lrw-log-loss")
        self._toggles = {
            "move": ToggleButton(
                description="Move and zoom",
                icon="arrows",
                tooltip="Drag to move the plot, turn the wheel to zoom",
            ),
            "box": ToggleButton(
                description="Zoom to a box", icon="crop", tooltip="Drag a box to zoom to it"
            ),
        }
        # After a box in VS Code, no cell runs: https://github.com/bqplot/bqplot/issues/1618
        if _IN_VSCODE:
            del self._toggles["box"]
        self._reset = Button(description="Reset", icon="home", tooltip="Show the whole curve again")
        for name, button in {**self._toggles, "reset": self._reset}.items():
            button.add_class(f"lrw-{name}-view")
        super().__init__([self._log, *self._toggles.values(), self._reset])
        self.add_class("lrw-tools")
        self._log.observe(guarded(self._ticked), "value")
        for name, toggle in self._toggles.items():
            toggle.observe(guarded(self._taker(name)), "value")
        self._reset.on_click(guarded(self._reset_pressed))
        state.view.observe(self._draw)
        state.observe(self._draw, ["curve", "status"])
        self._draw()

    def _ticked(self, change: Any) -> None:
        self._state.view.has_log_loss = change.new

    def _taker(self, name: str) -> Any:
        def take(change: Any) -> None:
            view = self._state.view
            if change.new:
                view.tool = name
            elif view.tool == name:
                view.tool = "pick"

        return take

    def _reset_pressed(self, _button: Button) -> None:
        self._state.view.is_zoomed = False

    def _draw(self, _change: Any = None) -> None:
        state, view = self._state, self._state.view
        for name, toggle in self._toggles.items():
            toggle.value = view.tool == name
            toggle.disabled = len(state.curve) < 2
        self._reset.disabled = not view.is_zoomed
        self._log.value = view.has_log_loss
        self._log.disabled = len(state.curve) > 0 and not state.can_be_log
