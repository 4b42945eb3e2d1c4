"""History: the range tests of a widget that have ended, and those loaded from files."""

import itertools
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

from traitlets import Bool, HasTraits, Tuple

from lrwidget.core.range_test.result import RangeTestResult
from lrwidget.errors import ConfigError
from lrwidget.ui.state.drawn_curve import Measured

SHOWN = 5
"""Number of earlier runs that are drawn unless a person chooses others."""


@dataclass(frozen=True, eq=False)
class PastRun:
    """A range test that has ended.

    Args:
        number: Its number in the history, from 1; decides its color.
        name: Its name.
        result: Its result.
        is_shown: Whether its curve is drawn, if it is not the displayed one.
    """

    number: int
    name: str
    result: RangeTestResult
    is_shown: bool = True
    measured: Measured = field(init=False)

    def __post_init__(self) -> None:
        curves = Measured(self.result.lrs, self.result.series(), self.result.sweep_losses)
        object.__setattr__(self, "measured", curves)

    def __repr__(self) -> str:
        return f"PastRun({self.name!r}, {len(self.result.lrs)} points)"


class History(HasTraits):
    """The runs of a widget.

    Args:
        changing: Returns a context in which the state of the widget may be changed.
    """

    runs = Tuple(help="The tests that have ended, each as PastRun, the newest last.")
    is_listed = Bool(False, help="Whether the list of the runs is displayed.")

    def __init__(self, changing: Callable[[], AbstractContextManager[None]]) -> None:
        super().__init__()
        self._changing = changing

    def remember(self, result: RangeTestResult, name: str = "") -> PastRun:
        """Add a result, under a name that is free."""
        with self._changing():
            number = 1 + max((each.number for each in self.runs), default=0)
            run = PastRun(number, self._free_name(name or f"Run {number}"), result)
            shown = [each.number for each in self.runs if each.is_shown][-SHOWN:]
            kept = (replace(each, is_shown=each.number in shown) for each in self.runs)
            self.runs = (*kept, run)
        return run

    def _free_name(self, wanted: str) -> str:
        taken = {each.name for each in self.runs}
        names = itertools.chain([wanted], (f"{wanted} ({n})" for n in itertools.count(2)))
        return next(name for name in names if name not in taken)

    def run(self, number: int) -> PastRun:
        """Return the run with a number."""
        return next(each for each in self.runs if each.number == number)

    def rename(self, number: int, name: str) -> None:
        """Give a run another name.

        Raises:
            ConfigError: The name is empty or taken.
        """
        name = name.strip()
        if not name or any(each.name == name and each.number != number for each in self.runs):
            raise ConfigError(f"Another run is called {name!r}." if name else "Type a name.")
        self._change(number, name=name)

    def show(self, number: int, on: bool) -> None:
        """Draw the curve of a run, or not."""
        self._change(number, is_shown=on)

    def _change(self, number: int, **changes: Any) -> None:
        with self._changing():
            self.runs = tuple(
                replace(each, **changes) if each.number == number else each for each in self.runs
            )

    def remove(self, number: int) -> None:
        """Remove a run."""
        with self._changing():
            self.runs = tuple(each for each in self.runs if each.number != number)
