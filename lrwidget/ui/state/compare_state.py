"""CompareState: the facts that the Compare tab shows."""

import math
from dataclasses import dataclass, replace
from typing import Any

from traitlets import Bool, Float, HasTraits, Instance, Int, Tuple, Unicode

from lrwidget.core.compare.comparison import Comparison
from lrwidget.core.compare.settings import CompareUpdate
from lrwidget.errors import ConfigError
from lrwidget.ui.state.outcome import Outcome
from lrwidget.ui.state.state import WidgetState
from lrwidget.ui.state.turn import Turn
from lrwidget.ui.words import compare_text, text

STEPS, SEEDS = 200, 1


@dataclass(frozen=True, eq=False)
class Entry:
    """One variant in the list.

    Attributes:
        name: Its name.
        what: What it is, in a few words.
        value: The variant, as `compare` takes it.
        to_apply: The learning rate or schedule that Apply the winner sets; None if it cannot.
        lr: Its learning rate, or the peak of its schedule; None if it has none.
    """

    name: str
    what: str
    value: Any
    to_apply: Any = None
    lr: float | None = None


class CompareState(HasTraits):
    """The variants, the runs and the ranking of a widget.

    Args:
        state: The state of the widget, which has the turn, the status and the messages.
    """

    entries = Tuple(help="The variants, each as Entry.")
    steps = Int(STEPS)
    seeds = Int(SEEDS)
    runs = Tuple(help="The runs so far, each as Run.")
    progress = Float(0.0, help="Fraction of the planned steps that is done, from 0 to 1.")
    comparison = Instance(Comparison, allow_none=True)
    is_running = Bool(False)
    notice = Unicode(compare_text.WELCOME)
    is_error = Bool(False)

    def __init__(self, state: WidgetState) -> None:
        super().__init__()
        self.state = state

    @property
    def turn(self) -> Turn:
        """Held by the thread that changes the widget."""
        return self.state.turn

    def refuse(self, error: BaseException, *_origin: bool) -> None:
        """Show why something was not done."""
        self.show_error(error)

    def add(self, entry: Entry) -> None:
        """Add a variant; if its name is taken, it gets a number."""
        with self.state.changing(), self.hold_trait_notifications():
            name, number = entry.name, 1
            while any(each.name == name for each in self.entries):
                number += 1
                name = f"{entry.name} ({number})"
            self.entries = (*self.entries, replace(entry, name=name))

    def remove(self, name: str) -> None:
        """Remove a variant from the list."""
        with self.state.changing():
            self.entries = tuple(each for each in self.entries if each.name != name)

    def rename(self, name: str, new: str) -> None:
        """Give a variant another name.

        Raises:
            ConfigError: The name is empty or taken.
        """
        new = new.strip()
        if new == name:
            return
        if not new or any(each.name == new for each in self.entries):
            raise ConfigError(f"Another variant is called {new!r}." if new else "Type a name.")
        with self.state.changing():
            self.entries = tuple(
                replace(each, name=new) if each.name == name else each for each in self.entries
            )

    def set_entries(self, entries: list[Entry]) -> None:
        """Replace all variants."""
        with self.state.changing():
            self.entries = ()
            for entry in entries:
                self.add(entry)

    def set_number(self, name: str, value: int) -> None:
        """Set "steps" or "seeds"."""
        with self.state.changing():
            setattr(self, name, value)

    def begin(self, planned: int) -> None:
        """Clear the last comparison and show that the next one starts."""
        with self.state.changing(), self.hold_trait_notifications():
            self.runs, self.comparison, self.progress = (), None, 0.0
            self.is_running = True
            self._say(compare_text.starting(len(self.entries), planned))
            self.state.begin_comparing(self.notice)

    def advance(self, update: CompareUpdate) -> None:
        """Show what was trained so far."""
        with self.state.changing(), self.hold_trait_notifications():
            self.runs = update.runs
            self.progress = min(1.0, update.step / update.steps)
            if self.state.status == "running":
                self._say(compare_text.running(update))

    def finish(self, comparison: Comparison) -> None:
        """Show the ranking."""
        with self.state.changing(), self.hold_trait_notifications():
            self.runs, self.comparison = comparison.runs, comparison
            self.is_running = False
            stopped = any(run.stop_reason == "stopped" for run in comparison.runs)
            self.progress = self.progress if stopped else 1.0
            self._say(compare_text.ended(comparison, stopped))
            self.state.end_comparing("stopped" if stopped else "finished", self.notice)
            self.state.set_compared(self._outcomes(comparison))

    def _outcomes(self, comparison: Comparison) -> tuple[Outcome, ...]:
        """Return the outcome of each variant with a learning rate, for the range test's curve."""
        scores = {rank.name: rank.score for rank in comparison.ranking}
        found = [
            Outcome(each.lr, scores.get(each.name, math.nan), place)
            for place, each in enumerate(self.entries)
            if each.lr is not None
        ]
        return tuple(each for each in found if math.isfinite(each.score))

    def fail(self, error: BaseException) -> None:
        """Show that the comparison failed with `error`."""
        with self.state.changing(), self.hold_trait_notifications():
            self.is_running = False
            self.show_error(error)
            self.state.fail(error)

    def show_error(self, error: BaseException) -> None:
        """Show what went wrong."""
        with self.state.changing(), self.hold_trait_notifications():
            self.notice, self.is_error = text.plain(text.failed(error)), True

    def say(self, sentence: str) -> None:
        """Show a sentence."""
        with self.state.changing(), self.hold_trait_notifications():
            self._say(sentence)

    def _say(self, sentence: str) -> None:
        self.notice, self.is_error = text.plain(sentence), False
