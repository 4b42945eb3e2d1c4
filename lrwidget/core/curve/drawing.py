"""Shared parts of all matplotlib pictures: axes, legends, line styles."""

import io
import warnings
from collections.abc import Callable, Iterator, Sequence
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
_DPI, _PNG_INCHES = 100, 3.8

# However large a legend is, the axes keep this share of their size.
_LEAST = 0.4
# A label in a legend is shortened to this many letters.
_MOST_LETTERS = 40


def axes_of(ax: Any, what: str) -> "Axes":
    """Return the axes to draw on, new ones for None.

    Args:
        ax: The argument of the function `what`.
        what: The name of the public function that draws.

    Raises:
        MissingPackageError: matplotlib is not installed.
        ConfigError: `ax` is not matplotlib axes.
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


def png_of(draw: Callable[["Axes"], object], width: int = 720, note: str = "") -> bytes | None:
    """Return a plot as a PNG, for a notebook to show.

    Such a picture is optional: a rule of the user that fails, or letters that the font lacks, must
    not keep the object from being shown as text.

    Args:
        draw: Draws on the axes that it is given.
        width: Width in pixels.
        note: Small text in the lower left corner.

    Returns:
        The picture; None without matplotlib, or if it fails.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return None
    # Without pyplot, which would draw the figure below the cell a second time.
    figure = Figure(figsize=(width / _DPI, _PNG_INCHES), dpi=_DPI, layout="constrained")
    picture = io.BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            draw(figure.subplots())
            if note:
                figure.supxlabel(note, fontsize=7, color="0.4", x=0.0, ha="left")
            figure.savefig(picture, format="png")
    except Exception:
        return None
    return picture.getvalue()


def as_named(name: str, values: Any) -> dict[str, Any]:
    """Return a dictionary of objects to draw by name, or raise ConfigError."""
    if not isinstance(values, dict) or not values:
        raise ConfigError(
            f"`{name}` must be a dictionary that names at least one; got {name}={shown(values)}."
        )
    return {as_text(f"a name in {name}", key): value for key, value in values.items()}


def line_styles() -> Iterator[dict[str, Any]]:
    """Yield line styles; consecutive ones differ in color and in dashes."""
    for number in count():
        yield {"color": f"C{number % 10}", "linestyle": DASHES[number % len(DASHES)]}


def robust_limits(values: FloatArray) -> tuple[float, float] | None:
    """Return the lowest and the highest loss to show, so that a few spikes do not flatten the rest.

    Args:
        values: Shape (n,); NaN and infinity are ignored.

    Returns:
        None if no value is finite.
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    low, high = float(finite.min()), float(np.percentile(finite, 99.5))
    room = 0.05 * (high - low) or 0.05 * abs(high) or 0.05
    return low - room, high + room


class Room:
    """Keeps a picture within the area that its axes covered before drawing.

    A layout engine of the figure does this by itself. Without one, the axes shrink to make room
    for objects beside them, such as a legend, so that these cover no other axes.

    Args:
        ax: The axes to draw on.
    """

    def __init__(self, ax: "Axes") -> None:
        # An earlier picture on the same axes has already made room for its legend.
        self._made = (0.0, 0.0) if ax.get_legend() is None else _beside([ax])

    def make(self, *axes: "Axes") -> None:
        """Make room for everything beside these axes, which share one position."""
        if axes[0].figure.get_layout_engine() is not None:
            return
        box, after = axes[0].get_position(), _beside(axes)
        right, top = (max(0.0, now - then) for now, then in zip(after, self._made, strict=True))
        width, height = box.width - right, box.height - top
        smaller = (max(_LEAST * box.width, width), max(_LEAST * box.height, height))
        for each in axes:
            each.set_position((box.x0, box.y0, *smaller))


def _beside(axes: Sequence["Axes"]) -> tuple[float, float]:
    """Return how far the decorations of axes extend beyond them, to the right and to the top.

    Returns:
        Both extents as fractions of the figure.
    """
    figure = axes[0].figure
    inner = axes[0].get_window_extent()
    outer = [box for each in axes if (box := each.get_tightbbox()) is not None]
    right = max([inner.x1, *(box.x1 for box in outer)]) - inner.x1
    top = max([inner.y1, *(box.y1 for box in outer)]) - inner.y1
    return float(right / figure.bbox.width), float(top / figure.bbox.height)


def legend_at_right(ax: "Axes") -> None:
    """Put the legend to the right of the axes."""
    place = {"loc": "upper left", "bbox_to_anchor": (1.02, 1.0)}
    _make_plain(ax.legend(borderaxespad=0.0, fontsize="small", **place))


def legend_above(ax: "Axes", *others: "Axes") -> None:
    """Put one legend above several axes, which share one position."""
    found = [each.get_legend_handles_labels() for each in (ax, *others)]
    handles = [handle for some, _ in found for handle in some]
    labels = [label for _, some in found for label in some]
    place = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.03)}
    for columns in range(4, 0, -1):
        legend = ax.legend(
            handles, labels, borderaxespad=0.0, fontsize="small", ncols=columns, **place
        )
        _make_plain(legend)
        if legend.get_window_extent().width <= ax.get_window_extent().width:
            break


def _make_plain(legend: "Legend") -> None:
    for text in legend.get_texts():
        text.set_parse_math(False)  # a `$` in the name of a metric or a rule is no math


def shown_label(name: str) -> str:
    """Return a label for a legend, shortened; matplotlib leaves out those that start with "_"."""
    short = name if len(name) <= _MOST_LETTERS else f"{name[: _MOST_LETTERS - 1]}…"
    return f" {short}" if short.startswith("_") else short
