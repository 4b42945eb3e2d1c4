"""Ending: how a range test began and ended, as far as it is known to whoever reads its curve."""

from dataclasses import dataclass
from typing import Literal

StopReason = Literal["finished", "diverged", "non_finite", "stopped"]
NonFiniteCause = Literal["learning_rate", "data", "first_loss", "gradient"]


@dataclass(frozen=True)
class Ending:
    """What a curve alone does not tell about its range test.

    Args:
        stop_reason: Why the test ended; None if only arrays are known.
        non_finite_cause: Why the loss after the last one was NaN or infinite, if it was: the
            learning rate, NaN in that batch, a loss that was not finite before any update, or a
            gradient that is not finite at any learning rate. None if unknown.
        updates_before: Optimizer updates that the model had done before the test; None if
            they are not known.
    """

    stop_reason: StopReason | None = None
    non_finite_cause: NonFiniteCause | None = None
    updates_before: int | None = None
