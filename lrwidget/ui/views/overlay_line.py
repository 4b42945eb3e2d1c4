"""OverlayLine: starts one range test for each value of a hyperparameter."""

from collections.abc import Callable, Sequence
from typing import Any

from ipywidgets import Box, Button, Dropdown, Text

from lrwidget.ui.state.guard import Guarded
from lrwidget.ui.state.state import WidgetState

_EXAMPLES = {
    "weight_decay": "0, 1e-4, 1e-2",
    "momentum": "0, 0.9, 0.99",
    "batch_size": "32, 128",
    "optimizer": "SGD, Adam",
}


class OverlayLine(Box):
    """A choice of what to vary, a field for its values, and a button.

    Args:
        state: Observed.
        changes: What can be varied.
        on_run: Called with what to vary and the values as they were typed.
        guarded: Wraps a handler so that its errors reach the user.
    """

    def __init__(
        self,
        state: WidgetState,
        changes: Sequence[str],
        on_run: Callable[[str, str], None],
        guarded: Guarded,
    ) -> None:
        self._state = state
        self._change = Dropdown(
            options=[(name.replace("_", " "), name) for name in changes], description="Vary"
        )
        self._change.tooltip = "What differs between the range tests"
        self._values = Text(description="values", tooltip="Values with commas between them")
        self._run = Button(description="Run overlay", icon="clone")
        self._run.tooltip = "Run one range test for each value, all from the same start"
        parts = {"change": self._change, "values": self._values, "run": self._run}
        for name, part in parts.items():
            part.add_class(f"lrw-overlay-{name}")
        super().__init__(list(parts.values()))
        self.add_class("lrw-overlay")
        self._run.on_click(guarded(lambda _b: on_run(self._change.value, self._values.value)))
        self._change.observe(self._draw_example, "value")
        state.observe(self._draw, "status")
        self._draw_example()
        self._draw()

    def _draw_example(self, _change: Any = None) -> None:
        self._values.placeholder = _EXAMPLES.get(self._change.value, "")

    def _draw(self, _change: Any = None) -> None:
        self._run.disabled = self._state.is_busy or not self._state.has_model
