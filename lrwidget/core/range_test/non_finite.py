"""Why a loss was not finite, if the learning rate is not the reason."""

from typing import NamedTuple

from lrwidget.core.curve.ending import NonFiniteCause
from lrwidget.core.curve.ladder import format_lr
from lrwidget.core.data.source import Batches
from lrwidget.core.range_test.growing_curve import SweepCurve

# For this many updates from the first learning rate on, the rate cannot be too large.
_EARLY = 2


class NonFinite(NamedTuple):
    """Why a loss was not finite, and what to check if the learning rate is not the reason."""

    cause: NonFiniteCause
    note: str = ""


def why_non_finite(curve: SweepCurve, batches: Batches, gathered: int) -> NonFinite:
    """Return why the loss after the last one of a curve was NaN or infinite.

    Args:
        curve: A curve that ended because its next loss was not finite.
        batches: The data of this curve.
        gathered: Number of batches in one optimizer update.
    """
    if batches.holds_non_finite(curve.count * gathered, gathered):
        return NonFinite(
            "data",
            f"Step {curve.count + 1}'s batch holds NaN or infinity: look at the data. The learning "
            "rate is not the reason.",
        )
    if curve.count == 0:
        return NonFinite(
            "first_loss",
            "The first loss is NaN or infinite, before any update: look at the labels and at the "
            "loss function, for a logarithm of 0 or a division by 0. The learning rate is not the "
            "reason.",
        )
    if curve.count < _EARLY and curve.config.min_lr < 1e-3:
        return NonFinite(
            "gradient",
            f"The first update made the loss NaN or infinite, at the learning rate "
            f"{format_lr(curve.config.min_lr)}. No rate is small enough where a gradient is not "
            "finite: look for the square root or the logarithm of 0 in the model and the loss.",
        )
    return NonFinite("learning_rate")
