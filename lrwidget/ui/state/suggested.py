"""Suggested: what all rules say about a result, asked for once, where no lock is held."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from lrwidget.core.curve.purpose import Target
from lrwidget.core.curve.suggest import Suggestion
from lrwidget.core.range_test.result import RangeTestResult


@dataclass(frozen=True, eq=False)
class Suggested:
    """What the rules suggest, for each kind of training.

    Args:
        by_target: Suggestions by rule, by what they are for.
        error: What a rule of the user's raised; None where all went well.
    """

    by_target: Mapping[str, Mapping[str, Suggestion]] = field(default_factory=dict)
    error: BaseException | None = None

    @classmethod
    def of(cls, result: RangeTestResult) -> "Suggested":
        """Ask all rules, among them the user's own, which must not run in a turn of the widget."""
        if not len(result.lrs):
            return cls()
        try:
            return cls({target: result.suggestions(target) for target in get_args(Target)})
        except BaseException as error:  # an interrupt or an exit must not end the worker
            return cls(error=error)
