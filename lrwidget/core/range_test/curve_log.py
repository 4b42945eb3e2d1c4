"""Writes the curve of a range test for TensorBoard."""

from pathlib import Path
from warnings import warn

from lrwidget.core.curve.drawing import png_of
from lrwidget.core.event_file import EventFile
from lrwidget.core.range_test.result import RangeTestResult

TAG = "lrwidget/range_test"


def log_curve(folder: Path, result: RangeTestResult) -> None:
    """Write learning rate, loss and smoothed loss over the steps, and the plot as an image.

    If the folder cannot be written, it warns: the result of the test is more important.

    Args:
        folder: A new file is written to it.
        result: With one point or more; nothing is written for an empty one.
    """
    if not len(result.lrs):
        return
    columns = {"learning_rate": result.lrs, "loss": result.losses, "smoothed": result.smoothed()}
    try:
        file = EventFile(folder)
        file.add_scalars(0, {f"{TAG}/{name}": values for name, values in columns.items()})
        picture = png_of(result.plot)
        if picture is not None:
            file.add_image(f"{TAG}/curve", len(result.lrs) - 1, picture)
    except OSError as error:
        warn(
            f"LRRangeTest could not write its curve to `log_dir`: {error}. Its `result` is "
            "complete.",
            stacklevel=2,
        )
