"""The sentences about the history of runs and about saved files."""

from pathlib import Path

from lrwidget.core.curve.ladder import format_lr
from lrwidget.core.curve.suggest import Suggestion
from lrwidget.core.range_test.result import RangeTestResult
from lrwidget.ui.words.suggestion_text import span
from lrwidget.ui.words.text import plain, plain_name

NO_CURVE = "There is no curve to save yet: run a range test first."


def run(result: RangeTestResult, auto: Suggestion) -> str:
    """Describe a run by its settings and the suggestion of "auto"."""
    ends = span(float(result.lrs[0]), float(result.lrs[-1]))
    sweeps = f", {result.config.sweeps} sweeps" if result.config.sweeps > 1 else ""
    found = "no suggestion" if auto.lr is None else f"suggested {format_lr(auto.lr)}"
    return f"{ends}, {len(result.lrs)} steps{sweeps}: {found}"


def renamed(name: str) -> str:
    """Say that a run was renamed."""
    return f"The run is now called {plain_name(name.strip())}."


def saved(path: Path) -> str:
    """Say where a file was saved."""
    return plain(f"Saved {path.name} in {path.parent}.")


def loaded(name: str) -> str:
    """Say that a file was loaded."""
    return plain(f"Loaded {name}. Its curve is drawn beside that of the last run.")
