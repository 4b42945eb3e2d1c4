"""The rules below the plot: a button for each, and what they say together."""

from collections.abc import Callable
from typing import Any

from ipywidgets import Box, Button, HBox, Label

from lrwidget.core.curve.rules import RULES
from lrwidget.core.curve.suggest import Suggestion
from lrwidget.ui.looks import colors as looks
from lrwidget.ui.state import verdict
from lrwidget.ui.state.guard import Shown
from lrwidget.ui.state.state import WidgetState
from lrwidget.ui.words import text

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
        said = [look.hint, *(_details(suggestion) if suggestion else [])]
        button.tooltip = text.plain("\n".join(said))
        is_next = rule == "auto" and self._state.next_step == "pick"
        button.button_style = "primary" if is_next else ""
        _mark(button, "lrw-reliable", suggestion is not None and suggestion.reliable)
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


def _details(suggestion: Suggestion) -> list[str]:
    """Return a rule's interval over the sweeps and its reason, as far as it has them."""
    ends = (suggestion.low, suggestion.high)
    span = " to ".join(text.format_lr(end) for end in ends if end is not None)
    interval = [f"10 to 90 % of the sweeps: {span}."] if span else []
    return [*interval, suggestion.reason] if suggestion.reason else interval


EXTEND = ("Extend and run", "arrows-h", "A new test with two decades more on the side that lacks")
TRIPLE = ("Triple the steps", "plus", "A new test with three times the steps, and so less noise")


class VerdictLine(HBox):
    """What the rules say together and what is to be doubted, and a button that mends it.

    Args:
        state: Observed.
        on_extend: Called when the button is pressed.
        shown: Wraps a handler so that its errors reach the user.
    """

    def __init__(self, state: WidgetState, on_extend: Callable[[], None], shown: Shown) -> None:
        self._state = state
        self._said = looks.show_as_text(Label())
        self._extend = Button()
        self._said.add_class("lrw-said")
        self._extend.add_class("lrw-extend")
        super().__init__([self._said, self._extend])
        self.add_class("lrw-verdict")
        self._extend.on_click(shown(lambda _button: on_extend()))
        state.observe(self._draw, ["verdict", "suggestions", "status", "picked_lr"])
        self._draw()

    def _draw(self, _change: Any = None) -> None:
        state = self._state
        doubt = verdict.reason(state.suggestions, state.picked_lr)
        said = " ".join(part for part in (state.verdict.agreement, doubt) if part)
        self._said.value = text.plain(said)
        mend = state.verdict.mend
        self._extend.layout.visibility = "visible" if mend else "hidden"
        face = TRIPLE if mend == "steps" else EXTEND
        self._extend.description, self._extend.icon, self._extend.tooltip = face
        self._extend.disabled = state.is_busy
        self._extend.button_style = "primary" if state.next_step == "extend" else ""
