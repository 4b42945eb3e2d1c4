"""Number formats and status messages of the widget, in one place."""

import re
import reprlib
import unicodedata
from typing import Any

from lrwidget.core.curve.ladder import format_lr as format_lr
from lrwidget.core.model.apply import AppliedLR
from lrwidget.core.model.restored import Restored
from lrwidget.core.range_test.growing_curve import Update
from lrwidget.core.range_test.range_test import Phase
from lrwidget.core.range_test.result import RangeTestResult
from lrwidget.core.range_test.settings import PROBE_STEPS, RangeTestConfig
from lrwidget.errors import LRWidgetError

_UNCHANGED = "Your model is unchanged."
HELD_BACK = "Nothing was applied. Press Apply again to use the numbers shown."

ASK_TO_APPLY = "Press Apply again to use it all the same."
KEPT = "The last state of an lrwidget. Run the cell again to use it."

NO_MODEL = "This widget shows a result and has no model"

LONGEST_NAME = 60
LONGEST_MESSAGE = 1000
_INVISIBLE = ("Cc", "Cs", "Zl", "Zp")
_TURNS_TEXT = {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}


def plain(said: str, longest: int = LONGEST_MESSAGE) -> str:
    """Return text that is safe to display and to send to the browser.

    Control characters except line feeds, lone surrogates and characters that change the text
    direction are escaped as in a Python string. Text that is too long is cut.

    >>> plain("a\\x07b"), plain("abcdef", longest=4)
    ('a\\\\x07b', 'abc…')
    """
    cut = said if len(said) <= longest else f"{said[: longest - 1]}…"
    return "".join(char if _is_visible(char) else _escaped(char) for char in cut)


def _is_visible(char: str) -> bool:
    if ord(char) in _TURNS_TEXT:
        return False
    return char == "\n" or unicodedata.category(char) not in _INVISIBLE


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "backslashreplace").decode("ascii")


def on_screen(said: str) -> str:
    """Return a message with the settings named as on the screen, in place of as in Python.

    >>> on_screen("`min_lr` must be below `max_lr`; got min_lr=1.0, max_lr=0.1. Raise `max_lr`.")
    'Min LR must be below Max LR; got Min LR 1.0, Max LR 0.1. Raise Max LR.'
    """
    return _SETTING.sub(lambda f: _LABELS[f[1] or f[2] or f[3]] + (" " if f[2] else ""), said)


_LABELS = {
    "min_lr": "Min LR",
    "max_lr": "Max LR",
    "low_lr": "Lower LR",
    "steps": "Steps",
    "smoothing": "Smoothing",
    "sweeps": "Sweeps",
    "mode": "Mode",
    "stop_factor": "Stop factor",
    "start_lr": "First LR",
    "end_lr": "Last LR",
    "peak_lr": "the picked LR",
    "step_size": "Half cycle",
    "total_steps": "Total steps",
    "hold_steps": "Hold steps",
    "warmup_steps": "Warm-up steps",
    "decay_steps": "Decay steps",
    "warmup_fraction": "Warm-up fraction",
    "start_divisor": "the divisor of Start LR",
    "end_divisor": "the divisor of End LR",
}
_SETTING = re.compile(
    "`({0})`|\\b({0})=|\\b(min_lr|max_lr|low_lr|stop_factor)\\b".format("|".join(_LABELS))
)


def plain_name(name: str) -> str:
    """Return the name of a metric, a rule or a class, safe to display on one line.

    >>> plain_name("two\\nlines")
    'two\\\\nlines'
    """
    return plain(name.replace("\n", "\\n"), LONGEST_NAME)


def passed(value: Any) -> str:
    """Return how an error message shows any value that was passed.

    >>> passed("abc"), passed("x" * 1000)[:3]
    ("'abc'", "'xx")
    """
    try:
        return plain(_short.repr(value))
    except Exception:
        return f"a {plain_name(type(value).__name__)} that cannot be shown"


