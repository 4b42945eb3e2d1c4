"""The picture of a result: its curve, the suggestions, the pick and the bounds."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lrwidget.core.arrays import FloatArray
from lrwidget.core.checks import as_choice, as_flag, as_items, as_rate
from lrwidget.core.curve.drawing import CURVE, PICK, Room, axes_of, legend_at_right
from lrwidget.core.curve.ladder import format_lr
from lrwidget.core.curve.purpose import Target
from lrwidget.core.curve.rules import RULES
from lrwidget.core.curve.smoothing import Method, smooth
from lrwidget.core.curve.suggest import Suggestion
from lrwidget.core.range_test.bounds import suggest_bounds
from lrwidget.core.range_test.result import RangeTestResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TITLES = {"loss": "Training loss of the batch", "validation_loss": "Validation loss"}
_AUTO = "*"
_MARKERS = "ov^sDPX<>phd8"
_BAND = (0.1, 0.9)
_NO_BOUNDS = "no bounds found"
NO_CURVE = "The test ended before the first loss was measured."


@dataclass(frozen=True)
class Picture:
    """The contents of a picture; see `RangeTestResult.plot`."""

    show: str
    rules: Iterable[str] | None
    target: Target
    smoothing: float
    method: Method
    picked: float | None
    bounds: bool
    sweeps: bool


@dataclass(frozen=True, eq=False)
class _Drawn:
    """The measured points of a curve, raw and smoothed, shape (n,) each, and its band, (2, n)."""

    lrs: FloatArray
    values: FloatArray
    smoothed: FloatArray
    band: FloatArray | None

    def height(self, lr: float) -> float:
        """Return the smoothed value at a learning rate."""
        return float(np.interp(np.log(lr), np.log(self.lrs), self.smoothed))


def draw_result(ax: Any, result: RangeTestResult, picture: Picture) -> "Axes":
    """Draw a result; see `RangeTestResult.plot`, which raises the same errors."""
    curve = _drawn(result, picture)
    suggestions = _suggestions(result, picture)
    picked = None if picture.picked is None else as_rate("picked", picture.picked)
    with_bounds = as_flag("bounds", picture.bounds)
    bounds = suggest_bounds(result, metric=picture.show) if with_bounds else None
    axes = axes_of(ax, "RangeTestResult.plot")
    room = Room(axes)
    _draw_curve(axes, curve, picture.show)
    if bounds is not None:
        _draw_bounds(axes, bounds.low, bounds.high)
    if len(curve.lrs):
        for suggestion in suggestions:
            _draw_suggestion(axes, suggestion, curve)
    else:
        axes.text(0.5, 0.5, NO_CURVE, transform=axes.transAxes, ha="center", va="center")
        axes.set(xlim=(result.config.min_lr, result.config.max_lr), yticks=[])
    if picked is not None:
        label = f"picked: {format_lr(picked)}"
        axes.axvline(picked, color=PICK, linestyle="--", linewidth=1.5, label=label)
    title = _TITLES.get(picture.show, picture.show)
    scale = "linear" if result.config.mode == "linear" else "log"
    axes.set(xscale=scale, xlabel="Learning rate", ylabel=title)
    axes.yaxis.label.set_parse_math(False)
    legend_at_right(axes)
    room.make(axes)
    return axes


def _drawn(result: RangeTestResult, picture: Picture) -> _Drawn:
    series = result.series()
    show = as_choice("show", picture.show, series)
    # Measured on the same batches every time, so there is no noise to remove.
    amount = 0.0 if show == "validation_loss" else picture.smoothing
    measured = np.isfinite(series[show])
    values = series[show][measured]
    rows = {"loss": result.sweep_losses, "validation_loss": result.sweep_validation_losses}
    smoothed = smooth(values, picture.smoothing, picture.method)  # checks the arguments, too
    band = None
    if as_flag("sweeps", picture.sweeps) and show in rows and len(rows[show]) > 1:
        each = [smooth(row[measured], amount, picture.method) for row in rows[show]]
        band = np.quantile(each, _BAND, axis=0)
    return _Drawn(result.lrs[measured], values, smoothed if amount else values, band)


def _suggestions(result: RangeTestResult, picture: Picture) -> list[Suggestion]:
    """Return the suggestions to mark."""
    if picture.rules is None:
        return list(result.suggestions(picture.target).values())
    one = isinstance(picture.rules, str)
    names = [picture.rules] if one else as_items("rules", picture.rules, "a list of rules, or None")
    known = [as_choice("rules", name, RULES) for name in names]
    return [result.suggest(name, picture.target) for name in known]


def _draw_curve(ax: "Axes", curve: _Drawn, show: str) -> None:
    """Draw the curve; the limits of a loss exclude most of the explosion at the end."""
    ax.plot(curve.lrs, curve.values, color=CURVE, alpha=0.45, linewidth=1, label=show)
    ax.plot(curve.lrs, curve.smoothed, color=CURVE, linewidth=2, label="smoothed")
    if curve.band is not None:
        label = "10 to 90 % of the sweeps"
        ax.fill_between(curve.lrs, *curve.band, color=CURVE, alpha=0.2, linewidth=0, label=label)
    if len(curve.lrs) and show in _TITLES:
        low = curve.smoothed.min()
        high = np.maximum(curve.smoothed[0], np.median(curve.smoothed))
        ax.set_ylim(low - 0.1 * (high - low), high + 0.5 * (high - low) + 1e-12)


def _draw_bounds(ax: "Axes", low: float | None, high: float | None) -> None:
    if low is not None and high is not None:
        label = f"bounds: {format_lr(low)} to {format_lr(high)}"
        ax.axvspan(low, high, color="0.5", alpha=0.15, linewidth=0, label=label)
        return
    for name, lr in (("lower", low), ("upper", high)):
        if lr is not None:
            label = f"{name} bound: {format_lr(lr)}"
            ax.axvline(lr, color="0.5", linestyle=":", linewidth=1.5, label=label)
    if low is None and high is None:
        ax.plot([], [], " ", label=_NO_BOUNDS)


def _draw_suggestion(ax: "Axes", suggestion: Suggestion, curve: _Drawn) -> None:
    """Draw the marker of one rule, and its interval."""
    if suggestion.lr is None:
        return
    rule, lr, height = suggestion.rule, suggestion.lr, curve.height(suggestion.lr)
    number = list(RULES).index(rule)
    is_auto = rule == "auto"
    color = "gold" if is_auto else f"C{number}"
    if suggestion.low is not None and suggestion.high is not None:
        ends = [suggestion.low, suggestion.high]
        ax.plot(ends, [height, height], "|-", color=color, linewidth=1.5, markersize=9, zorder=2.5)
    ax.plot(
        lr,
        height,
        _AUTO if is_auto else _MARKERS[(number - 1) % len(_MARKERS)],
        # "auto" is drawn first, below the hollow markers of the others, so that all are visible.
        markersize=17 if is_auto else 9,
        color=color,
        fillstyle="full" if is_auto else "none",
        markeredgecolor="black" if is_auto else color,
        markeredgewidth=1.0 if is_auto else 2.0,
        label=f"{rule}: {format_lr(lr)}",
        zorder=3,
    )
