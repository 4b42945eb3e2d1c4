"""Jobs: what the worker runs, and how its outcome is reported to the state."""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from lrwidget.core.compare.comparing import Comparing
from lrwidget.core.compare.comparison import Comparison
from lrwidget.core.data.reader import StopFlag
from lrwidget.core.range_test.range_test import RangeTest
from lrwidget.ui.finder.pace import REDRAW_SECONDS, AtMostEvery
from lrwidget.ui.state.compare_state import CompareState
from lrwidget.ui.state.state import WidgetState
from lrwidget.ui.state.suggested import Suggested

Quietly = Callable[[Callable[[Any], None]], Callable[[Any], None]]
"""Wraps a report to the state so that the user's observers do not slow down the worker."""


class Job(Protocol):
    """Something that trains a model for a while and restores it."""

    def run(
        self, stop: StopFlag, alone: bool, quietly: Quietly, on_reserved: Callable[[], object]
    ) -> Any:
        """Train, and return the result once the model is restored.

        Args:
            stop: Set to stop it.
            alone: Whether no other cell runs meanwhile.
            quietly: Wraps reports to the state.
            on_reserved: Called as soon as other uses of the model are refused.
        """

    def outcome(self, result: Any) -> Callable[[], None]:
        """Return a function that reports the result to the state; may run the user's rules."""

    def fail(self, error: BaseException) -> None:
        """Report an error to the state."""


class RangeTestJob:
    """A range test; see `Job`."""

    def __init__(self, state: WidgetState, test: RangeTest) -> None:
        self._state = state
        self._tests = [test]  # taken out to run, because a test holds the model and the data

    def run(
        self, stop: StopFlag, alone: bool, quietly: Quietly, on_reserved: Callable[[], object]
    ) -> Any:
        """Run the test."""
        redraw = AtMostEvery(REDRAW_SECONDS, quietly(self._state.advance))
        found = quietly(self._state.set_found_range)
        try:
            return self._tests.pop().run(
                redraw,
                stop,
                found,
                alone=alone,
                on_reserved=on_reserved,
                on_phase=quietly(self._state.enter_phase),
            )
        except BaseException:
            redraw.flush()  # all that was measured stays on show
            raise

    def outcome(self, result: Any) -> Callable[[], None]:
        """Return a function that shows the result and the suggestions."""
        return partial(self._state.finish, result, Suggested.of(result))

    def fail(self, error: BaseException) -> None:
        """Show an error, and after how many steps it came."""
        self._state.fail_test(error)


class CompareJob:
    """A comparison; see `Job`.

    Args:
        state: Shows its progress and its end.
        comparing: The comparison.
        after: Called with the result once it is shown; None for nothing.
    """

    def __init__(
        self,
        state: CompareState,
        comparing: Comparing,
        after: Callable[[Comparison], None] | None = None,
    ) -> None:
        self._state, self._after = state, after
        self._comparisons = [comparing]

    def run(
        self, stop: StopFlag, alone: bool, quietly: Quietly, on_reserved: Callable[[], object]
    ) -> Any:
        """Train all variants."""
        redraw = AtMostEvery(REDRAW_SECONDS, quietly(self._state.advance))
        return self._comparisons.pop().run(redraw, stop, alone=alone, on_reserved=on_reserved)

    def outcome(self, result: Any) -> Callable[[], None]:
        """Return a function that shows the ranking."""
        return partial(self._show, result)

    def _show(self, result: Comparison) -> None:
        self._state.finish(result)
        if self._after is not None:
            self._after(result)

    def fail(self, error: BaseException) -> None:
        """Show an error."""
        self._state.fail(error)
