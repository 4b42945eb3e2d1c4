"""A still picture of a result, for places that show no widgets, such as GitHub."""

import base64
import io

from lrwidget.core.result import RangeTestResult


def png_of(result: RangeTestResult, show: str) -> str | None:
    """Return the plot of a result as a PNG in base64; None where matplotlib is not installed.

    Args:
        result: With at least one point.
        show: Name of the curve, as for `RangeTestResult.plot`.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return None
    # Not by pyplot: a figure of its would be drawn below the cell a second time.
    figure = Figure(figsize=(9.0, 4.2), dpi=80, layout="constrained")
    result.plot(figure.subplots(), show)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return base64.b64encode(picture.getvalue()).decode("ascii")
