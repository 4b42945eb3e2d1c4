"""A still picture of a result, for places that show no widgets, such as GitHub."""

import base64
import io
import warnings
from typing import TYPE_CHECKING

from lrwidget.core.range_test.result import RangeTestResult
from lrwidget.ui.words.text import plain_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def png_of(result: RangeTestResult, show: str) -> str | None:
    """Return the plot of a result as a PNG in base64.

    The picture is optional: if it fails, for instance in a rule of the user, the widget must still
    be displayed.

    Args:
        result: A result with at least one point.
        show: Name of the curve, as for `RangeTestResult.plot`.

    Returns:
        The picture; None if matplotlib is not installed or fails.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return None
    # Without pyplot, which would draw the figure below the cell a second time.
    figure = Figure(figsize=(9.0, 4.2), dpi=80, layout="constrained")
    picture = io.BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # letters that the font does not have
            axes = result.plot(figure.subplots(), show)
            _make_plain(axes)
            figure.savefig(picture, format="png")
    except Exception:
        return None
    return base64.b64encode(picture.getvalue()).decode("ascii")


def _make_plain(axes: "Axes") -> None:
    legend = axes.get_legend()
    for name in (axes.yaxis.label, *(legend.get_texts() if legend else ())):
        name.set_text(plain_name(name.get_text()))
        name.set_parse_math(False)
