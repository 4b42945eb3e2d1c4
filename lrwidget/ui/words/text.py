"""How numbers read and what the widget says, in one place."""

import reprlib
import unicodedata
from typing import Any

from lrwidget.core.model.apply import AppliedLR
from lrwidget.core.range_test.growing_curve import Update
from lrwidget.core.range_test.result import RangeTestResult, Restored
from lrwidget.core.range_test.settings import RangeTestConfig
from lrwidget.errors import LRWidgetError

HELD_BACK = "Nothing was applied; press Apply again for the numbers on show."
DOUBT = {True: "reliable", False: "doubtful"}

LONGEST_NAME = 60
LONGEST_MESSAGE = 1000
_INVISIBLE = ("Cc", "Cs", "Zl", "Zp")
_TURNS_TEXT = {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}


def plain(said: str, longest: int = LONGEST_MESSAGE) -> str:
    """Return text that every display and every message to the browser can take.

    Control characters, lone surrogates and characters that turn the direction of the text are
    written as in a Python string; only line feeds stay. Text that is too long is cut.

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


def plain_name(name: str) -> str:
    """Return the name of a metric, a rule or a class as a display can take it, in one line.

    >>> plain_name("two\\nlines")
    'two\\\\nlines'
    """
    return plain(name.replace("\n", "\\n"), LONGEST_NAME)


def passed(value: Any) -> str:
    """Return how an error message names a value that was passed, whatever it is.

    >>> passed("abc"), passed("x" * 1000)[:3]
    ("'abc'", "'xx")
    """
    try:
        return plain(_short.repr(value))
    except Exception:
        return f"a {plain_name(type(value).__name__)} that cannot be shown"


_short = reprlib.Repr()
_short.maxstring = _short.maxother = 200


def format_lr(lr: float) -> str:
    """Write a learning rate the way it reads everywhere in the widget.

    >>> format_lr(0.0032), format_lr(10.0)
    ('3.20e-3', '1.00e+1')
    """
    mantissa, exponent = f"{lr:.2e}".split("e")
    return f"{mantissa}e{int(exponent):+d}"


def format_loss(loss: float) -> str:
    """Write a loss or a metric with four significant digits.

    >>> format_loss(0.41237)
    '0.4124'
    """
    return f"{loss:.4g}"


def name_of(show: str) -> str:
    """Return what a curve is called where a person reads it.

    >>> name_of("validation_loss"), name_of("accuracy")
    ('validation loss', 'accuracy')
    """
    return plain_name(show.replace("_", " "))


def format_seconds(seconds: float) -> str:
    """Write a duration with as many digits as a person needs.

    >>> format_seconds(1.234), format_seconds(75.0)
    ('1.2 s', '1 min 15 s')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def starting(steps: int, is_probe: bool) -> str:
    """Say that a test, or the probe before it, has been started and has not done a step yet."""
    if is_probe:
        return f"Looking for the range: a probe of {steps} steps."
    return f"Starting: {steps} steps; the first one takes longest."


def found(config: RangeTestConfig) -> str:
    """Say what range the probe has found."""
    ends = f"{format_lr(config.min_lr)} to {format_lr(config.max_lr)}"
    return f"Range found: {ends}. Starting its {config.steps} steps."


def running(update: Update) -> str:
    """Say how far a test is, how fast it goes and how long it will take."""
    sweep = f"sweep {update.sweep + 1} of {update.sweeps}, " if update.sweeps > 1 else ""
    done = f"Running: {sweep}step {update.step} of {update.steps}"
    if update.steps_per_second <= 0:
        return f"{done}."
    to_do = (update.sweeps - update.sweep) * update.steps - update.step
    left = format_seconds(to_do / update.steps_per_second)
    return f"{done}, {update.steps_per_second:.3g} steps a second, {left} left."


def ended(result: RangeTestResult, steps: int, seconds: float) -> str:
    """Say how a test of `steps` steps ended and what to do next."""
    if result.stop_reason == "stopped":
        return f"Stopped by you after {len(result.lrs)} of {steps} steps, model unchanged."
    notes = " ".join(result.notes)
    if not len(result.lrs):
        return f"No curve; model unchanged. {notes or 'The very first loss is not finite.'}"
    said = f"{_how(result, seconds)} {notes}" if notes else _how(result, seconds)
    return f"{said} Click the curve or a rule to pick one."


def changed(restored: Restored) -> str:
    """Say that the proof of an unchanged model failed."""
    return (
        "The model is not what it was before the test: the fingerprint of its state was "
        f"{restored.before} and is {restored.after}. Build or load it anew before you train it, "
        "and report this as a bug of lrwidget, please."
    )


def _how(result: RangeTestResult, seconds: float) -> str:
    last = format_lr(result.lrs[-1])
    return {
        "finished": f"Finished in {format_seconds(seconds)}, model unchanged.",
        "diverged": f"Loss diverged at {last}, model unchanged.",
        "non_finite": f"Loss not finite past {last}, model unchanged.",
    }[result.stop_reason]


def picked(lr: float, height: float | None, show: str) -> str:
    """Say what is picked, and how high the smoothed curve on show is there if there is one."""
    place = "" if height is None else f" (smoothed {name_of(show)} {format_loss(height)})"
    return f"Picked {format_lr(lr)}{place}. Apply puts it on the model."


def other_target(kind: str, lr: float) -> str:
    """Say that the rule whose answer is picked has another one for another kind of training."""
    return f"For {kind}, auto suggests {format_lr(lr)}; the pick stays until you change it."


def picked_low(lr: float) -> str:
    """Say what is picked as the lower end."""
    return f"Picked {format_lr(lr)} as the lower learning rate."


def applied(change: AppliedLR, steps_done: int) -> str:
    """Say what Apply did to an optimizer that has done `steps_done` steps."""
    said = f"Learning rate was {_named(change.previous)}, now {_named(change.current)}."
    if not steps_done or isinstance(change.current, float):
        return said
    return (
        f"{said} The optimizer has done {steps_done} steps; the schedule starts at its step 0 "
        "with the next one."
    )


def undone(change: AppliedLR) -> str:
    """Say what Undo did."""
    return f"Undone: the learning rate is {_named(change.previous)} again."


def _named(lr: object) -> str:
    """Write a float as a learning rate, a schedule by the name of its class."""
    return format_lr(lr) if isinstance(lr, float) else plain_name(type(lr).__name__)


def failed(error: BaseException) -> str:
    """Say what went wrong; an error of ours speaks for itself, others carry their name."""
    try:
        message = str(error)
    except Exception:
        message = ""
    if isinstance(error, LRWidgetError):
        return message
    if isinstance(error, KeyboardInterrupt):
        return "Interrupted by you, model unchanged."
    return f"{plain_name(type(error).__name__)}: {_gist(message) or 'no message'}"


def _gist(message: str) -> str:
    """Return a message without the stack of the framework that TensorFlow writes into it.

    >>> _gist("Graph execution error:\\n\\nDetected at node A\\n  File a.py, line 1\\nBad label.")
    'Bad label.'
    """
    said = message.split("\nTraceback (most recent call last)")[0].splitlines()
    noise = (" ", "\t", "Graph execution error", "Detected at node", "<stack traces")
    return "\n".join(line for line in said if line.strip() and not line.startswith(noise))
