"""The line of the pick: typed or moved along the curve, how it is used, Apply and Undo."""

from collections.abc import Callable
from typing import Any

from ipywidgets import Button, Dropdown, HBox, IntSlider

from lrwidget.ui import field, kinds
from lrwidget.ui.guard import Shown
from lrwidget.ui.recipes import RECIPES
from lrwidget.ui.state import WidgetState

OnPick = Callable[[float], None]


class PickLine(HBox):
    """The picked learning rate, typed or moved along the curve, with Apply and Undo.

    Args:
        state: Observed.
        on_pick: Called with a learning rate that was typed or slid to.
        on_kind: Called with what the pick is to be applied as.
        on_apply: Called when Apply is pressed.
        on_undo: Called when Undo is pressed.
        shown: Wraps a handler so that its errors reach the user.
    """

    def __init__(
        self,
        state: WidgetState,
        on_pick: OnPick,
        on_kind: Callable[[str], None],
        on_apply: Callable[[], None],
        on_undo: Callable[[], None],
        shown: Shown,
    ) -> None:
        self._state, self._on_pick = state, on_pick
        self._field = _pick_field(on_pick, shown)
        self._slider = _pick_slider()
        self._kind = Dropdown(options=list(RECIPES), description="Apply as")
        self._kind.tooltip = "What the pick is for: a constant, or the upper end of a schedule"
        self._apply = Button(description="Apply", icon="check")
        self._apply.tooltip = "Put the picked learning rate, or the schedule, on the model"
        self._undo = Button(description="Undo", icon="undo")
        self._undo.tooltip = "Take the last applied learning rate back"
        super().__init__([self._field, self._slider, self._kind, self._apply, self._undo])
        self.add_class("lrw-pick-line")
        self._kind.add_class("lrw-kind")
        self._apply.add_class("lrw-apply")
        self._undo.add_class("lrw-undo")
        self._slider.observe(shown(self._slid), "value")
        self._kind.observe(shown(lambda change: on_kind(change.new)), "value")
        self._apply.on_click(shown(lambda _button: on_apply()))
        self._undo.on_click(shown(lambda _button: on_undo()))
        state.observe(self._draw_pick, ["picked_lr", "ladder"])
        state.observe(self._draw_kind, ["plan"])
        state.observe(self._draw_buttons, ["picked_lr", "status", "changes", "pick_is_applied"])
        self._draw_pick()
        self._draw_buttons()

    def _slid(self, change: Any) -> None:
        measured = self._state.measured
        if len(measured) and change.new != self._position():
            self._on_pick(float(measured.lrs[min(change.new, len(measured) - 1)]))
        self._slider.value = self._position()

    def _position(self) -> int:
        """Return the index of the point that the pick is nearest to, 0 without a pick."""
        lr, measured = self._state.picked_lr, self._state.measured
        return measured.nearest(lr) if lr is not None and len(measured) else 0

    def _draw_pick(self, _change: Any = None) -> None:
        self._field.number = self._state.picked_lr
        ladder = self._state.ladder
        self._slider.disabled = ladder is None
        self._slider.max = 1 if ladder is None else len(ladder) - 1
        self._slider.value = self._position()

    def _draw_kind(self, _change: Any = None) -> None:
        self._kind.value = self._state.plan.kind

    def _draw_buttons(self, _change: Any = None) -> None:
        state = self._state
        self._apply.disabled = state.is_busy or state.picked_lr is None
        self._undo.disabled = state.is_busy or not state.changes
        self._apply.button_style = "primary" if state.next_step == "apply" else ""


def _pick_field(on_pick: OnPick, shown: Shown) -> field.Field:
    made = field.Field(
        kinds.LR,
        on_typed=on_pick,
        shown=shown,
        description="Picked LR",
        placeholder="none yet",
        tooltip="The learning rate to apply; any value above 0 can be typed",
    )
    made.add_class("lrw-picked")
    return made


def _pick_slider() -> IntSlider:
    made = IntSlider(min=0, max=1, readout=False, description="Move the pick")
    made.tooltip = "Moves the pick along the curve; the arrow keys go point by point"
    made.add_class("lrw-pick-slider")
    return made
