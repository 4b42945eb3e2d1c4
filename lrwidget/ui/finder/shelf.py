"""Shelf: what the list of runs does: show, rename, remove, save and load them."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lrwidget.core.range_test.result import RangeTestResult
from lrwidget.errors import DataError, FileError, MissingPackageError
from lrwidget.ui.state.state import WidgetState
from lrwidget.ui.words import history_text

FORMATS = ("png", "svg", "csv", "json")


class Shelf:
    """The history of a widget, for the controls of its list.

    Args:
        state: Holds the runs.
    """

    def __init__(self, state: WidgetState) -> None:
        self._state = state

    def show(self, number: int, on: bool) -> None:
        """Draw the curve of a run, or not."""
        self._state.history.show(number, on)

    def rename(self, number: int, name: str) -> None:
        """Give a run another name; ConfigError if it is empty or taken."""
        self._state.history.rename(number, name)
        self._state.say(history_text.renamed(name))

    def remove(self, number: int) -> None:
        """Remove a run from the history."""
        self._state.history.remove(number)

    def save(self, number: int, kind: str) -> None:
        """Save a run in the current folder and say where; see `save_curve`."""
        run = self._state.history.run(number)
        drawing = {"show": self._state.show, "smoothing": self._state.smoothing}
        if drawing["show"] not in run.result.series():
            drawing["show"] = "loss"
        self._state.say(history_text.saved(save_curve(run.result, run.name, kind, **drawing)))

    def load(self, path: str) -> None:
        """Add the result in a file to the history.

        Raises:
            FileError: The file cannot be read.
            DataError: It holds no result with a curve.
        """
        file = Path(path).expanduser()
        result = RangeTestResult.load(file)
        if not len(result.lrs):
            raise DataError(f"{file} holds a result without a curve.")
        name = self._state.history.remember(result, file.stem.removeprefix("range-test-")).name
        self._state.say(history_text.loaded(name))


def save_curve(result: RangeTestResult, name: str, kind: str, **drawing: Any) -> Path:
    """Save a curve in the current folder, under a name that is free.

    Args:
        result: The result.
        name: Name of the run, from which that of the file is made.
        kind: "png" or "svg" for the plot, "csv" for the points, "json" for the whole result,
            which `RangeTestResult.load` reads.
        drawing: Arguments of `RangeTestResult.plot`.

    Returns:
        The path of the file.

    Raises:
        FileError: The file cannot be written.
        MissingPackageError: matplotlib, or for "csv" pandas, is not installed.
    """
    path = _free_path(name, kind)
    write: dict[str, Callable[[], object]] = {
        "json": lambda: result.save(path),
        "csv": lambda: result.to_frame().to_csv(path, index=False),
    }
    try:
        write.get(kind, lambda: _draw(result, path, drawing))()
    except OSError as error:
        raise FileError(f"Cannot write {path}: {error.strerror or error}.") from error
    return path


def _free_path(name: str, kind: str) -> Path:
    stem = re.sub(r"[^\w.=+-]+", "-", name).strip("-.").lower() or "run"
    path, number = Path.cwd() / f"range-test-{stem}.{kind}", 1
    while path.exists():
        number += 1
        path = path.with_name(f"range-test-{stem}-{number}.{kind}")
    return path


def _draw(result: RangeTestResult, path: Path, drawing: dict[str, Any]) -> None:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPackageError(
            "Saving a picture needs matplotlib: pip install matplotlib"
        ) from error
    figure = Figure(figsize=(9.0, 4.2), dpi=150, layout="constrained")
    result.plot(figure.subplots(), **drawing)
    figure.savefig(path)
