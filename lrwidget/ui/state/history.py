"""PastRun: a range test of the widget, or one loaded from a file, with its name."""

from dataclasses import dataclass, field

from lrwidget.core.range_test.result import RangeTestResult
from lrwidget.core.range_test.settings import RangeTestConfig
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

    @property
    def config(self) -> RangeTestConfig:
        """The settings of the test."""
        return self.result.config

    def __repr__(self) -> str:
        return f"PastRun({self.name!r}, {len(self.result.lrs)} points)"
