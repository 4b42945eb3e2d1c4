"""The still picture of a result, drawn with matplotlib."""

from typing import TYPE_CHECKING, Any

import numpy as np

from lrwidget.core.arrays import FloatArray
from lrwidget.core.curve.smoothing import DEFAULT_SMOOTHING, smooth
from lrwidget.core.curve.suggest import Suggestion
from lrwidget.errors import ConfigError, MissingPackageError

if TYPE_CHECKING:
    import matplotlib.axes

_TITLES = {"loss": "Training loss of the batch", "validation_loss": "Validation loss"}
_MARKERS = "*ov^sD"


def axes_of(ax: Any) -> "matplotlib.axes.Axes":
    """Return the axes to draw on, new ones for None.

    Raises:
        MissingPackageError: matplotlib is not installed.
        ConfigError: `ax` is something else.
    """
    try:
        import matplotlib.axes
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise MissingPackageError(
            "`RangeTestResult.plot` needs matplotlib: pip install 'lrwidget[plot]'"
        ) from error
    if ax is None:
        return plt.subplots()[1]
    if not isinstance(ax, matplotlib.axes.Axes):
        raise ConfigError(
            f"`ax` must be matplotlib axes or None; got {type(ax).__name__}. "
            "Pass the second value of `plt.subplots()`."
        )
    return ax


def draw_curve(
    ax: "matplotlib.axes.Axes",
    lrs: FloatArray,
    values: FloatArray,
    show: str,
    suggestions: dict[str, Suggestion],
) -> None:
    """Draw a curve, raw and smoothed, and the suggestions.

    Args:
        ax: Where to draw.
        lrs: Learning rates, shape (n,).
        values: What was measured at each, shape (n,), NaN where nothing was.
        show: Name of the curve.
        suggestions: By the name of the rule.
    """
    measured = np.isfinite(values)
    lrs, values = lrs[measured], values[measured]
    smoothed = smooth(values, DEFAULT_SMOOTHING)
    ax.plot(lrs, values, color="tab:blue", alpha=0.35, linewidth=1, label=show)
    ax.plot(lrs, smoothed, color="tab:blue", linewidth=2, label="smoothed")
    for number, suggestion in enumerate(suggestions.values()):
        if suggestion.lr is not None and len(lrs):
            height = np.interp(np.log(suggestion.lr), np.log(lrs), smoothed)
            _mark(ax, number, suggestion.rule, suggestion.lr, float(height))
    ax.set(xscale="log", xlabel="Learning rate", ylabel=_TITLES.get(show, show))
    if len(smoothed) and show in _TITLES:
        low, high = smoothed.min(), np.maximum(smoothed[0], np.median(smoothed))
        ax.set_ylim(low - 0.1 * (high - low), high + 0.5 * (high - low) + 1e-12)
    for name in (ax.yaxis.label, *ax.legend().get_texts()):
        name.set_parse_math(False)  # a `$` in the name of a metric or a rule is a `$`


def _mark(ax: "matplotlib.axes.Axes", number: int, rule: str, lr: float, height: float) -> None:
    """Draw the marker of one rule."""
    is_auto = rule == "auto"
    color = "gold" if is_auto else f"C{number}"
    ax.plot(
        lr,
        height,
        _MARKERS[number % len(_MARKERS)],
        # "auto" is drawn first, below the others: larger, so that none of them covers it.
        markersize=17 if is_auto else 8,
        color=color,
        markeredgecolor="black" if is_auto else color,
        label=f"{rule}: {lr:.2e}",
    )
