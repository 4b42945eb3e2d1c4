"""Suggested: all suggestions for a result, computed once and without holding a lock."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from lrwidget.core.curve.purpose import Target
from lrwidget.core.curve.suggest import Suggestion
from lrwidget.core.range_test.bounds import Bounds, suggest_bounds
from lrwidget.core.range_test.result import RangeTestResult

NO_BOUNDS = Bounds(None, None, "")


@dataclass(frozen=True, eq=False)
class Suggested:
    """What the rules suggest for each kind of training, and the bounds of a cyclical schedule.

    Args:
        by_target: For each target, the suggestions by rule.
        bounds: Lower and upper bound for a cyclical learning rate.
        error: The error of a rule that the user registered; None if there was none.
    """

    by_target: Mapping[str, Mapping[str, Suggestion]] = field(default_factory=dict)
    bounds: Bounds = NO_BOUNDS
    error: BaseException | None = None

    @classmethod
    def of(cls, result: RangeTestResult) -> "Suggested":
        """Ask all rules. Never call it in a turn: rules of the user run here."""
        if not len(result.lrs):
            return cls()
        try:
            found = result.suggestions()
            # Only "auto" depends on what its learning rate is for.
            targets = {target: result.suggest("auto", target) for target in get_args(Target)}
            by_target = {target: found | {"auto": auto} for target, auto in targets.items()}
            return cls(by_target, suggest_bounds(result))
        except BaseException as error:  # an interrupt or an exit must not end the worker
            return cls(error=error)
