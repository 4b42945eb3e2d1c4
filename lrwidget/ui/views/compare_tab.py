"""CompareTab: the list of variants, Run, the curves and the ranking."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ipywidgets import HTML, Box, Button, FloatProgress, HBox, Label, Text, VBox

from lrwidget.core.compare.ranking_table import ranking_table
from lrwidget.ui.looks.colors import show_as_text, variant_look
from lrwidget.ui.state.compare_state import CompareState, Entry
from lrwidget.ui.state.guard import Guarded
from lrwidget.ui.views.compare_plot import ComparePlot
from lrwidget.ui.views.field import Field
from lrwidget.ui.views.stop_button import StopButton
from lrwidget.ui.words import kinds
from lrwidget.ui.words.text import NO_MODEL, plain_name


@dataclass(frozen=True)
class CompareActions:
    """What the buttons of the tab do."""

    add_typed: Callable[[float], None]
    add_pick: Callable[[], None]
    add_rules: Callable[[], None]
    run: Callable[[], None]
    stop: Callable[[], None]
    apply_winner: Callable[[], None]


class CompareTab(VBox):
    """The second tab of the widget.

    Its figures are made when it is shown for the first time: a hidden figure has no size.

    Args:
        state: Observed.
        actions: Called by the buttons.
        guarded: Wraps a handler so that its errors reach the user.
        free: The same for handlers that may wait for the worker.
    """

    def __init__(
        self, state: CompareState, actions: CompareActions, guarded: Guarded, free: Guarded
    ) -> None:
        self._state, self._actions, self._guarded, self._free = state, actions, guarded, free
        self._is_shown = False
        self._list = VBox()
        self._list.add_class("lrw-variants")
        self._stage = Box()
        self._stage.add_class("lrw-compare-plot")
        self._ranking = HTML()
        self._ranking.add_class("lrw-ranking")
        self._apply = self._button("Apply the winner", "apply-winner", free, actions.apply_winner)
        self._apply.tooltip = "Set the best learning rate on the model"
        last = HBox([self._ranking, self._apply])
        last.add_class("lrw-ranking-line")
        super().__init__([self._add_line(), self._list, self._run_line(), self._stage, last])
        self.add_class("lrw-compare")
        state.observe(self._draw_list, "entries")
        state.observe(self._draw_notice, ["notice", "is_error", "progress"])
        state.observe(self._draw_ranking, "comparison")
        state.observe(self._draw_buttons, ["entries", "comparison"])
        state.state.observe(self._draw_buttons, "status")
        for draw in (self._draw_list, self._draw_notice, self._draw_ranking, self._draw_buttons):
            draw()

    def show(self) -> None:
        """Make the figures, once the tab is visible."""
        if not self._is_shown:
            self._is_shown = True
            self._stage.children = (ComparePlot(self._state),)

    def _button(
        self, description: str, name: str, guard: Guarded, act: Callable[[], None], icon: str = ""
    ) -> Button:
        button = Button(description=description, icon=icon)
        button.add_class(f"lrw-{name}")
        button.on_click(guard(lambda _button: act()))
        return button

    def _add_line(self) -> Box:
        actions, guarded = self._actions, self._guarded
        self._typed = Field(
            kinds.LR,
            on_typed=lambda value: None if value is None else actions.add_typed(value),
            guarded=guarded,
            description="Add LR",
            tooltip="Type a learning rate and press Enter",
            placeholder="1e-3",
            may_be_empty=True,
        )
        self._typed.add_class("lrw-add-lr")
        self._pick = self._button("Add pick", "add-pick", guarded, actions.add_pick, "plus")
        self._pick.tooltip = "Add the picked learning rate, with the schedule under Apply as"
        self._rules = self._button("Add rules", "add-rules", guarded, actions.add_rules, "plus")
        self._rules.tooltip = "Add the suggestion of every rule"
        line = Box([self._typed, self._pick, self._rules])
        line.add_class("lrw-add-line")
        return line

    def _run_line(self) -> Box:
        state = self._state
        self._steps = self._number("Steps", "steps", "Training steps of each run")
        self._seeds = self._number(
            "Seeds", "seeds", "Runs of each variant, each with another order of the data"
        )
        self._run = self._button("Run", "compare-run", self._free, self._actions.run, "play")
        self._run.tooltip = "Train every variant from the same start; the model is restored"
        self._stop = StopButton(tooltip="Stop the comparison now")
        self._stop.add_class("lrw-compare-stop")
        self._stop.on_click(self._free(lambda _button: self._actions.stop()))
        self._progress = FloatProgress(min=0.0, max=1.0, tooltip="How much is done")
        self._progress.add_class("lrw-progress-compare")
        self._notice = show_as_text(Label())
        self._notice.add_class("lrw-compare-status")
        line = Box([self._steps, self._seeds, self._run, self._stop, self._progress, self._notice])
        line.add_class("lrw-compare-line")
        state.observe(lambda change: setattr(self._steps, "number", change.new), "steps")
        state.observe(lambda change: setattr(self._seeds, "number", change.new), "seeds")
        return line

    def focus_stop(self) -> None:
        """Move the keyboard's focus from a button that has started a comparison to Stop."""
        self._stop.focus()

    def _number(self, label: str, name: str, hint: str) -> Field:
        field = Field(
            kinds.COUNT if name == "seeds" else kinds.STEPS,
            on_typed=lambda value: self._state.set_number(name, int(value)),
            guarded=self._guarded,
            description=label,
            tooltip=hint,
        )
        field.number = getattr(self._state, name)
        field.add_class(f"lrw-compare-{name}")
        return field

    def _draw_list(self, _change: Any = None) -> None:
        # Rows are used again and never closed: a browser may still be drawing them.
        entries, rows = self._state.entries, list(self._list.children)
        new = range(len(rows), len(entries))
        if new:
            rows += [_Row(number, self._state, self._guarded) for number in new]
            self._list.children = rows
        for number, row in enumerate(rows):
            row.show(entries[number] if number < len(entries) else None)
        self._typed.number = None

    def _draw_notice(self, _change: Any = None) -> None:
        state = self._state
        self._notice.value = state.notice
        self._progress.value = state.progress
        (self._notice.add_class if state.is_error else self._notice.remove_class)("lrw-error")

    def _draw_ranking(self, _change: Any = None) -> None:
        comparison = self._state.comparison
        table = (
            ""
            if comparison is None
            else ranking_table(comparison.ranking, comparison.basis, plain_name)
        )
        self._ranking.value = table

    def _draw_buttons(self, _change: Any = None) -> None:
        state, widget = self._state, self._state.state
        is_ready = widget.has_model and not widget.is_busy
        self._run.disabled = not (is_ready and state.entries)
        self._stop.is_resting = widget.status != "running"
        has_winner = state.comparison is not None and state.comparison.best is not None
        self._apply.disabled = not (is_ready and has_winner)
        can_run = is_ready and bool(state.entries) and not has_winner
        self._run.button_style = "primary" if can_run else ""
        self._apply.button_style = "primary" if has_winner and is_ready else ""
        if not widget.has_model:
            self._run.tooltip = f"{NO_MODEL} to run on"


