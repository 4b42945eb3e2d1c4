"""The sentences about overlays: range tests for several values of a hyperparameter."""

from collections.abc import Mapping

from lrwidget.core.curve.ladder import format_lr
from lrwidget.core.curve.suggest import Suggestion
from lrwidget.ui.words.text import plain_name

NOTHING = "Stopped before the first test had ended. Your model is unchanged."


def starting(name: str, number: int, count: int) -> str:
    """Say which of the tests starts."""
    return f"Test {number + 1} of {count}: {plain_name(name)}."


def ended(suggestions: Mapping[str, Mapping[str, Suggestion]]) -> str:
    """Say what "auto" suggests for each value, and how to see the curves."""
    if not suggestions:
        return NOTHING
    found = (
        f"{plain_name(name)}: {_worth(each.get('auto'))}" for name, each in suggestions.items()
    )
    return f"{'; '.join(found)}. The curves are listed under History. Your model is unchanged."


def _worth(auto: Suggestion | None) -> str:
    return "no suggestion" if auto is None or auto.lr is None else format_lr(auto.lr)
