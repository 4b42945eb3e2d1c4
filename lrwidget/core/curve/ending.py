"""Ending: how a range test began and ended, as far as this is known."""

from dataclasses import dataclass
from typing import Literal

StopReason = Literal["finished", "diverged", "non_finite", "stopped"]
NonFiniteCause = Literal["learning_rate", "data", "first_loss", "gradient"]


@dataclass(frozen=True)
class Ending:
    """Facts about a range test that its curve alone does not show.

    Args:
        stop_reason: Why the test ended; None if only arrays are known.
        non_finite_cause: Why the loss after the last one was NaN or infinite: the learning rate,
            NaN in that batch, a loss that was not finite before any update, or a gradient that is
            not finite at any learning rate. None if it was finite or the cause is unknown.
        updates_before: Number of optimizer updates before the test; None if unknown.
    """

    stop_reason: StopReason | None = None
    non_finite_cause: NonFiniteCause | None = None
    updates_before: int | None = None
