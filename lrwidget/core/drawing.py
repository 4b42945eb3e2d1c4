"""What all pictures drawn with matplotlib share: axes, legends, styles of lines."""

from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from lrwidget.core.arrays import FloatArray
from lrwidget.core.checks import as_text, shown
from lrwidget.errors import ConfigError, MissingPackageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend

CURVE, PICK = "tab:blue", "tab:orange"
DASHES = ("-", "--", ":", "-.")

_SIZE = (9.0, 4.2)

# The legend is this share of the axes' size away from them.
_GAP = 0.02
# However wide the legend is, the axes keep this share of their size.
_LEAST = 0.4


def axes_of(ax: Any, what: str) -> "Axes":
    """Return the axes to draw on, new ones for None.

    Args:
        ax: What was passed to `what`.
        what: The public function that draws.

    Raises:
        MissingPackageError: matplotlib is not installed.
        ConfigError: `ax` is something else.
    """
    try:
        import matplotlib.axes
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise MissingPackageError(
            f"`{what}` needs matplotlib: pip install 'lrwidget[plot]'"
        ) from error
    if ax is None:
        return plt.subplots(figsize=_SIZE, layout="constrained")[1]
    if not isinstance(ax, matplotlib.axes.Axes):
        raise ConfigError(
            f"`ax` must be matplotlib axes or None; got {type(ax).__name__}. "
            "Pass the second value of `plt.subplots()`."
        )
    return ax


def as_named(name: str, values: Any) -> dict[str, Any]:
    """Return a dictionary of things to draw by their names, or raise ConfigError."""
    if not isinstance(values, dict) or not values:
        raise ConfigError(
            f"`{name}` must be a dictionary that names at least one; got {name}={shown(values)}."
        )
    return {as_text(f"a name in {name}", key): value for key, value in values.items()}


def line_styles() -> Iterator[dict[str, Any]]:
    """Yield styles of lines, neighbors of which differ by color and by dashes."""
    for number in count():
        yield {"color": f"C{number % 10}", "linestyle": DASHES[number % len(DASHES)]}


def robust_limits(values: FloatArray) -> tuple[float, float] | None:
    """Return the lowest and the highest loss to show, so that a few spikes do not flatten the rest.

    Args:
        values: Shape (n,); what is not finite does not count.

    Returns:
        None where no value is finite.
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    low, high = float(finite.min()), float(np.percentile(finite, 99.5))
    room = 0.05 * (high - low) or 0.05 * abs(high) or 0.05
    return low - room, high + room


def legend_at_right(ax: "Axes") -> None:
    """Put the legend to the right of the axes, and make them narrower unless a layout does that."""
    before = _size_of(ax, ax.get_legend())
    legend = ax.legend(loc="upper left", bbox_to_anchor=(1 + _GAP, 1.0), borderaxespad=0.0)
    if _is_laid_out(ax):
        return
    box, wide = ax.get_position(), _size_of(ax, legend)[0] - before[0]
    width = max(_LEAST * box.width, (box.width - wide) / (1 + (_GAP if before[0] == 0 else 0)))
    ax.set_position((box.x0, box.y0, width, box.height))


def legend_above(ax: "Axes", *others: "Axes") -> None:
    """Put one legend for several axes in the same place above them, and make these lower."""
    found = [each.get_legend_handles_labels() for each in (ax, *others)]
    handles = [handle for some, _ in found for handle in some]
    labels = [label for _, some in found for label in some]
    before = _size_of(ax, ax.get_legend())
    legend = ax.legend(
        handles,
        labels,
        loc="lower left",
        bbox_to_anchor=(0.0, 1 + _GAP),
        borderaxespad=0.0,
        ncols=min(4, max(1, len(labels))),
    )
    if _is_laid_out(ax):
        return
    box, high = ax.get_position(), _size_of(ax, legend)[1] - before[1]
    height = max(_LEAST * box.height, (box.height - high) / (1 + (_GAP if before[1] == 0 else 0)))
    for each in (ax, *others):
        each.set_position((box.x0, box.y0, box.width, height))


def _is_laid_out(ax: "Axes") -> bool:
    return ax.figure.get_layout_engine() is not None


def _size_of(ax: "Axes", legend: "Legend | None") -> tuple[float, float]:
    """Return width and height of a legend as shares of the figure, zeros without one."""
    if legend is None:
        return 0.0, 0.0
    for text in legend.get_texts():
        text.set_parse_math(False)  # a `$` in the name of a metric or a rule is a `$`
    extent, whole = legend.get_window_extent(), ax.figure.bbox
    return extent.width / whole.width, extent.height / whole.height
