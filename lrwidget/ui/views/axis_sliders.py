"""AxisSliders: handles on the learning-rate axis that move the pick and the lower end."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from ipywidgets import Box, IntSlider

from lrwidget.ui.state.guard import Guarded
from lrwidget.ui.state.state import WidgetState
from lrwidget.ui.views.frame import MARGIN, Frame
from lrwidget.ui.views.tree import descendants


class AxisSliders(Box):
    """A slider for the pick and one for the lower end of cycles, both as wide as the axis.

    Each value is the index of a learning rate of the test. The two lie on one another; only their
    handles take the mouse.

    Args:
        state: Observed.
        on_pick: Called with a learning rate from the slider of the pick.
        on_low: Called with a learning rate from the slider of the lower end.
        guarded: Wraps a handler so that its errors reach the user.
    """

    def __init__(
        self,
        state: WidgetState,
        on_pick: Callable[[float], None],
        on_low: Callable[[float], None],
        guarded: Guarded,
    ) -> None:
        self._state = state
        self._frame: Frame | None = None
        self._report = {"pick": on_pick, "low": on_low}
        self._guarded = guarded
        self._sliders: list[IntSlider] = []
        super().__init__()
        self.add_class("lrw-axis-sliders")
        self.layout.margin = f"0 {MARGIN['right']}px 0 {MARGIN['left']}px"
        self._make_sliders(0, 1)
        state.observe(self._draw, ["picked_lr", "plan", "measured"])

    def _make_sliders(self, first: int, last: int) -> None:
        """Make new sliders: after a change of its range, the End key of an old one is wrong."""
        old = [part for slider in self._sliders for part in descendants(slider)]
        self._pick = _slider("Move the pick", "lrw-pick-slider", first, last)
        self._pick.tooltip = "Drag it, or move it point by point with the arrow keys"
        self._low = _slider("Move the lower end", "lrw-low-slider", first, last)
        self._low.tooltip = "The lower learning rate of the cycles"
        self._draw()
        for slider, name in ((self._pick, "pick"), (self._low, "low")):
            slider.observe(self._guarded(partial(self._slid, self._report[name])), "value")
        self.children = self._sliders = [self._low, self._pick]
        for part in old:
            part.close()

    def put_on(self, frame: Frame) -> None:
        """Put the sliders on the axis of a frame."""
        self._frame = frame

    def place(self) -> None:
        """Fit the sliders to the part of the axis that is on show."""
        lrs, frame = self._state.ladder, self._frame
        if frame is None or lrs is None:
            return
        low, high = frame.span
        first, last = np.searchsorted(lrs, [low * (1 - 1e-9), high * (1 + 1e-9)])
        first, last = min(int(first), len(lrs) - 2), max(int(last) - 1, 1)
        last = max(last, first + 1)
        start, end = frame.lr_axis.fractions(lrs[[first, last]], low, high)
        margin = f"0 {100 * (1 - end):.3f}% 0 {100 * start:.3f}%"
        if (first, last) != (self._pick.min, self._pick.max):
            self._make_sliders(first, last)
        for slider in self._sliders:
            slider.layout.margin = margin
        self._draw()

    def _lr_of(self, slider: IntSlider) -> float | None:
        return self._state.picked_lr if slider is self._pick else self._state.low_lr

    def _position(self, slider: IntSlider) -> int:
        """Return the index of the point nearest to what a slider moves, within its range."""
        lr, lrs, frame = self._lr_of(slider), self._state.ladder, self._frame
        if lr is None or frame is None or lrs is None:
            return int(slider.min)
        return int(np.clip(frame.lr_axis.nearest(lrs, lr), slider.min, slider.max))

    def _is_on_show(self, slider: IntSlider) -> bool:
        """Return whether what a slider moves lies within the axis, or is not there yet."""
        lr, frame = self._lr_of(slider), self._frame
        if lr is None or frame is None:
            return True
        low, high = frame.span
        return bool(low * (1 - 1e-9) <= lr <= high * (1 + 1e-9))

    def _beside(self, slider: IntSlider) -> float:
        """Return how far right of its nearest point a rate lies, as a fraction of the axis."""
        lr, lrs, frame = self._lr_of(slider), self._state.ladder, self._frame
        if lr is None or frame is None or lrs is None or not lrs[0] <= lr <= lrs[-1]:
            return 0.0
        here, point = frame.lr_axis.fractions(np.array([lr, lrs[slider.value]]), *frame.span)
        return float(here - point)

    def _slid(self, report: Callable[[float], None], change: Any) -> None:
        slider, frame = change.owner, self._frame
        lrs, measured = self._state.ladder, self._state.measured.lrs
        try:
            if change.new != self._position(slider) and frame is not None and len(measured):
                report(float(measured[frame.lr_axis.nearest(measured, lrs[change.new])]))
        finally:
            slider.value = self._position(slider)

    def _draw(self, _change: Any = None) -> None:
        has_curve = len(self._state.measured) > 1
        for slider, is_shown in ((self._pick, has_curve), (self._low, self._state.low_lr)):
            is_shown = has_curve and is_shown and self._is_on_show(slider)
            slider.layout.visibility = None if is_shown else "hidden"
            slider.value = self._position(slider)
            shift = f"{100 * self._beside(slider):.3f}%"
            slider.layout.left, slider.layout.right = shift, f"-{shift}".replace("--", "")
        (self._pick.remove_class if self._state.picked_lr else self._pick.add_class)("lrw-unset")


def _slider(name: str, css_class: str, first: int, last: int) -> IntSlider:
    made = IntSlider(min=first, max=last, value=first, readout=False, description=name)
    made.add_class("lrw-axis-slider")
    made.add_class(css_class)
    return made
