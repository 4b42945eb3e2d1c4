"""Suggested: what is read off a result, once, where no lock is held."""

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
    """What the rules suggest, for each kind of training, and the bounds for a cyclical one.

    Args:
        by_target: Suggestions by rule, by what they are for.
        bounds: For a cyclical learning rate.
        error: What a rule of the user's raised; None where all went well.
    """

    by_target: Mapping[str, Mapping[str, Suggestion]] = field(default_factory=dict)
    bounds: Bounds = NO_BOUNDS
    error: BaseException | None = None

    @classmethod
    def of(cls, result: RangeTestResult) -> "Suggested":
        """Ask all rules, among them the user's own, which must not run in a turn of the widget."""
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
