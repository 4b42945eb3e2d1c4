"""Curve: the points on show, and how a place on the learning-rate axis maps to them."""

from dataclasses import dataclass, field

import numpy as np

from lrwidget.core.ladder import FloatArray
from lrwidget.core.smoothing import smooth


def _nothing() -> FloatArray:
    return np.empty(0)


@dataclass(frozen=True, eq=False)
class Curve:
    """What is known of the loss over the learning rate; empty before a test.

    Args:
        lrs: Learning rates done so far, shape (n,), increasing.
        losses: Their losses, shape (n,), finite.
        smoothed: The losses as the smoothing slider shows them, shape (n,).
    """

    lrs: FloatArray = field(default_factory=_nothing)
    losses: FloatArray = field(default_factory=_nothing)
    smoothed: FloatArray = field(default_factory=_nothing)

    @classmethod
    def of(cls, lrs: FloatArray, losses: FloatArray, smoothing: float) -> "Curve":
        """Return the curve through these points, smoothed by `smoothing` in [0, 1)."""
        lrs, losses = np.array(lrs, dtype=np.float64), np.array(losses, dtype=np.float64)
        return cls(lrs, losses, smooth(losses, smoothing))

    def __len__(self) -> int:
        return len(self.lrs)

    def nearest(self, lr: float) -> int:
        """Return the 0-based index of the point closest to `lr` on the logarithmic axis."""
        return int(np.argmin(np.abs(np.log(self.lrs) - np.log(lr))))

    def height(self, lr: float) -> float | None:
        """Return the smoothed loss at `lr`, between the points by a straight line on the plot.

        Outside the curve it is the loss of the curve's end; None where there is no curve.
        """
        if not len(self):
            return None
        return float(np.interp(np.log(lr), np.log(self.lrs), self.smoothed))