class _Row(HBox):
    """One variant in the list.

    Args:
        number: Its place in the list, 0-based.
        state: Gets another name, or removes it.
        guarded: Wraps a handler so that its errors reach the user.
    """

    def __init__(self, number: int, state: CompareState, guarded: Guarded) -> None:
        self._state = state
        self._name_of_entry = ""
        self._name = Text(continuous_update=False)
        self._name.tooltip = "Name of the variant; type to rename it"
        self._name.observe(guarded(self._renamed), "value")
        self._what = show_as_text(Label())
        self._what.add_class("lrw-what")
        self._remove = Button(icon="times")
        self._remove.on_click(guarded(lambda _button: state.remove(self._name_of_entry)))
        self._remove.add_class("lrw-remove")
        super().__init__([HTML(variant_look(number).swatch), self._name, self._what, self._remove])
        self.add_class("lrw-variant")

    def _renamed(self, change: Any) -> None:
        shown = plain_name(self._name_of_entry)
        if change.new == shown:
            return
        try:
            self._state.rename(self._name_of_entry, change.new)
        finally:
            self._name.value = plain_name(self._name_of_entry)

    def show(self, entry: Entry | None) -> None:
        """Show a variant; None hides the row."""
        self.layout.display = "none" if entry is None else None
        if entry is not None:
            self._name_of_entry = entry.name
            self._name.value = plain_name(entry.name)
            self._what.value = plain_name(entry.what)
            self._remove.tooltip = f"Remove {plain_name(entry.name)}"
