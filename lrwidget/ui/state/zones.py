"""Zones: which learning rates are too small, which work, and which break the training."""

from dataclasses import dataclass

from lrwidget.core.curve.shape import bottom_index
from lrwidget.core.range_test.bounds import Bounds
from lrwidget.core.range_test.result import RangeTestResult


@dataclass(frozen=True)
class Zones:
    """Where the zones of a curve meet, if the curve shows them.

    Attributes:
        works_from: Where the loss begins to fall; below, learning rates are too small. None if the
            curve does not show it.
        breaks_from: The learning rate with the lowest smoothed loss; above, the loss rises. None
            if the curve does not show it.
    """

    works_from: float | None = None
    breaks_from: float | None = None

    @classmethod
    def of(cls, result: RangeTestResult, bounds: Bounds) -> "Zones":
        """Return the zones of a result with these bounds."""
        if bounds.high is None:
            return cls(bounds.low)
        return cls(bounds.low, float(result.lrs[bottom_index(result.smoothed())]))
