"""PickLine: the picked learning rate, how it is used, and Apply, Undo and Code."""

from collections.abc import Callable
from typing import Any

from ipywidgets import Button, Dropdown, HBox, Label, ToggleButton

from lrwidget.ui.looks import colors as looks
from lrwidget.ui.plan.recipes import RECIPES
from lrwidget.ui.state.guard import Guarded
from lrwidget.ui.state.state import WidgetState
from lrwidget.ui.views import field
from lrwidget.ui.words import kinds
from lrwidget.ui.words.text import NO_MODEL

OnPick = Callable[[float], None]


class PickLine(HBox):
    """A field for the picked learning rate, and a choice of how it is used.

    Args:
        state: Observed.
        on_pick: Called with a learning rate from the field.
        on_kind: Called with the chosen kind, such as "constant".
        buttons: Shown at the end of the line.
        guarded: Wraps a handler so that its errors reach the user.
    """

    def __init__(
        self,
        state: WidgetState,
        on_pick: OnPick,
        on_kind: Callable[[str], None],
        buttons: "ApplyButtons",
        guarded: Guarded,
    ) -> None:
        self._state = state
        self._field = _pick_field(on_pick, guarded)
        self._kind = Dropdown(options=list(RECIPES), description="Apply as")
        self._kind.tooltip = "Apply the pick as a constant or as the peak of a schedule"
        self._answer = looks.show_as_text(Label())
        self._answer.add_class("lrw-answer")
        super().__init__([self._field, self._kind, buttons, self._answer])
        self.add_class("lrw-pick-line")
        state.observe(self._draw_answer, "notice")
        self._kind.add_class("lrw-kind")
        self._kind.observe(guarded(lambda change: on_kind(change.new)), "value")
        state.observe(self._draw_pick, "picked_lr")
        state.observe(self._draw_kind, ["plan"])
        self._draw_pick()

    def _draw_pick(self, _change: Any = None) -> None:
        self._field.number = self._state.picked_lr

    def _draw_answer(self, _change: Any = None) -> None:
        notice = self._state.notice
        self._answer.value = notice.text if notice.is_about_pick else ""
        (self._answer.add_class if notice.is_error else self._answer.remove_class)("lrw-error")

    def _draw_kind(self, _change: Any = None) -> None:
        self._kind.value = self._state.plan.kind


class ApplyButtons(HBox):
    """Apply, Undo, Try it, and the toggles that show the code and the history.

    Args:
        state: Observed.
        on_apply: Called when Apply is pressed.
        on_undo: Called when Undo is pressed.
        on_try: Called when Try it is pressed.
        on_code: Called with whether the code is to be shown.
        on_history: Called with whether the list of runs is to be shown.
        guarded: Wraps a handler so that its errors reach the user.
        free: The same for a handler that may wait for the worker.
    """

    def __init__(
        self,
        state: WidgetState,
        on_apply: Callable[[], None],
        on_undo: Callable[[], None],
        on_try: Callable[[], None],
        on_code: Callable[[bool], None],
        on_history: Callable[[bool], None],
        guarded: Guarded,
        free: Guarded,
    ) -> None:
        self._state = state
        self._apply = Button(description="Apply", icon="check")
        self._apply.tooltip = "Set the pick, or its schedule, on the model's optimizer"
        if not state.has_model:
            self._apply.tooltip = f"{NO_MODEL} to apply to"
        self._undo = Button(description="Undo", icon="undo")
        self._undo.tooltip = "Restore the learning rate from before the last Apply"
        self._try = Button(description="Try it", icon="flask")
        self._try.tooltip = "Train the pick and its neighbors briefly, and compare them"
        self._code = ToggleButton(description="Code", icon="code")
        self._code.tooltip = "Show Python code that does what Apply does"
        self._history = ToggleButton(description="History", icon="history")
        self._history.tooltip = "List all runs: show, rename, remove, save and load them"
        super().__init__([self._apply, self._undo, self._try, self._history, self._code])
        self.add_class("lrw-apply-buttons")
        self._apply.add_class("lrw-apply")
        self._undo.add_class("lrw-undo")
        self._try.add_class("lrw-try")
        self._code.add_class("lrw-code-toggle")
        self._history.add_class("lrw-history-toggle")
        self._apply.on_click(guarded(lambda _button: on_apply()))
        self._undo.on_click(guarded(lambda _button: self._undo_and_keep_focus(on_undo)))
        self._try.on_click(free(lambda _button: on_try()))
        self._code.observe(guarded(lambda change: on_code(change.new)), "value")
        self._history.observe(guarded(lambda change: on_history(change.new)), "value")
        state.observe(self._draw, ["picked_lr", "status", "changes", "pick_is_applied"])
        self._draw()

    def _undo_and_keep_focus(self, on_undo: Callable[[], None]) -> None:
        on_undo()
        if self._undo.disabled:
            self._apply.focus()

    def _draw(self, _change: Any = None) -> None:
        state = self._state
        self._apply.disabled = state.is_busy or state.picked_lr is None or not state.has_model
        self._undo.disabled = state.is_busy or not state.changes
        self._try.disabled = self._apply.disabled
        self._apply.button_style = "primary" if state.next_step == "apply" else ""


def _pick_field(on_pick: OnPick, guarded: Guarded) -> field.Field:
    made = field.Field(
        kinds.LR,
        on_typed=on_pick,
        guarded=guarded,
        description="Picked LR",
        placeholder="none yet",
        tooltip="The learning rate to apply; type any value above 0",
    )
    made.add_class("lrw-picked")
    return made
