"""RulesLine: a button for each rule. VerdictLine: how far they agree, and the remedy."""

from collections.abc import Callable
from typing import Any

from ipywidgets import Box, Button, HBox, Label

from lrwidget.core.curve.reasons import Remedy
from lrwidget.core.curve.rules import RULES
from lrwidget.ui.looks import colors as looks
from lrwidget.ui.state import verdict
from lrwidget.ui.state.guard import Guarded
from lrwidget.ui.state.state import WidgetState
from lrwidget.ui.words import compare_text, suggestion_text, text

OnPick = Callable[[float], None]


class RulesLine(Box):
    """A button for each rule with its marker, its name, its LR and how reliable it is.

    Hidden until a person asks for all rules.

    Args:
        state: Observed.
        on_pick: Called with the learning rate of the rule whose button is pressed.
        guarded: Wraps a handler so that its errors reach the user.
    """

    def __init__(self, state: WidgetState, on_pick: OnPick, guarded: Guarded) -> None:
        self._state = state
        self._buttons = {rule: Button() for rule in RULES}
        for rule, button in self._buttons.items():
            button.add_class("lrw-rule")
            button.add_class(looks.of_rule(rule).css_class)
            button.on_click(guarded(self._presser(rule, on_pick)))
        super().__init__(list(self._buttons.values()))
        self.add_class("lrw-rules")
        state.observe(self._draw, ["suggestions", "picked_lr"])
        state.observe(self._draw_shown, "rules_shown")
        self._draw()
        self._draw_shown()

    def _draw_shown(self, _change: Any = None) -> None:
        self.layout.display = None if self._state.rules_shown else "none"

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
        button.description = f"{look.title}\n{suggestion_text.worth(suggestion)}"
        said = look.hint
        if suggestion is not None:
            sweeps = self._state.sweeps_of_result
            said = f"{said}\n{suggestion_text.details(suggestion, sweeps)}"
        button.tooltip = text.plain(said)
        _mark(button, "lrw-reliable", suggestion is not None and suggestion.reliable)
        _mark(button, "lrw-doubtful", suggestion is not None and not suggestion.reliable)
        _mark(button, "lrw-chosen", lr is not None and lr == self._state.picked_lr)


def _mark(button: Button, css_class: str, on: bool) -> None:
    (button.add_class if on else button.remove_class)(css_class)


_FACES: dict[Remedy, tuple[str, str, str]] = {
    "widen_below": (
        "Widen range and run",
        "arrows-h",
        "Runs again with a range 100 times wider on the side that was cut off",
    ),
    "more_sweeps": (
        "Triple the sweeps",
        "clone",
        "Runs again with three times the sweeps; their median has less noise",
    ),
    "more_steps": ("Triple the steps", "plus", "Runs again with three times the steps"),
    "run_again": ("Run again", "refresh", "Runs the same test again, this time to its end"),
}
_FACES["widen_above"] = _FACES[""] = _FACES["widen_below"]


class VerdictLine(HBox):
    """How far the rules agree, the main reason for doubt, and a button for the remedy.

    Args:
        state: Observed.
        on_extend: Called when the button is pressed.
        on_check: Called when the button that checks a doubtful suggestion by training is pressed.
        guarded: Wraps a handler so that its errors reach the user.
    """

    def __init__(
        self,
        state: WidgetState,
        on_extend: Callable[[], None],
        on_check: Callable[[], None],
        guarded: Guarded,
    ) -> None:
        self._state = state
        self._said = looks.show_as_text(Label())
        self._extend = Button()
        self._said.add_class("lrw-said")
        self._extend.add_class("lrw-extend")
        self._check = Button(icon="flask")
        self._check.tooltip = "Trains a few rates around the suggestion and picks from the outcome"
        self._check.add_class("lrw-check")
        self._check.on_click(guarded(lambda _button: on_check()))
        super().__init__([self._said, self._check, self._extend])
        self.add_class("lrw-verdict")
        self._extend.on_click(guarded(lambda _button: on_extend()))
        state.observe(self._draw, ["verdict", "suggestions", "status", "picked_lr"])
        self._draw()

    def _draw(self, _change: Any = None) -> None:
        state = self._state
        doubt = verdict.reason(state.suggestions, state.picked_lr)
        said = " ".join(part for part in (state.verdict.agreement, doubt) if part)
        self._said.value = text.plain(said)
        remedy = state.verdict.remedy
        self._extend.layout.visibility = "visible" if remedy else "hidden"
        self._extend.description, self._extend.icon, self._extend.tooltip = _FACES[remedy]
        self._extend.disabled = state.is_busy
        self._extend.button_style = "primary" if state.next_step == "extend" else ""
        self._check.layout.display = None if state.is_doubtful else "none"
        self._check.description = compare_text.check_button(state.check_seconds)
        self._check.disabled = state.is_busy
        self._check.button_style = "primary" if state.next_step == "check" else ""
