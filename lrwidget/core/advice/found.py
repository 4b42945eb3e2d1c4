"""FoundLR: the answer of find_lr."""

import html
from dataclasses import dataclass

from lrwidget.core.compare.comparison import Comparison
from lrwidget.core.curve.ladder import format_lr
from lrwidget.core.curve.purpose import Target
from lrwidget.core.curve.reasons import Confidence
from lrwidget.core.range_test.result import RangeTestResult


@dataclass(frozen=True, eq=False, repr=False)
class FoundLR:
    """A learning rate, and what it rests on.

    Attributes:
        lr: The learning rate; None if neither the curve nor the trials gave one.
        low: Lower end of an interval that contains it; None without one.
        high: Upper end of the interval.
        confidence: "high", "medium", "low", or "none" without a learning rate.
        reason: Why this one, in one or two sentences.
        range_test: The range test that came first.
        comparison: The trials; None if the curve decided.
        steps: Training steps done in all.
        target: "constant", or "one_cycle" if `lr` is the peak of a one-cycle.
    """

    lr: float | None
    low: float | None
    high: float | None
    confidence: Confidence
    reason: str
    range_test: RangeTestResult
    comparison: Comparison | None
    steps: int
    target: Target = "constant"

    @property
    def reliable(self) -> bool:
        """Whether `confidence` is high or medium."""
        return self.confidence in ("high", "medium")

    def __repr__(self) -> str:
        if self.lr is None or self.low is None or self.high is None:
            return f"FoundLR(none after {self.steps} steps: {self.reason})"
        interval = f"{format_lr(self.low)} to {format_lr(self.high)}"
        return (
            f"FoundLR({format_lr(self.lr)} ({interval}), {self.confidence} confidence, "
            f"{self.steps} steps: {self.reason})"
        )

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self)[8:-1])}</p>"
