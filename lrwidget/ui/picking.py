"""The two lines below the plot: one button a rule, and the pick with Apply and Undo."""

from collections.abc import Callable
from typing import Any

from ipywidgets import Box, Button, HBox, IntSlider

from lrwidget.core.rules import RULES
from lrwidget.core.suggest import Suggestion
from lrwidget.ui import field, looks, text
from lrwidget.ui.guard import Shown
from lrwidget.ui.state import WidgetState

OnPick = Callable[[float], None]


class RulesLine(Box):
    """A button for each rule: its marker's shape, its name, its LR, how far to trust it.

    Args:
        state: Observed.
        on_pick: Called with the learning rate of the rule that is pressed.
        shown: Wraps a handler so that its errors reach the user.
    """

    def __init__(self, state: WidgetState, on_pick: OnPick, shown: Shown) -> None:
        self._state = state
        self._buttons = {rule: Button() for rule in RULES}
        for rule, button in self._buttons.items():
            button.add_class("lrw-rule")
            button.add_class(looks.of_rule(rule).css_class)
            button.on_click(shown(self._presser(rule, on_pick)))
        super().__init__(list(self._buttons.values()))
        self.add_class("lrw-rules")
        state.observe(self._draw, ["suggestions", "status", "picked_lr"])
        self._draw()

    def _presser(self, rule: str, on_pick: OnPick) -> Callable[[Button], None]:
        def press(_button: Button) -> None:
            suggestion = self._state.suggestion(rule)
            if suggestion is not None and suggestion.lr is not None:
                on_pick(suggestion.lr)

        return press

    def _draw(self, _change: Any = None) -> None:
        for rule, button in self._buttons.items():
            self._draw_one(rule, button)

    def _draw_one(self, rule: str, button: Button) -> None:
        look, suggestion = looks.of_rule(rule), self._state.suggestion(rule)
        lr = suggestion.lr if suggestion else None
        button.disabled = lr is None
        button.description = f"{look.title}\n{_worth(suggestion)}"
        reason = f"\n{suggestion.reason}" if suggestion and suggestion.reason else ""
        button.tooltip = look.hint + reason
        is_next = rule == "auto" and self._state.next_step == "pick"
        button.button_style = "primary" if is_next else ""
        _mark(button, "lrw-doubtful", suggestion is not None and not suggestion.reliable)
        _mark(button, "lrw-chosen", lr is not None and lr == self._state.picked_lr)


def _mark(button: Button, css_class: str, on: bool) -> None:
    (button.add_class if on else button.remove_class)(css_class)


def _worth(suggestion: Suggestion | None) -> str:
    """Say what a rule suggests and how far to trust it."""
    if suggestion is None:
        return "–"  # noqa: RUF001 (a dash, as in a table)
    if suggestion.lr is None:
        return "none found"
    return f"{text.format_lr(suggestion.lr)} {text.DOUBT[suggestion.reliable]}"


class PickLine(HBox):
    """The picked learning rate, typed or moved along the curve, with Apply and Undo.

    Args:
        state: Observed.
        on_pick: Called with a learning rate that was typed or slid to.
        on_apply: Called when Apply is pressed.
        on_undo: Called when Undo is pressed.
        shown: Wraps a handler so that its errors reach the user.
    """

    def __init__(
        self,
        state: WidgetState,
        on_pick: OnPick,
        on_apply: Callable[[], None],
        on_undo: Callable[[], None],
        shown: Shown,
    ) -> None:
        self._state, self._on_pick = state, on_pick
        self._field = _pick_field(on_pick, shown)
        self._slider = _pick_slider()
        self._apply = Button(description="Apply", icon="check")
        self._apply.tooltip = "Put the picked learning rate on the model"
        self._undo = Button(description="Undo", icon="undo")
        self._undo.tooltip = "Take the last applied learning rate back"
        super().__init__([self._field, self._slider, self._apply, self._undo])
        self.add_class("lrw-pick-line")
        self._apply.add_class("lrw-apply")
        self._undo.add_class("lrw-undo")
        self._slider.observe(shown(self._slid), "value")
        self._apply.on_click(shown(lambda _button: on_apply()))
        self._undo.on_click(shown(lambda _button: on_undo()))
        state.observe(self._draw_pick, ["picked_lr", "ladder"])
        state.observe(self._draw_buttons, ["picked_lr", "status", "changes", "pick_is_applied"])
        self._draw_pick()
        self._draw_buttons()

    def _slid(self, change: Any) -> None:
        curve = self._state.curve
        if len(curve) and change.new != self._position():
            self._on_pick(float(curve.lrs[min(change.new, len(curve) - 1)]))
        self._slider.value = self._position()

    def _position(self) -> int:
        """Return the index of the point that the pick is nearest to, 0 without a pick."""
        lr, curve = self._state.picked_lr, self._state.curve
        return curve.nearest(lr) if lr is not None and len(curve) else 0

    def _draw_pick(self, _change: Any = None) -> None:
        self._field.number = self._state.picked_lr
        ladder = self._state.ladder
        self._slider.disabled = ladder is None
        self._slider.max = 1 if ladder is None else len(ladder) - 1
        self._slider.value = self._position()

    def _draw_buttons(self, _change: Any = None) -> None:
        state = self._state
        self._apply.disabled = state.is_busy or state.picked_lr is None
        self._undo.disabled = state.is_busy or not state.changes
        self._apply.button_style = "primary" if state.next_step == "apply" else ""


def _pick_field(on_pick: OnPick, shown: Shown) -> field.Field:
    made = field.Field(
        field.LR,
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