_short = reprlib.Repr()
_short.maxstring = _short.maxother = 200


def format_loss(loss: float) -> str:
    """Write a loss or a metric with four significant digits.

    >>> format_loss(0.41237)
    '0.4124'
    """
    return f"{loss:.4g}"


def name_of(show: str) -> str:
    """Return the display name of a curve.

    >>> name_of("validation_loss"), name_of("accuracy")
    ('validation loss', 'accuracy')
    """
    return plain_name(show.replace("_", " "))


def format_seconds(seconds: float) -> str:
    """Write a duration for a person.

    >>> format_seconds(1.234), format_seconds(75.0)
    ('1.2 s', '1 min 15 s')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


PREPARING = "Preparing the data."

PHASES: dict[Phase, str] = {
    "compiling": "Compiling the training step.",
    "probing": f"Looking for the range: a probe of {PROBE_STEPS} steps.",
}


def found(config: RangeTestConfig) -> str:
    """Say which range the probe has found."""
    ends = f"{format_lr(config.min_lr)} to {format_lr(config.max_lr)}"
    return f"Range found: {ends}. Starting the other {config.steps} steps."


def running(update: Update, per_second: float | None) -> str:
    """Say how far a test is and, if the speed is known, how fast it runs and how long it takes."""
    sweep = f"sweep {update.sweep + 1} of {update.sweeps}, " if update.sweeps > 1 else ""
    done = f"Running: {sweep}step {update.step} of {update.steps}"
    if per_second is None:
        return f"{done}."
    to_do = (update.sweeps - update.sweep) * update.steps - update.step
    left = format_seconds(to_do / per_second)
    speed = f"{per_second:.0f}" if per_second >= 100 else f"{per_second:.3g}"
    return f"{done}, {speed} steps a second, {left} left."


def ended(result: RangeTestResult, steps: int, seconds: float) -> str:
    """Say how a test of `steps` steps ended and what to do next."""
    if result.stop_reason == "stopped":
        return f"Stopped after {len(result.lrs)} of {steps} steps. {_UNCHANGED}"
    notes = " ".join(result.notes)
    if not len(result.lrs):
        return f"No curve: {notes or 'the first loss is NaN or infinite.'} {_UNCHANGED}"
    said = f"{_how(result, seconds)} {notes}" if notes else _how(result, seconds)
    return f"{said} Click the curve or a rule to pick a learning rate."


def without_model(result: RangeTestResult) -> str:
    """Say that a result is displayed without a model, and how to use it."""
    said = f"{NO_MODEL}, so Run and Apply are off."
    if not len(result.lrs):
        return f"{said} The result has no curve."
    return f"{said} Click the curve or a rule to pick a learning rate; Code shows how to use it."


def changed(restored: Restored) -> str:
    """Say that a range test changed the model."""
    return (
        "The range test changed the model: the fingerprint of its state was "
        f"{restored.before} and is {restored.after}. Build or load the model again before you "
        "train it, and please report this as a bug in lrwidget."
    )


def _how(result: RangeTestResult, seconds: float) -> str:
    last = format_lr(result.lrs[-1])
    said = {
        "finished": f"Done in {format_seconds(seconds)}.",
        "diverged": f"Done: the loss blew up at {last}, as expected, and the test ended there.",
        "non_finite": f"The loss became NaN or infinite after {last}, and the test ended there.",
    }[result.stop_reason]
    return f"{said} {_UNCHANGED}"


def picked(lr: float, height: float | None, show: str, has_model: bool) -> str:
    """Say what is picked, the height of the displayed smoothed curve there, and what to do next."""
    place = "" if height is None else f" (smoothed {name_of(show)} {format_loss(height)})"
    following = (
        "Press Apply to set it on the model's optimizer."
        if has_model
        else "Code shows how to use it."
    )
    return f"Picked {format_lr(lr)}{place}. {following}"


def doubt_about_pick(lr: float, low: float, high: float, breaks: float | None) -> str:
    """Return what speaks against a pick, given the measured range and where the loss rises.

    >>> doubt_about_pick(0.5, 1e-5, 1.0, 0.1)
    '5.00e-1 is where training breaks: the loss rises from 1.00e-1 on.'
    >>> doubt_about_pick(0.01, 1e-5, 1.0, 0.1)
    ''
    """
    if lr < low * (1 - 1e-6) or lr > high * (1 + 1e-6):
        ends = f"{format_lr(low)} to {format_lr(high)}"
        return f"{format_lr(lr)} was not tested: the curve is from {ends}."
    if breaks is not None and lr > breaks:
        return (
            f"{format_lr(lr)} is where training breaks: the loss rises from {format_lr(breaks)} on."
        )
    return ""


def other_purpose(kind: str, steps: int | None, lr: float, picked: float) -> str:
    """Say that "auto", whose old answer is picked, suggests another for this kind and length."""
    length = "" if steps is None else f" over {steps} steps"
    return (
        f"auto suggests {format_lr(lr)} for {kind}{length}. Your pick is still "
        f"{format_lr(picked)}. Use it takes {format_lr(lr)}."
    )


def low_above_pick(low: float, picked: float) -> str:
    """Say that the lower end of the cycles is not below the pick."""
    return (
        f"The lower LR must be below the picked one; got {format_lr(low)} and {format_lr(picked)}."
    )


def picked_low(lr: float) -> str:
    """Say what is picked as the lower learning rate."""
    return f"Picked {format_lr(lr)} as the lower learning rate."


def applied(change: AppliedLR, steps_done: int, next_call: str) -> str:
    """Say what Apply did to an optimizer that has done `steps_done` steps, and what to do next."""
    said = changed_rate(change)
    if steps_done and not isinstance(change.current, float):
        said += (
            f" The optimizer has done {steps_done} steps; the schedule starts at its step 0 with "
            "the next one."
        )
    return f"{said} Now call {next_call}."


def changed_rate(change: AppliedLR) -> str:
    """Say which learning rate there was, and which there is now."""
    return f"Learning rate was {_named(change.previous)}, now {_named(change.current)}."


def undone(change: AppliedLR) -> str:
    """Say what Undo did."""
    return f"Undone: the learning rate is {_named(change.previous)} again."


def _named(lr: object) -> str:
    """Write a float as a learning rate, a schedule by the name of its class."""
    return format_lr(lr) if isinstance(lr, float) else plain_name(type(lr).__name__)


def failed(error: BaseException) -> str:
    """Say what went wrong; errors other than ours begin with the name of their class."""
    try:
        message = str(error)
    except Exception:
        message = ""
    if isinstance(error, LRWidgetError):
        return on_screen(message)
    if isinstance(error, KeyboardInterrupt):
        return f"You interrupted the test. {_UNCHANGED}"
    return f"{plain_name(type(error).__name__)}: {_gist(message) or 'no message'}"


def failed_after(error: BaseException, steps: int) -> str:
    """Say what went wrong after how many steps, and that the model is unchanged."""
    said = failed(error)
    if isinstance(error, LRWidgetError | KeyboardInterrupt):
        return said  # it says what is true of the model
    end = "" if said.endswith((".", "!", "?")) else "."
    return f"{said}{end} That was after {steps} steps, which stay on show. {_UNCHANGED}"


def _gist(message: str) -> str:
    """Return a message without the stack trace that TensorFlow writes into it.

    >>> _gist("Graph execution error:\\n\\nDetected at node A\\n  File a.py, line 1\\nBad label.")
    'Bad label.'
    """
    said = message.split("\nTraceback (most recent call last)")[0].splitlines()
    noise = (" ", "\t", "Graph execution error", "Detected at node", "<stack traces")
    return "\n".join(line for line in said if line.strip() and not line.startswith(noise))
