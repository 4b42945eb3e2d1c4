"""Setting: one setting as a slider with a field beside it that takes exact values."""

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
        slider: Shows the value; its range widens where a value lies outside.
        kind: How the value is read and written.
        value: The first value.
        name: The class of the box is "lrw-" and this.
        hint: The tooltip of slider and field.
        on_change: Called with a value that a person typed or slid to, not with one set from Python.
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
        # The browser rounds what Python sets to the slider's step and sends that back: that is
        # not a person's doing and must not spoil an exact value.
        if self._steps_to(change.new) > 0.501:
            self._set(change.new)

    def _show(self, _change: Any = None) -> None:
        self._field.number = self.value
        self._widen()
        self._slider.value = self._position()

    def _widen(self) -> None:
        """Make room on the slider: without it, a value outside would be clamped in silence."""
        slider, value = self._slider, self.value
        if isinstance(slider, FloatLogSlider):
            slider.min = min(slider.min, math.floor(math.log10(value)))
            slider.max = max(slider.max, math.ceil(math.log10(value)))
        elif isinstance(slider, IntSlider):
            slider.max = max(slider.max, value)

    def _steps_to(self, position: float) -> float:
        """Return how many of the slider's steps lie between the value and a position."""
        here = self._position()
        if isinstance(self._slider, FloatLogSlider):
            here, position = math.log10(here), math.log10(position)
        return float(abs(position - here) / self._slider.step)

    def _position(self) -> float:
        """Return where the slider stands for the value, at its end where it cannot reach it."""
        low, high = self._slider.min, self._slider.max
        if isinstance(self._slider, FloatLogSlider):
            low, high = 10.0**low, 10.0**high
        return float(min(max(self.value, low), high))
