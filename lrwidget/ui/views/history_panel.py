"""HistoryPanel: every run with its color and name, to show, rename, remove, save and load."""

from typing import Any, Protocol

from ipywidgets import HTML, Box, Button, Checkbox, HBox, Label, Text, VBox, Widget

from lrwidget.ui.looks import colors as looks
from lrwidget.ui.state.guard import Guarded
from lrwidget.ui.state.history import PastRun
from lrwidget.ui.state.state import WidgetState
from lrwidget.ui.words import history_text
from lrwidget.ui.words.text import plain_name

MOST_ROWS = 20
"""With more rows, each with ten controls, the browser gets slow."""


class HistoryActions(Protocol):
    """What the controls of the panel do."""

    def show(self, number: int, on: bool) -> None:
        """Draw a run, or not."""

    def rename(self, number: int, name: str) -> None:
        """Give a run another name."""

    def remove(self, number: int) -> None:
        """Remove a run."""

    def save(self, number: int, kind: str) -> None:
        """Save a run in the format `kind`."""

    def load(self, path: str) -> None:
        """Add the run that a file holds."""


class HistoryPanel(VBox):
    """The list of runs, the newest first; hidden until a person asks for it.

    Args:
        state: Observed.
        overlay: A line that adds several runs.
        formats: The formats in which a curve can be saved.
        actions: Called by the controls.
        guarded: Wraps a handler so that its errors reach the user.
    """

    def __init__(
        self,
        state: WidgetState,
        overlay: Widget,
        formats: tuple[str, ...],
        actions: HistoryActions,
        guarded: Guarded,
    ) -> None:
        self._state, self._formats = state, formats
        self._actions, self._guarded = actions, guarded
        self._note = Label()
        self._note.add_class("lrw-note")
        self._rows: dict[int, _Row] = {}
        self._list = VBox()
        self._file = Text(description="Load a file", continuous_update=False)
        self._file.placeholder = "range-test-run-1.json"
        self._file.tooltip = "Path of a result saved as JSON; press Enter to load it"
        self._file.add_class("lrw-load")
        self._file.observe(guarded(self._load), "value")
        super().__init__([self._list, self._note, self._file, overlay])
        self.add_class("lrw-history")
        state.history.observe(self._draw, ["runs", "is_listed"])
        state.observe(self._draw, "result")
        self._draw()

    def _load(self, change: Any) -> None:
        if change.new.strip():
            self._actions.load(change.new.strip())
            self._file.value = ""

    def _draw(self, _change: Any = None) -> None:
        state = self._state
        self.layout.display = "flex" if state.history.is_listed else "none"
        if not state.history.is_listed:
            return
        runs = state.history.runs[: -MOST_ROWS - 1 : -1]
        numbers = [run.number for run in runs]
        gone = [row for number, row in self._rows.items() if number not in numbers]
        self._rows = {run.number: self._rows.get(run.number) or self._new_row(run) for run in runs}
        for run in runs:
            self._rows[run.number].draw(run, is_current=run.result is state.result)
        more = len(state.history.runs) - len(runs)
        self._note.value = f"{more} older runs are in `widget.history`." if more else ""
        if not runs:
            self._note.value = "No run has ended yet."
        self._note.layout.display = None if self._note.value else "none"
        self._list.children = [self._rows[number] for number in numbers]
        for row in gone:
            row.close_all()

    def _new_row(self, run: PastRun) -> "_Row":
        return _Row(run, self._formats, self._actions, self._guarded)


class _Row(HBox):
    """One run."""

    def __init__(
        self, run: PastRun, formats: tuple[str, ...], actions: HistoryActions, guarded: Guarded
    ) -> None:
        number = run.number
        self._run = run
        self._swatch = HTML()
        self._shown = Checkbox(indent=False, description="Draw", tooltip="Draw this curve")
        self._shown.observe(guarded(lambda c: self._tick(actions, bool(c.new))), "value")
        self._name = Text(
            description="Name",
            continuous_update=False,
            tooltip="Name of the run; type to rename it",
        )
        self._name.observe(guarded(lambda c: self._rename(actions, c.new)), "value")
        what = looks.show_as_text(Label(history_text.run(run.result, run.result.suggest("auto"))))
        what.add_class("lrw-what")
        saves = [self._save_button(kind, number, actions, guarded) for kind in formats]
        self._remove = Button(icon="times", tooltip="Remove this run from the history")
        self._remove.add_class("lrw-remove")
        self._remove.on_click(guarded(lambda _button: actions.remove(number)))
        save_line = Box(saves)
        save_line.add_class("lrw-saves")
        super().__init__([self._swatch, self._shown, self._name, what, save_line, self._remove])
        self.add_class("lrw-past-run")

    def _save_button(
        self, kind: str, number: int, actions: HistoryActions, guarded: Guarded
    ) -> Button:
        button = Button(description=kind.upper(), tooltip=f"Save the curve as {kind.upper()}")
        button.add_class(f"lrw-save-{kind}")
        button.on_click(guarded(lambda _button: actions.save(number, kind)))
        return button

    def _tick(self, actions: HistoryActions, on: bool) -> None:
        if on != self._run.is_shown and not self._shown.disabled:
            actions.show(self._run.number, on)

    def _rename(self, actions: HistoryActions, name: str) -> None:
        if name == plain_name(self._run.name):
            return
        try:
            actions.rename(self._run.number, name)
        finally:
            self._name.value = plain_name(self._run.name)

    def draw(self, run: PastRun, is_current: bool) -> None:
        """Show the facts of the run, which may have changed."""
        self._run = run
        color = looks.CURVE if is_current else looks.run_color(run.number)
        border = f"border-top: 3px solid {color}"
        self._swatch.value = f'<span class="lrw-swatch" style="{border}"></span>'
        self._shown.disabled = is_current
        self._shown.value = run.is_shown or is_current
        self._name.value = plain_name(run.name)
        self._remove.disabled = is_current
        self._remove.tooltip = (
            "The displayed run stays" if is_current else "Remove this run from the history"
        )

    def close_all(self) -> None:
        """Close this row with its parts."""
        for part in self.children:
            for inner in getattr(part, "children", ()):
                inner.close()
            part.close()
        self.close()
