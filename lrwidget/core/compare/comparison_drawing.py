"""The picture of a comparison: the curves of its variants, with a band over the seeds."""

from typing import TYPE_CHECKING, Any

import numpy as np

from lrwidget.core.arrays import FloatArray
from lrwidget.core.compare.comparison import Comparison
from lrwidget.core.compare.run import Run
from lrwidget.core.curve.drawing import Room, axes_of, legend_at_right, line_styles, shown_label
from lrwidget.core.curve.smoothing import smooth

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SMOOTHING = 0.8
_TITLES = {
    "loss": "Training loss, smoothed",
    "validation_loss": "Validation loss",
    "lr": "Learning rate",
}


def draw_comparison(ax: Any, comparison: Comparison, show: str) -> "Axes":
    """Draw a comparison; see `Comparison.plot`, which raises the same errors."""
    axes = axes_of(ax, "Comparison.plot")
    room = Room(axes)
    highest: list[float] = []
    lowest: list[float] = []
    for row, style in zip(comparison.ranking, line_styles(), strict=False):
        runs = [run for run in comparison.runs if run.name == row.name and len(run.losses)]
        if not runs:
            continue
        steps, curves = curves_of(runs, show)
        name = shown_label(row.name)
        label = name if not row.reason else f"{name} ({runs[-1].stop_reason})"
        if not len(steps):
            continue
        middle = curves.mean(axis=0)
        axes.plot(steps, middle, label=label, linewidth=1.8, **style)
        if len(curves) > 1:
            low, high = curves.min(axis=0), curves.max(axis=0)
            axes.fill_between(steps, low, high, color=style["color"], alpha=0.15, linewidth=0)
        highest.append(float(curves[:, 0].max()))
        lowest.append(float(curves.min()))
    if show in ("loss", "validation_loss") and highest:
        low, high = min(lowest), max(highest)
        axes.set_ylim(low - 0.05 * (high - low), high + 0.15 * (high - low) + 1e-12)
    axes.set(xlabel="Training step", ylabel=_TITLES.get(show, show))
    if show == "lr":
        axes.set_yscale("log")
    axes.yaxis.label.set_parse_math(False)
    if highest:
        legend_at_right(axes)
    room.make(axes)
    return axes


def curves_of(runs: list[Run], show: str) -> tuple[FloatArray, FloatArray]:
    """Return the steps and the curves of the runs of one variant.

    Args:
        runs: Its runs, one for each seed.
        show: The name of a series; see `Comparison.plot`.

    Returns:
        Shapes (n,) and (seeds, n), cut to the shortest run. A training loss is smoothed.
    """
    rows = [_values(run, show) for run in runs]
    count = min(len(row) for row in rows)
    values = np.stack([row[:count] for row in rows])
    measured = np.isfinite(values).all(axis=0)
    values = values[:, measured]
    if show not in ("validation_loss", "lr") and values.shape[1]:
        values = np.stack([smooth(row, _SMOOTHING) for row in values])
    return np.arange(1, count + 1)[measured].astype(np.float64), values


def _values(run: Run, show: str) -> FloatArray:
    known = {"loss": run.losses, "validation_loss": run.validation_losses, "lr": run.lrs}
    return known.get(show, run.metrics.get(show, np.empty(0)))
