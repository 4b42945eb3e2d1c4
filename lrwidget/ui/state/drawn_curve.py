"""Measured: all curves of a test. Curve: the one that is displayed, with its smoothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from lrwidget.core.curve.ladder import FloatArray
from lrwidget.core.curve.smoothing import smooth

LOSSES = ("loss", "validation_loss")
"""The curves for which lower is better; for other metrics, only the user knows."""


MOST_SMOOTHED = 4096
"""With many more points than this, smoothing would make a redraw too slow."""


def _nothing() -> FloatArray:
    return np.empty(0)


def smooth_for_display(losses: FloatArray, amount: float) -> FloatArray:
    """Return smoothed losses, shape (n,), in about the same time for any length.

    For a long curve, it smooths the medians of groups of neighboring points, each far narrower
    than a pixel, and interpolates linearly between them.
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
    """The displayed curve, over the learning rate; empty before a test.

    Args:
        lrs: Learning rates tried so far, shape (n,), increasing.
        losses: Their losses, or values of another displayed metric, shape (n,), finite.
        smoothed: The same values after smoothing, shape (n,).
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
        """Return the smoothed loss at `lr`, interpolated linearly over log(lr).

        Outside the curve, it is the loss at the nearest end; None if there is no curve.
        """
        if not len(self):
            return None
        return float(np.interp(np.log(lr), np.log(self.lrs), self.smoothed))


@dataclass(frozen=True, eq=False)
class Measured:
    """Everything that a test has measured so far.

    Args:
        lrs: Learning rates tried so far, shape (n,), increasing.
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
        # Measured on the same batches every time, so there is no batch noise to smooth.
        amount = 0.0 if show == "validation_loss" else smoothing
        return Curve.of(self.lrs[there], values[there], amount)

    def band(self, smoothing: float) -> FloatArray:
        """Return the 10 % and the 90 % quantile of the smoothed sweeps, shape (2, n).

        A single sweep has no band: shape (2, 0).
        """
        if self.sweeps is None or len(self.sweeps) < 2 or not len(self):
            return np.empty((2, 0))
        smoothed = np.array([smooth_for_display(sweep, smoothing) for sweep in self.sweeps])
        return np.quantile(smoothed, [0.1, 0.9], axis=0)
