"""What was measured, and the one curve of it that is on show."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from lrwidget.core.curve.ladder import FloatArray
from lrwidget.core.curve.smoothing import smooth

LOSSES = ("loss", "validation_loss")
"""The curves that have a lowest point to look for; of any other only its user knows."""


MOST_SMOOTHED = 4096
"""Smoothing takes longer than a redraw may where there are many more points than this."""


def _nothing() -> FloatArray:
    return np.empty(0)


def smooth_for_display(losses: FloatArray, amount: float) -> FloatArray:
    """Return smoothed losses, shape (n,), in a time that long curves do not make longer.

    Of a long curve, the medians of stretches far narrower than a pixel are smoothed; between
    them lie straight lines.
    """
    n = len(losses)
    if n <= MOST_SMOOTHED or amount == 0:
        return smooth(losses, amount)
    width = -(-n // MOST_SMOOTHED)
    whole = n - n % width
    medians = np.median(losses[:whole].reshape(-1, width), axis=1)
    centers = np.arange(len(medians)) * width + (width - 1) / 2
    return np.interp(np.arange(n), centers, smooth(medians, amount))


@dataclass(frozen=True, eq=False)
class Curve:
    """The curve on show, over the learning rate; empty before a test.

    Args:
        lrs: Learning rates done so far, shape (n,), increasing.
        losses: Their losses, or what else is on show, shape (n,), finite.
        smoothed: The losses as the smoothing slider shows them, shape (n,).
    """

    lrs: FloatArray = field(default_factory=_nothing)
    losses: FloatArray = field(default_factory=_nothing)
    smoothed: FloatArray = field(default_factory=_nothing)

    @classmethod
    def of(cls, lrs: FloatArray, losses: FloatArray, smoothing: float) -> "Curve":
        """Return the curve through these points, smoothed by `smoothing` in [0, 1)."""
        lrs, losses = np.array(lrs, dtype=np.float64), np.array(losses, dtype=np.float64)
        return cls(lrs, losses, smooth_for_display(losses, smoothing))

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


@dataclass(frozen=True, eq=False)
class Measured:
    """All that a test has measured so far.

    Args:
        lrs: Learning rates done so far, shape (n,), increasing.
        series: Curves by name, "loss" first; shape (n,) each, NaN where not measured.
        sweeps: The losses of each sweep, shape (sweeps, n); None before the end.
    """

    lrs: FloatArray = field(default_factory=_nothing)
    series: Mapping[str, FloatArray] = field(default_factory=dict)
    sweeps: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.lrs)

    def nearest(self, lr: float) -> int:
        """Return the 0-based index of the rate closest to `lr` on the logarithmic axis."""
        return int(np.argmin(np.abs(np.log(self.lrs) - np.log(lr))))

    def curve(self, show: str, smoothing: float) -> Curve:
        """Return the curve called `show` through the points where it was measured."""
        values = self.series.get(show, np.full(len(self), np.nan))
        there = np.isfinite(values)
        # Measured on the same batches every time: it has no noise to smooth away.
        amount = 0.0 if show == "validation_loss" else smoothing
        return Curve.of(self.lrs[there], values[there], amount)

    def band(self, smoothing: float) -> FloatArray:
        """Return the 10 % and the 90 % quantile of the smoothed sweeps, shape (2, n).

        Of a single sweep there is none: shape (2, 0).
        """
        if self.sweeps is None or len(self.sweeps) < 2 or not len(self):
            return np.empty((2, 0))
        smoothed = np.array([smooth_for_display(sweep, smoothing) for sweep in self.sweeps])
        return np.quantile(smoothed, [0.1, 0.9], axis=0)
