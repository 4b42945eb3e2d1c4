"""Suggested: what the rules say about a result, asked once and without holding a lock."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lrwidget.core.curve.suggest import Suggestion
from lrwidget.core.range_test.bounds import Bounds, suggest_bounds
from lrwidget.core.range_test.result import RangeTestResult

NO_BOUNDS = Bounds(None, None, "")


@dataclass(frozen=True, eq=False)
class Suggested:
    """What the rules suggest, and the bounds of a cyclical schedule.

    Args:
        by_rule: The suggestions by rule; that of "auto" for a constant learning rate.
        bounds: Lower and upper bound for a cyclical learning rate.
        error: The error of a rule that the user registered; None if there was none.
    """

    by_rule: Mapping[str, Suggestion] = field(default_factory=dict)
    bounds: Bounds = NO_BOUNDS
    error: BaseException | None = None

    @classmethod
    def of(cls, result: RangeTestResult) -> "Suggested":
        """Ask all rules. Never call it in a turn: rules of the user run here."""
        if not len(result.lrs):
            return cls()
        try:
            return cls(result.suggestions(), suggest_bounds(result))
        except BaseException as error:  # an interrupt or an exit must not end the worker
            return cls(error=error)
