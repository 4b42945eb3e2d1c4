"""The sentences of the Compare tab."""

from lrwidget.core.compare.comparison import Comparison
from lrwidget.core.compare.settings import CompareUpdate
from lrwidget.core.curve.ladder import format_lr
from lrwidget.ui.words.text import plain_name

WELCOME = "Add what to compare, then press Run. The model stays exactly as it is."
TO_APPLY = "Now call model.fit(...)."


def starting(variants: int, planned: int) -> str:
    """Return what to say when a comparison starts."""
    return f"Comparing {variants} variant(s): at most {planned} training steps."


def running(update: CompareUpdate) -> str:
    """Return the progress of a comparison."""
    current = update.runs[-1]
    name = plain_name(current.name)
    return f"Training {name}: step {len(current.losses)}; {update.step} of {update.steps} in all."


def ended(comparison: Comparison, stopped: bool) -> str:
    """Return what to say at the end of a comparison."""
    cost = f"{comparison.steps} training steps in {comparison.seconds:.1f} s."
    first = "Stopped. " if stopped else ""
    changed = ""
    if comparison.restored is not None and not comparison.restored:
        changed = " Warning: the model was not restored completely."
    return f"{first}{comparison.summary} {cost}{changed}"


def checked(comparison: Comparison, lr: float) -> str:
    """Return what a check by training found, and what to do next."""
    return (
        f"{comparison.summary} Picked {format_lr(lr)}, the geometric mean of the best trial "
        "and the curve's suggestion. Go back to Range test and press Apply."
    )


def check_button(seconds: float | None) -> str:
    """Return the label of the button that checks a suggestion by training."""
    if seconds is None:
        return "Check by training"
    rounded = max(1, round(seconds)) if seconds < 10 else 5 * round(seconds / 5)
    return f"Check by training (about {rounded} s)"
