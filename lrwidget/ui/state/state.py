"""WidgetState: the one owner of every fact that the views show.

Every change goes through a method here, in one turn, because both the worker thread and the
notebook's main thread make changes, and a widget model allows one writer at a time. The views
observe the facts and redraw within the same turn. The user's code is never called in a turn.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from traitlets import Any as AnyTrait
from traitlets import Bool, Dict, Enum, Float, Instance, Int, Tuple, Unicode

from lrwidget.core.curve.suggest import Suggestion
from lrwidget.core.model.apply import AppliedLR
from lrwidget.core.model.model_now import ModelNow
from lrwidget.core.range_test.growing_curve import Update
from lrwidget.core.range_test.range_test import Phase
from lrwidget.core.range_test.result import RangeTestResult
from lrwidget.core.range_test.settings import RangeTestConfig
from lrwidget.errors import ModelError
from lrwidget.ui.plan.plan import Plan
from lrwidget.ui.state.drawn_curve import Curve, Measured
from lrwidget.ui.state.history import History, PastRun
from lrwidget.ui.state.notices import Notice, Notices
from lrwidget.ui.state.outcome import Outcome
from lrwidget.ui.state.plot_view import PlotView
from lrwidget.ui.state.speed import Speed
from lrwidget.ui.state.suggested import Suggested
from lrwidget.ui.state.verdict import Verdict
from lrwidget.ui.state.zones import Zones
from lrwidget.ui.words import overlay_text, text

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
LEFT_TO_PROBE = {"min_lr": "probes_min", "max_lr": "probes_max"}
"""For each limit of the range, the fact that says whether a probe finds it."""

SETTINGS = (*LEFT_TO_PROBE, *LEFT_TO_PROBE.values(), "steps", "mode", "sweeps", "stop_factor")

CHECK_STEPS = 480
"""Training steps of the check of a suggestion, at most."""


class WidgetState(Notices):
    """The settings, the test, the pick and the messages of a widget."""

    min_lr = Float()
    max_lr = Float()
    probes_min = Bool(help="Whether a probe finds min_lr at every test.")
    probes_max = Bool(help="Whether a probe finds max_lr at every test.")
    steps = Int()
    smoothing = Float()
    mode = Unicode()
    sweeps = Int()
    stop_factor = Float()
    train_steps = Int(None, allow_none=True, help="Steps of the planned training, if known.")

    has_older = Bool(False, help="Whether an older widget of the model is open.")
    has_model = Bool(True, help="Whether there is a model for Run and Apply.")
    status = Enum(STATUSES, "idle")
    ladder = AnyTrait(None, help="Learning rates of the test, shape (n,); None before one.")
    ladder_mode = Unicode("exponential", help="How the learning rates of the plot are spaced.")
    progress = Float(0.0, help="Fraction of the test that is done, from 0 to 1.")
    measured = Instance(Measured, ())
    show = Unicode("loss", help="Name of the displayed curve.")
    curve = Instance(Curve, ())
    earlier_shown = Bool(True)
    result = Instance(RangeTestResult, allow_none=True)
    suggestions = Dict()
    verdict = Instance(Verdict, ())
    zones = Instance(Zones, ())
    compared = Tuple(help="Outcomes of the last comparison, each as Outcome.")
    rules_shown = Bool(False, help="Whether the suggestions of all rules are displayed.")
    model_now = Instance(ModelNow, ())

    picked_lr = Float(None, allow_none=True)
    changes = Tuple(help="Changes that Undo can revert, each as AppliedLR, the newest last.")
    pick_is_applied = Bool(False)
    plan = Instance(Plan, (), help="How Apply uses the pick.")
    aims_low = Bool(False, help="Whether the next click on the plot sets the lower LR.")
    code_shown = Bool(False, help="Whether the code is displayed.")

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._started_at = 0.0
        self._steps_per_second = 0.0
        self._speed = Speed()
        self.steps_of_test = 0  # of the last test, with its probe
        self.history = History(self.changing)
        self.view = PlotView()
        self._suggested = Suggested()
        self._wanted = "loss"  # the curve that a person has chosen
        self._asked_about: float | None = None  # the pick that Apply has questioned

    @classmethod
    def of(cls, config: RangeTestConfig, smoothing: float) -> "WidgetState":
        """Return the state before the first test, with these settings."""
        state = cls(**{name: _as_python(getattr(config, name)) for name in SETTINGS})
        state.ladder_mode = config.mode
        state.set_setting("smoothing", _as_python(smoothing))
        return state

    def config(self, base: RangeTestConfig) -> RangeTestConfig:
        """Return `base` with the current settings; ConfigError if they do not fit together."""
        return replace(base, **{name: getattr(self, name) for name in SETTINGS})

    @property
    def next_step(self) -> str:
        """The step to suggest next: "run", "extend", "check", "use", "apply", or ""."""
        if self.is_busy:
            return ""
        if self.picked_lr is not None:
            return "apply" if self.has_model and not self.pick_is_applied else ""
        auto = self.suggestion("auto")
        if auto is not None and not auto.reliable and self.verdict.remedy:
            return "extend"
        if self.is_doubtful:
            return "check"
        if auto is not None and auto.lr is not None:
            return "use"
        return "run" if self.has_model else ""

    @property
    def is_doubtful(self) -> bool:
        """Whether "auto" has an answer with low confidence, which training can check."""
        auto = self.suggestion("auto")
        return self.has_model and auto is not None and auto.lr is not None and not auto.reliable

    @property
    def check_seconds(self) -> float | None:
        """How long a check by training may take; None before a test has run."""
        return None if not self._steps_per_second else CHECK_STEPS / self._steps_per_second

    @property
    def sweeps_of_result(self) -> int:
        """Number of sweeps of the last test; 0 before one."""
        return 0 if self.result is None else len(self.result.sweep_losses)

    @property
    def can_be_log(self) -> bool:
        """Whether all values on show have a logarithm."""
        return bool((self.curve.losses > 0).all() and (self.curve.smoothed > 0).all())

    @property
    def has_log_loss(self) -> bool:
        """Whether the loss is on a logarithmic axis."""
        return self.view.has_log_loss and self.can_be_log

    @property
    def auto_range(self) -> bool:
        """Whether a probe finds at least one limit of the range."""
        return self.probes_min or self.probes_max

    @property
    def low_lr(self) -> float | None:
        """The lower learning rate of the planned cycles; None without cycles."""
        return self.plan.lower(self.picked_lr)

    @property
    def earlier(self) -> tuple[PastRun, ...]:
        """The runs to draw in addition to the displayed one."""
        if not self.earlier_shown:
            return ()
        return tuple(e for e in self.history.runs if e.is_shown and e.result is not self.result)

    @property
    def planned_steps(self) -> int | None:
        """Training steps for which "auto" suggests: of the schedule, or else `train_steps`."""
        if self.plan.is_schedule and self.plan.batches is not None:
            return self.plan.epochs * self.plan.batches
        return self.train_steps

    @property
    def is_busy(self) -> bool:
        """Whether a test is running or stopping."""
        return self.status in BUSY

    def set_setting(self, name: str, value: Any) -> None:
        """Set the setting called `name`; a probe no longer changes it."""
        with self.changing():
            if name in LEFT_TO_PROBE:
                setattr(self, LEFT_TO_PROBE[name], False)
            if name == "smoothing":
                self.curve = self.measured.curve(self.show, value)
            setattr(self, name, value)
            self._accept()

    def set_auto_range(self, on: bool) -> None:
        """Let a probe find both limits of the range, or keep their current values."""
        with self.changing():
            self.probes_min = self.probes_max = on
            self._accept()

    def show_model(self, now: ModelNow) -> None:
        """Show the optimizer and the learning rate that the model has now."""
        with self.changing():
            self.model_now = now

    def set_show(self, name: str) -> None:
        """Display the measured curve called `name`."""
        with self.changing():
            self.show = self._wanted = name
            self._redraw()

    def begin(self, config: RangeTestConfig) -> None:
        """Clear the last test and show that the next one starts."""
        with self.changing():
            self._started_at = time.monotonic()
            self.steps_of_test = config.steps
            self._show_limits(config)
            first = config.of_probe() if config.probes else config
            self.ladder, self.ladder_mode = first.ladder(), config.mode
            self.view.is_zoomed = False
            self.progress = 0.0
            self.measured, self.curve = Measured(), Curve()
            self.result, self._suggested, self.compared = None, Suggested(), ()
            self._asked_about = None
            self.suggestions, self.verdict, self.zones = {}, Verdict(), Zones()
            self.plan = replace(self.plan, low_lr=None, found_low=None)
            self.aims_low = False
            self._speed = Speed()
            self._say(text.PREPARING)
            self.status = "running"

    def enter_phase(self, phase: Phase) -> None:
        """Show what the running test does before its first step."""
        with self.changing():
            self._say_progress(text.PHASES[phase])

    def set_found_range(self, config: RangeTestConfig) -> None:
        """Show the limits of the running test that a probe has just found."""
        with self.changing():
            self.ladder = config.ladder()
            self._show_limits(config)
            self._say_progress(text.found(config))

    def _show_limits(self, config: RangeTestConfig) -> None:
        """Show the limits of a test on the sides that are not set by hand."""
        for limit, probes in LEFT_TO_PROBE.items():
            if getattr(self, probes) and not getattr(config, probes):
                setattr(self, limit, getattr(config, limit))

    def advance(self, update: Update) -> None:
        """Show what the running test has measured so far."""
        with self.changing():
            self._steps_per_second = update.steps_per_second
            self._speed.add(update.sweep * update.steps + update.step)
            self.progress = (update.sweep + update.step / update.steps) / update.sweeps
            self._measure(Measured(update.lrs, update.series()))
            said = text.running(update, self._speed.per_second)
            self._say_progress(said, is_progress=True)

    def ask_to_stop(self) -> None:
        """Show that a running test was asked to stop."""
        with self.changing():
            if self.status == "running":
                self._say("Stopping and restoring the model.")
                self.status = "stopping"

    def finish(self, result: RangeTestResult, suggested: Suggested) -> None:
        """Show the result of the test that just ended, and what the rules suggest."""
        with self.changing():
            self.progress = 1.0 if result.stop_reason != "stopped" else self.progress
            self._set_result(result, suggested)
            seconds = time.monotonic() - self._started_at
            self._say(text.ended(result, len(self.ladder), seconds))
            if not len(result.lrs) and result.stop_reason == "non_finite":
                self.notice = replace(self.notice, is_error=True)
            self._fit_ladder(result)
            if len(result.lrs) > 1:
                self.history.remember(result)
            self.status = result.stop_reason
            self._show_faults([result], suggested)

    def begin_overlay(self, test: tuple[str, int, int]) -> None:
        """Show that the next test of an overlay starts: its name, its number and their count."""
        with self.changing():
            self._say_progress(overlay_text.starting(*test))

    def finish_overlay(
        self,
        results: Mapping[str, RangeTestResult],
        suggested: Mapping[str, Suggested],
        shown: RangeTestResult | None,
    ) -> None:
        """Show the results of an overlay as earlier runs of the one that is shown.

        Args:
            results: The results by the names of their settings.
            suggested: What the rules say about each of them, and about `shown` under "".
            shown: The result of the model as it is, with the suggestions that can be applied.
        """
        with self.changing():
            for name, result in results.items():
                if len(result.lrs) > 1:
                    self.history.remember(result, name)
            self.progress = 1.0
            if shown is not None:
                self._set_result(shown, suggested[""])
                self._fit_ladder(shown)
            self._say(overlay_text.ended({name: suggested[name].by_rule for name in results}))
            self.status = "stopped" if shown is None else shown.stop_reason
            self._show_faults(results.values(), suggested.get("", Suggested()))

    def _show_faults(self, results: Iterable[RangeTestResult], suggested: Suggested) -> None:
        """Show that a test has changed the model, or the error of a rule of the user."""
        for result in results:
            if result.restored is not None and not result.restored:
                self.show_error(ModelError(text.changed(result.restored)))
        if suggested.error is not None:
            self.fail(suggested.error)

    def show_result(self, result: RangeTestResult, suggested: Suggested) -> None:
        """Show a result that comes without a model, and what the rules suggest."""
        with self.changing():
            self.ladder, self.ladder_mode = result.config.ladder(), result.config.mode
            self._fit_ladder(result)
            self._set_result(result, suggested)
            self._say(text.without_model(result))
            self.history.remember(result)
            self.status = result.stop_reason
            if suggested.error is not None:
                self.show_error(suggested.error)

    def begin_comparing(self, sentence: str) -> None:
        """Show that a comparison starts; the last range test stays."""
        with self.changing():
            self._say(sentence)
            self.status = "running"

    def set_compared(self, outcomes: tuple[Outcome, ...]) -> None:
        """Show what training at some learning rates has given."""
        with self.changing():
            self.compared = outcomes

    def end_comparing(self, status: str, sentence: str) -> None:
        """Show how a comparison ended."""
        with self.changing():
            self._say(sentence)
            self.status = status

    def fail_test(self, error: BaseException) -> None:
        """Show that the running test failed with `error`, which its model or its data raised."""
        with self.changing():
            self.fail(error)
            if len(self.measured):
                said = text.failed_after(error, len(self.measured))
                self.notice = Notice(text.plain(said), is_error=True)

    def fail(self, error: BaseException) -> None:
        """Show that the test failed with `error`."""
        with self.changing():
            self.show_error(error)
            self.status = "failed"

    def pick(self, lr: float) -> None:
        """Pick `lr`, finite and > 0, as the learning rate to apply."""
        with self.changing():
            self.picked_lr = lr
            self.pick_is_applied = False
            self._accept()
            self._say_pick(lr)

    def questions_pick(self) -> bool:
        """Return whether Apply must ask first, because the curve speaks against the pick.

        True only once per pick.
        """
        lr, lrs = self.picked_lr, self.measured.lrs
        if lr is None or lr == self._asked_about or not len(lrs):
            return False
        doubt = text.doubt_about_pick(lr, lrs[0], lrs[-1], self.zones.breaks_from)
        if doubt:
            self._asked_about = lr
            self._say(f"{doubt} {text.ASK_TO_APPLY}", is_about_pick=True)
        return bool(doubt)

    def set_plan(self, **values: Any) -> None:
        """Change how the pick is used; see `Plan.changed`."""
        with self.changing():
            kind, purpose = self.plan.kind, (self.plan.recipe.target, self.planned_steps)
            self.plan = self.plan.changed(**values)
            self.pick_is_applied = False
            self._accept()
            if self.plan.kind != kind and self.picked_lr is not None:
                self._say_pick(self.picked_lr)
            if (self.plan.recipe.target, self.planned_steps) != purpose:
                self._suggest_for_another_purpose()
            is_aiming = self.aims_low and "low_lr" not in values
            self.aims_low = is_aiming and bool(self.plan.recipe.lower)

    def pick_low(self, lr: float) -> None:
        """Pick `lr`, finite and > 0, as the lower learning rate of the cycles."""
        with self.changing():
            self.set_plan(low_lr=lr)
            if not self.is_busy:
                self._say(text.picked_low(lr), is_about_pick=True)

    def applied(self, change: AppliedLR, steps_done: int, next_call: str) -> None:
        """Record an applied learning rate.

        Args:
            change: The change.
            steps_done: How many steps the optimizer has done.
            next_call: The call with which the user trains now.
        """
        with self.changing():
            self.changes = (*self.changes, change)
            self.pick_is_applied = True
            self._say(text.applied(change, steps_done, next_call), is_about_pick=True)

    def undone(self, change: AppliedLR) -> None:
        """Record that the newest change was undone."""
        with self.changing():
            self.forget(change)
            self._say(text.undone(change), is_about_pick=True)

    def forget(self, change: AppliedLR) -> None:
        """Record that a change is no longer on the model."""
        with self.changing():
            self.changes = tuple(each for each in self.changes if each is not change)
            self.pick_is_applied = False

    def forget_changes(self) -> None:
        """Forget all changes that Undo could revert."""
        with self.changing():
            self.changes = ()

    def say(self, sentence: str) -> None:
        """Show what was done with the history."""
        with self.changing():
            self._say(sentence, is_about_pick=True)

    def suggestion(self, rule: str) -> Suggestion | None:
        """Return the suggestion of `rule`; None before the end of a test."""
        return self.suggestions.get(rule)

    def _set_result(self, result: RangeTestResult, suggested: Suggested) -> None:
        self._measure(Measured(result.lrs, result.series(), result.sweep_losses))
        self.result, self._suggested = result, suggested
        self.plan = replace(self.plan, found_low=suggested.bounds.low)
        self.zones = Zones.of(result, suggested.bounds)
        picked = self.picked_lr
        has_curve = len(result.lrs) > 1
        if picked is not None and has_curve and not result.lrs[0] <= picked <= result.lrs[-1]:
            self.picked_lr, self.pick_is_applied = None, False
        self._suggest()

    def _fit_ladder(self, result: RangeTestResult) -> None:
        """Show only the learning rates that were measured, once a test has ended."""
        if len(result.lrs) > 1:
            self.ladder = result.lrs

    def _suggest(self) -> None:
        found = self._suggested.by_rule
        if self.result is not None and found:
            # Only "auto" depends on what its learning rate is for; no code of the user runs here.
            target, steps = self.plan.recipe.target, self.planned_steps
            auto = self.result.suggest("auto", target, train_steps=steps)
            self.suggestions = {**found, "auto": auto}
            verdict = Verdict.of(self.suggestions, self.result)
            self.verdict = verdict if self.has_model else replace(verdict, remedy="")

    def _suggest_for_another_purpose(self) -> None:
        before, picked = self.suggestion("auto"), self.picked_lr
        self._suggest()
        now = self.suggestion("auto")
        if picked is None or not (before and now) or now.lr is None:
            return
        if before.lr == picked != now.lr:
            said = text.other_purpose(self.plan.kind, self.planned_steps, now.lr, picked)
            self._say(said, is_about_pick=True)

    def _measure(self, measured: Measured) -> None:
        self.measured = measured
        if len(measured):
            # The chosen curve may come later than the loss, such as a validation loss.
            self.show = self._wanted if self._wanted in measured.series else "loss"
        self._redraw()

    def _redraw(self) -> None:
        self.curve = self.measured.curve(self.show, self.smoothing)

    def _say_progress(self, sentence: str, **kind: bool) -> None:
        """Say what the running test does, unless it was asked to stop or an input was rejected."""
        if self.status == "running" and not self.is_refusing:
            self._say(sentence, **kind)

    def _say_pick(self, lr: float) -> None:
        if not self.is_busy:
            lrs = self.measured.lrs
            is_tested = len(lrs) > 0 and lrs[0] <= lr <= lrs[-1]
            height = self.curve.height(lr) if is_tested else None
            said = text.picked(lr, height, self.show, self.has_model)
            self._say(said, is_about_pick=True)


def _as_python(value: Any) -> Any:
    """Return a numpy scalar as a Python number, anything else unchanged."""
    return value.item() if isinstance(value, np.generic) else value
