"""The sentences about suggestions, and about the learning rate that the model has now."""

from lrwidget.core.curve.ladder import format_lr
from lrwidget.core.curve.suggest import Suggestion
from lrwidget.core.model.model_now import ModelNow
from lrwidget.ui.words.text import NO_MODEL, on_screen, plain_name

NOTHING_YET = "The suggested learning rate will be here after a test."

# The shares are those of "auto" in docs/regret.md; see `Suggestion.confidence`.
_TRUST = {
    "high": "High confidence: the curve shows no reason for doubt.",
    "medium": "Medium confidence, for one reason:",
    "low": "Low confidence:",
    "none": "",
}
_MEANING = (
    "In our study, training at a suggestion of high confidence came within a tenth of the best "
    "rate's progress in about 80 % of the runs, at one of low confidence in about 60 %."
)


def headline(auto: Suggestion | None, is_busy: bool) -> str:
    """Return the suggestion in one line, with its interval and its confidence."""
    if auto is None:
        return "" if is_busy else NOTHING_YET
    if auto.lr is None:
        return "No suggestion."
    interval = "" if auto.low is None or auto.high is None else f" ({span(auto.low, auto.high)})"
    return f"Suggested {format_lr(auto.lr)}{interval}, {auto.confidence} confidence"


def span(low: float, high: float) -> str:
    """Write an interval of learning rates.

    >>> span(1e-3, 4e-3)
    '1.00e-3 to 4.00e-3'
    """
    return f"{format_lr(low)} to {format_lr(high)}"


def trust(suggestion: Suggestion) -> str:
    """Say how far to trust a suggestion, and why."""
    return f"{_TRUST[suggestion.confidence]} {on_screen(suggestion.reason)}".strip()


def details(suggestion: Suggestion, sweeps: int) -> str:
    """Say how far to trust a suggestion, why, and how far it may vary, on several lines."""
    if suggestion.low is None or suggestion.high is None:
        return trust(suggestion)
    said = "10 % to 90 % of the sweeps" if sweeps > 1 else "With other noise or another seed"
    return f"{trust(suggestion)}\n{said}: {span(suggestion.low, suggestion.high)}."


def about_headline(auto: Suggestion | None, sweeps: int) -> str:
    """Explain the suggestion, its interval and its confidence."""
    if auto is None or auto.lr is None:
        return ""
    return f"{details(auto, sweeps)}\n{_MEANING}"


def use_it(auto: Suggestion | None, has_model: bool) -> str:
    """Say what the button Use it does."""
    if not has_model:
        return f"{NO_MODEL} to apply to"
    if auto is None or auto.lr is None:
        return "Picks the suggestion and applies it to the model"
    return f"Picks {format_lr(auto.lr)} and applies it to the model"


def worth(suggestion: Suggestion | None) -> str:
    """Say what a rule suggests and how reliable it is, for its button."""
    if suggestion is None:
        return "–"  # noqa: RUF001 (a dash, as in a table)
    if suggestion.lr is None:
        return "no suggestion"
    return f"{format_lr(suggestion.lr)} {'reliable' if suggestion.reliable else 'doubtful'}"


def now(model: ModelNow) -> str:
    """Say what the next training step of the model would use.

    >>> now(ModelNow("mlp", "Adam", 1e-3)), now(ModelNow("mlp", "SGD", 0.01, "CosineDecay"))
    ('mlp: Adam, now 1.00e-3', 'mlp: SGD, CosineDecay, now 1.00e-2')
    """
    rate = "" if model.lr is None else f"now {format_lr(model.lr)}"
    named = [plain_name(each) for each in (model.optimizer, model.schedule) if each]
    said = ", ".join(part for part in (*named, rate) if part)
    name = plain_name(model.model)
    return f"{name}: {said}" if name and said else name
