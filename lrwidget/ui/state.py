"""WidgetState: the one owner of every fact that the views show.

Every change goes through a method here, under one lock, because the worker thread and the
notebook's own thread both make changes and a widget model bears one writer at a time. The views
observe the facts and redraw within the same lock.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from traitlets import Any as AnyTrait
from traitlets import Bool, Dict, Enum, Float, HasTraits, Instance, Int, Tuple, Unicode

from lrwidget.core.apply import AppliedLR
from lrwidget.core.config import RangeTestConfig
from lrwidget.core.curve import Update
from lrwidget.core.result import RangeTestResult
from lrwidget.core.suggest import Suggestion
from lrwidget.ui import text
from lrwidget.ui.curve import Curve

STATUSES = (
    "idle",
    "running",
    "stopping",
    "finished",
    "diverged",
    "non_finite",
    "stopped",
    "failed",
)
BUSY = ("running", "stopping")
SETTINGS = ("min_lr", "max_lr", "steps", "mode", "sweeps", "stop_factor")

WELCOME = "Ready. A test leaves the model exactly as it is."


@dataclass(frozen=True)
class Notice:
    """The sentence of status, and whether it tells of an error."""

    text: str
    is_error: bool = False


class WidgetState(HasTraits):
    """What is set, what is known of the test, what is picked, what is said."""

    min_lr = Float()
    max_lr = Float()
    steps = Int()
    smoothing = Float()
    mode = Unicode()
    sweeps = Int()
    stop_factor = Float()

    status = Enum(STATUSES, "idle")
    ladder = AnyTrait(None, help="Learning rates of the test on show, shape (n,); None at first.")
    progress = Float(0.0, help="Share of the test that is done, from 0 to 1.")
    curve = Instance(Curve, ())
    result = Instance(RangeTestResult, allow_none=True)
    suggestions = Dict()

    picked_lr = Float(None, allow_none=True)
    changes = Tuple(help="What Undo can take back, as AppliedLR, the newest last.")
    pick_is_applied = Bool(False)

    notice = Instance(Notice, (WELCOME,))
    error = Instance(BaseException, allow_none=True)

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.lock = threading.RLock()
        self._started_at = 0.0

    @classmethod
    def of(cls, config: RangeTestConfig, smoothing: float) -> "WidgetState":
        """Return the state before the first test, with these settings."""
        state = cls(**{name: getattr(config, name) for name in SETTINGS})
        state.take_setting("smoothing", smoothing)
        return state

    def config(self, base: RangeTestConfig) -> RangeTestConfig:
        """Return `base` with the settings on show; ConfigError where they do not fit together."""
        return replace(base, **{name: getattr(self, name) for name in SETTINGS})

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the lock, and tell the views of all changes at once at the end."""
        with self.lock, self.hold_trait_notifications():
            yield

    @property
    def next_step(self) -> str:
        """What a person would do next: "run", "pick", "apply", or "" for nothing in particular."""
        if self.is_busy:
            return ""
        if self.picked_lr is not None:
            return "" if self.pick_is_applied else "apply"
        auto = self.suggestion("auto")
        return "pick" if auto is not None and auto.lr is not None else "run"

    @property
    def is_busy(self) -> bool:
        """Whether a test runs or is about to stop."""
        return self.status in BUSY

    def take_setting(self, name: str, value: Any) -> None:
        """Take a new value for the setting called `name`."""
        with self.changing():
            if name == "smoothing":
                self.curve = Curve.of(self.curve.lrs, self.curve.losses, value)
            setattr(self, name, value)

    def begin(self, config: RangeTestConfig) -> None:
        """Clear what the last test left: the next one starts."""
        with self.changing():
            self._started_at = time.monotonic()
            self.ladder = config.ladder()
            self.progress = 0.0
            self.curve = Curve()
            self.result = None
            self.suggestions = {}
            self.picked_lr = None
            self.pick_is_applied = False
            self._say(text.starting(config.steps))
            self.status = "running"

    def advance(self, update: Update) -> None:
        """Take what the running test knows so far."""
        with self.changing():
            self.progress = (update.sweep + update.step / update.steps) / update.sweeps
            self.curve = Curve.of(update.lrs, update.losses, self.smoothing)
            if self.status == "running":
                self._say(text.running(update))

    def ask_to_stop(self) -> None:
        """Say that a running test has been asked to stop."""
        with self.changing():
            if self.status == "running":
                self._say("Stopping, and putting the model back as it was.")
                self.status = "stopping"

    def finish(self, result: RangeTestResult) -> None:
        """Take the result of the test that just ended."""
        with self.changing():
            self.progress = 1.0 if result.stop_reason != "stopped" else self.progress
            self.curve = Curve.of(result.lrs, result.losses, self.smoothing)
            self.result = result
            self.suggestions = result.suggestions() if len(result.lrs) else {}
            seconds = time.monotonic() - self._started_at
            self._say(text.ended(result, len(self.ladder), seconds))
            self.status = result.stop_reason

    def fail(self, error: BaseException) -> None:
        """Say that the test came to nothing because of `error`."""
        with self.changing():
            self.show_error(error)
            self.status = "failed"

    def show_error(self, error: BaseException) -> None:
        """Say what went wrong; the state of the test stays what it is."""
        with self.changing():
            self.error = error
            self.notice = Notice(text.failed(error), is_error=True)

    def pick(self, lr: float) -> None:
        """Take `lr`, finite and > 0, as the learning rate to apply."""
        with self.changing():
            self.picked_lr = lr
            self.pick_is_applied = False
            if not self.is_busy:
                self._say(text.picked(lr, self.curve.height(lr)))

    def applied(self, change: AppliedLR) -> None:
        """Take note of a learning rate that was put on the model."""
        with self.changing():
            self.changes = (*self.changes, change)
            self.pick_is_applied = True
            self._say(text.applied(change))

    def undone(self, change: AppliedLR) -> None:
        """Take note that the newest change was taken back."""
        with self.changing():
            self.changes = self.changes[:-1]
            self.pick_is_applied = False
            self._say(text.undone(change))

    def suggestion(self, rule: str) -> Suggestion | None:
        """Return what `rule` suggests, None before the end of a test."""
        return self.suggestions.get(rule)

    def _say(self, sentence: str) -> None:
        self.error = None
        self.notice = Notice(sentence)
