"""SuggestionLine: the one suggestion, the button that uses it, and what the model has now."""

from collections.abc import Callable
from typing import Any

from ipywidgets import Box, Button, HBox, Label, ToggleButton

from lrwidget.ui.looks import colors as looks
from lrwidget.ui.state.guard import Guarded
from lrwidget.ui.state.state import WidgetState
from lrwidget.ui.words import suggestion_text, text


class SuggestionLine(Box):
    """The suggestion of "auto" in words, Use it, and what the model has now.

    Args:
        state: Observed.
        on_use: Called when Use it is pressed.
        on_rules: Called with whether all rules are to be shown.
        guarded: Wraps a handler so that its errors reach the user.
    """

    def __init__(
        self,
        state: WidgetState,
        on_use: Callable[[], None],
        on_rules: Callable[[bool], None],
        guarded: Guarded,
    ) -> None:
        self._state = state
        self._headline = looks.show_as_text(Label())
        self._use = Button(description="Use it", icon="check")
        self._rules = ToggleButton(description="All rules", icon="list")
        self._rules.tooltip = "Show the suggestion of every rule, here and on the curve"
        self._now = looks.show_as_text(Label())
        self._now.tooltip = "What the next training step of the model would use"
        parts = {
            "headline": self._headline,
            "use": self._use,
            "all-rules": self._rules,
            "now": self._now,
        }
        for name, part in parts.items():
            part.add_class(f"lrw-{name}")
        self._headline.add_class(looks.of_rule("auto").css_class)
        buttons = HBox([self._use, self._rules])
        buttons.add_class("lrw-suggestion-buttons")
        super().__init__([self._headline, buttons, self._now])
        self.add_class("lrw-suggestion")
        self._use.on_click(guarded(lambda _button: on_use()))
        self._rules.observe(guarded(lambda change: on_rules(change.new)), "value")
        state.observe(self._draw, ["suggestions", "status", "picked_lr", "pick_is_applied"])
        state.observe(self._draw_now, "model_now")
        self._draw()
        self._draw_now()

    def _draw(self, _change: Any = None) -> None:
        state, auto = self._state, self._state.suggestion("auto")
        self._headline.value = suggestion_text.headline(auto, state.is_busy)
        about = suggestion_text.about_headline(auto, state.sweeps_of_result)
        self._headline.tooltip = text.plain(about)
        has_lr = auto is not None and auto.lr is not None
        (self._headline.add_class if has_lr else self._headline.remove_class)("lrw-found")
        self._use.disabled = not has_lr or state.is_busy or not state.has_model
        self._use.tooltip = suggestion_text.use_it(auto, state.has_model)
        self._use.button_style = "primary" if state.next_step == "use" else ""

    def _draw_now(self, _change: Any = None) -> None:
        self._now.value = suggestion_text.now(self._state.model_now)
