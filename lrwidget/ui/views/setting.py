"""Setting: a slider for one setting, with a field beside it for exact values."""

import math
from collections.abc import Callable
from typing import Any

from ipywidgets import FloatLogSlider, FloatSlider, HBox, IntSlider
from traitlets import Any as AnyTrait

from lrwidget.ui.state.guard import Guarded
from lrwidget.ui.views.field import Field
from lrwidget.ui.words.kinds import Kind


class Setting(HBox):
    """A slider and a field for one number.

    Args:
        slider: Shows the value; its range grows to include a value outside it.
        kind: How the value is parsed and written.
        value: The first value.
        name: The CSS class of the box is "lrw-" followed by this name.
        hint: The tooltip of slider and field.
        on_change: Called with a value that a person set; not called for one set from Python.
        guarded: Wraps a handler so that its errors reach the user.
    """

    value = AnyTrait(help="The exact value, as it was typed.")

    def __init__(
        self,
        slider: FloatLogSlider | FloatSlider | IntSlider,
        kind: Kind,
        value: float,
        *,
        name: str,
        hint: str,
        on_change: Callable[[float], None],
        guarded: Guarded,
    ) -> None:
        self._slider, self._on_change = slider, on_change
        slider.tooltip = hint
        self._field = Field(
            kind,
            on_typed=self._set,
            guarded=guarded,
            description=slider.description,
            tooltip=f"{hint}; type any value",
        )
        super().__init__([self._field, slider])
        self.add_class("lrw-setting")
        self.add_class(f"lrw-{name}")
        self.observe(self._show, "value")
        self.value = value
        slider.observe(guarded(self._slid), "value")

    def _set(self, value: float) -> None:
        self.value = value
        self._on_change(value)

    def _slid(self, change: Any) -> None:
        # The browser rounds a value set from Python to the slider's step and sends it back. That
        # is no input of a person and must not replace the exact value.
        if self._steps_to(change.new) > 0.501:
            self._set(change.new)

    def _show(self, _change: Any = None) -> None:
        self._field.number = self.value
        self._widen()
        self._slider.value = self._position()

    def _widen(self) -> None:
        """Extend the slider to the value; otherwise it would be clamped without notice."""
        slider, value = self._slider, self.value
        if isinstance(slider, FloatLogSlider):
            slider.min = min(slider.min, math.floor(math.log10(value)))
            slider.max = max(slider.max, math.ceil(math.log10(value)))
        elif isinstance(slider, IntSlider):
            slider.max = max(slider.max, value)

    def _steps_to(self, position: float) -> float:
        """Return the distance from the value to a position, in steps of the slider."""
        here = self._position()
        if isinstance(self._slider, FloatLogSlider):
            here, position = math.log10(here), math.log10(position)
        return float(abs(position - here) / self._slider.step)

    def _position(self) -> float:
        """Return the slider position of the value, clipped to the ends of the slider."""
        low, high = self._slider.min, self._slider.max
        if isinstance(self._slider, FloatLogSlider):
            low, high = 10.0**low, 10.0**high
        return float(min(max(self.value, low), high))
