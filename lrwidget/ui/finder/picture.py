"""A still picture of the widget, for places that show no widgets, such as GitHub."""

from typing import TYPE_CHECKING

from lrwidget.ui.looks.kept import png_of
from lrwidget.ui.state.state import WidgetState
from lrwidget.ui.words import suggestion_text, text

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def picture_of(state: WidgetState) -> str | None:
    """Return the curve, the suggestion, the pick and what was applied as a PNG in base64.

    Returns:
        The picture; None before a test, without matplotlib, or if it cannot be drawn.
    """
    result = state.result
    if result is None or not len(result.lrs):
        return None

    def draw(axes: "Axes") -> None:
        result.plot(
            axes,
            state.show,
            rules=None if state.rules_shown else ("auto",),
            smoothing=state.smoothing,
            picked=state.picked_lr,
        )
        axes.set_title(_said(state), loc="left", fontsize=9, parse_math=False)
        _make_plain(axes)

    return png_of(draw)


def _said(state: WidgetState) -> str:
    """Return the suggestion and what was applied, on a line each."""
    said = [suggestion_text.headline(state.suggestion("auto"), is_busy=False)]
    if state.changes:
        said.append(text.changed_rate(state.changes[-1]))
    return text.plain("\n".join(said))


def _make_plain(axes: "Axes") -> None:
    legend = axes.get_legend()
    for name in (axes.yaxis.label, *(legend.get_texts() if legend else ())):
        name.set_text(text.plain_name(name.get_text()))
        name.set_parse_math(False)
