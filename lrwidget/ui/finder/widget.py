"""LRFinderWidget: connects the parts of the widget and has its Python methods."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import keras
from ipywidgets import HTML, Tab, VBox, Widget
from traitlets import Enum, TraitType

from lrwidget.core.compare.comparison import Comparison
from lrwidget.core.curve.ladder import Mode
from lrwidget.core.curve.purpose import Purpose
from lrwidget.core.curve.smoothing import DEFAULT_SMOOTHING
from lrwidget.core.curve.suggest import Suggestion
from lrwidget.core.model.apply import apply_lr
from lrwidget.core.model.interrupts import interrupts_held_back
from lrwidget.core.model.learning_rate import rate_value
from lrwidget.core.range_test.range_test import RangeTest
from lrwidget.core.range_test.result import RangeTestResult
from lrwidget.core.range_test.settings import RangeTestConfig
from lrwidget.errors import BusyError, ConfigError, LRWidgetError
from lrwidget.ui.finder.applying import Applying
from lrwidget.ui.finder.checks import (
    check_flag,
    check_model,
    check_optimizer,
    check_result,
    check_smoothing,
    check_timeout,
    checked_lr,
)
from lrwidget.ui.finder.compare_desk import CompareDesk
from lrwidget.ui.finder.jobs import Job, RangeTestJob
from lrwidget.ui.finder.open_widgets import OpenWidgets, take_over
from lrwidget.ui.finder.overlay import CHANGES, overlay, variants_typed
from lrwidget.ui.finder.picture import picture_of
from lrwidget.ui.finder.runner import Runner
from lrwidget.ui.finder.shelf import FORMATS, Shelf
from lrwidget.ui.looks.colors import style_sheet
from lrwidget.ui.looks.kept import ALIVE, KeptPicture, in_notebook
from lrwidget.ui.state.compare_state import CompareState
from lrwidget.ui.state.guard import Guard
from lrwidget.ui.state.history import PastRun
from lrwidget.ui.state.state import STATUSES, WidgetState
from lrwidget.ui.state.suggested import Suggested
from lrwidget.ui.state.verdict import remedied
from lrwidget.ui.views.axis_sliders import AxisSliders
from lrwidget.ui.views.code_box import CodeBox
from lrwidget.ui.views.compare_tab import CompareActions, CompareTab
from lrwidget.ui.views.controls import RunLine, SettingsLine
from lrwidget.ui.views.history_panel import HistoryPanel
from lrwidget.ui.views.older_line import OlderLine
from lrwidget.ui.views.overlay_line import OverlayLine
from lrwidget.ui.views.picking import ApplyButtons, PickLine
from lrwidget.ui.views.plan_panel import PlanPanel
from lrwidget.ui.views.plot import Plot
from lrwidget.ui.views.rules_line import RulesLine, VerdictLine
from lrwidget.ui.views.showing import ShowLine
from lrwidget.ui.views.spoken import Spoken
from lrwidget.ui.views.suggestion_line import SuggestionLine
from lrwidget.ui.views.tree import descendants
from lrwidget.ui.words import kinds, text

TO_RUN = "To run a test, make another one with `LRFinderWidget(model, data)`."

_OPEN = OpenWidgets()

_MIRRORED = ["status", "picked_lr"]
"""Facts of the state that are also traits of the widget, which users can observe."""


class _PickedLR(TraitType[float | None, Any]):
    """A learning rate or None; any other value raises the same error as in `pick`."""

    def validate(self, _obj: Any, value: Any) -> float | None:
        return None if value is None else checked_lr(value)


class LRFinderWidget(Applying, VBox):
    """An interactive learning-rate range test for a compiled Keras model.

    Run starts a test. The curve grows while it runs, and the model is restored bit for bit
    afterwards. A click on the curve picks a learning rate, and Apply sets it on the model. The same
    is available from Python: `run`, `stop`, `wait`, `pick`, `apply`, `undo`.

    Args:
        model: A compiled keras.Model.
        data: Data as for `lrwidget.range_test`: a batched tf.data.Dataset, arrays (x, y), ...
        min_lr: First learning rate, > 0. None, the default, leaves it to a probe: the first 30 of
            the steps of every test look for the range in which the loss changes. Without a probe,
            for fewer than 60 steps and for data that can be read only once, it is 1e-7 to 10.
        max_lr: Last learning rate, > min_lr; None leaves it to the probe.
        steps: Training steps in a sweep, >= 2: one for each learning rate, and 30 for the probe.
        smoothing: How strongly the displayed curve is smoothed, in [0, 1).
        mode: "exponential" for equal ratios, "linear" for equal differences.
        batch_size: Samples in a batch, for data given as arrays.
        stop_factor: The test ends when the loss has risen above its best by this many thirds of
            its fall; None never ends it.
        sweeps: Passes over the range, each from the same start.
        seed: Seed for the order of data given as arrays; None draws one.
        validation_data: Data in any of these forms. Its loss is measured about twenty times in a
            test and can be displayed, and "auto" reads both losses.
        class_weight: Weight of each class by its number, as for `fit`.
        optimizer: For a model with several optimizers, the one whose learning rate is changed.
        learning_rate: In place of an optimizer, a keras.Variable that the training step reads as
            its learning rate, or a function that sets it; see `lrwidget.range_test`.
        train_steps: Number of steps of the planned training, for which "auto" then suggests; see
            `lrwidget.suggest`. For a schedule under "Apply as", "auto" uses its epochs times the
            batches per epoch instead; the epochs then start with those of `train_steps`.
        monitor: Which of the values that the model's own `train_step` returns is the loss.

    Raises:
        ConfigError: A setting cannot be used.
    """

    status = Enum(STATUSES, "idle", help="Status of the test. See `run` for observers.")
    picked_lr = _PickedLR(None, allow_none=True, help="The learning rate that Apply would apply.")

    def __init__(
        self,
        model: keras.Model,
        data: Any,
        *,
        min_lr: float | None = None,
        max_lr: float | None = None,
        steps: int = 100,
        smoothing: float = DEFAULT_SMOOTHING,
        mode: Mode = "exponential",
        batch_size: int = 32,
        stop_factor: float | None = 4.0,
        sweeps: int = 1,
        seed: int | None = None,
        validation_data: Any = None,
        class_weight: dict[int, float] | None = None,
        optimizer: keras.optimizers.Optimizer | None = None,
        learning_rate: Any = None,
        train_steps: int | None = None,
        monitor: str = "loss",
    ) -> None:
        config = RangeTestConfig.of(
            min_lr,
            max_lr,
            steps=steps,
            mode=mode,
            batch_size=batch_size,
            stop_factor=stop_factor,
            sweeps=sweeps,
            seed=seed,
            monitor=monitor,
        )
        check_model(model)
        check_optimizer(optimizer)
        check_smoothing(smoothing)
        train_steps = Purpose(train_steps=train_steps).train_steps
        self._model, self._data = model, data
        self._options = {
            "validation_data": validation_data,
            "class_weight": class_weight,
            "optimizer": optimizer,
            "learning_rate": learning_rate,
        }
        self._optimizer, self._learning_rate = optimizer, learning_rate
        self._set_up(config, smoothing, has_model=True)
        self._state.train_steps = train_steps
        self._look()
        self._state.has_older = bool(_OPEN.others(self, model))
        _OPEN.add(self, model)
        _OPEN.look_after_each_cell()

    def _set_up(self, config: RangeTestConfig, smoothing: float, has_model: bool) -> None:
        """Make the state and the views."""
        self._config = config
        self._is_closed = False
        self._state = WidgetState.of(config, smoothing)
        self._state.has_model = has_model
        self._shelf = Shelf(self._state)
        self._compare_state = CompareState(self._state)
        self._desk = CompareDesk(self._state, self._compare_state)
        # Before the views, so that an error in a view does not keep the status from updating. Not
        # `dlink`, which drops changes that an observer of the status makes.
        self._state.observe(self._mirror, _MIRRORED)
        self._kept = KeptPicture(partial(picture_of, self._state))
        self._runner = Runner(self._state, self._kept.update)
        super().__init__(self._make_parts())
        self.add_class("lrw")
        self.add_class(ALIVE)

    @classmethod
    def of_result(
        cls, result: RangeTestResult, *, smoothing: float = DEFAULT_SMOOTHING
    ) -> "LRFinderWidget":
        """Return a widget that shows a result, measured or loaded from a file, without a model.

        A click picks a learning rate. The rules, the smoothing, the schedules with their preview
        and the code work. Run and Apply are disabled, since they need a model.

        Args:
            result: A result of a range test, `range_test_loop`, `RangeTestResult.from_losses` or
                `RangeTestResult.load`.
            smoothing: How strongly the displayed curve is smoothed, in [0, 1).

        Raises:
            ConfigError: `result` or `smoothing` cannot be used.
        """
        check_result(result)
        check_smoothing(smoothing)
        return _ResultWidget(result, smoothing)

    def _make_parts(self) -> list[Widget]:
        state, guarded = self._state, Guard(self._state)
        free = Guard(state, takes_turn=False)
        below = Guard(state, is_about_pick=True)
        free_below = Guard(state, takes_turn=False, is_about_pick=True)
        buttons = ApplyButtons(
            state,
            self._apply_pressed,
            self.undo,
            self._try_pressed,
            self._show_code,
            self._show_history,
            below,
            free_below,
        )
        sliders = AxisSliders(state, self.pick, self._slide_low, below)
        show = ShowLine(state, self.show, self._show_earlier, guarded)
        self._run_line = RunLine(state, self._run_pressed, self.stop, free)
        style = HTML(f"<style>{style_sheet()}</style>", layout={"display": "none"})
        finder = VBox(
            [
                OlderLine(state, self._take_over, free),
                SettingsLine(state, state.set_setting, state.set_auto_range, guarded),
                self._run_line,
                Plot(state, self._pointed_at, sliders, show, guarded),
                SuggestionLine(state, self._use_pressed, self._show_rules, below),
                RulesLine(state, self._pointed_at, below),
                VerdictLine(state, self._extend_pressed, self._check_pressed, free_below),
                PickLine(state, self.pick, self._set_kind, buttons, below),
                PlanPanel(state, self._set_plan_number, self._aim, below),
                CodeBox(state, lambda: self.code),
                HistoryPanel(
                    state,
                    OverlayLine(state, CHANGES, self._overlay_pressed, free_below),
                    FORMATS,
                    self._shelf,
                    below,
                ),
                Spoken(state),
            ]
        )
        finder.add_class("lrw-finder")
        actions = CompareActions(
            add_typed=self._desk.add_typed,
            add_pick=self._desk.add_pick,
            add_rules=self._desk.add_rules,
            run=self._compare_pressed,
            stop=self.stop,
            apply_winner=self.apply_winner,
        )
        tab_guards = (Guard(self._compare_state), Guard(self._compare_state, takes_turn=False))
        self._compare_tab = CompareTab(self._compare_state, actions, *tab_guards)
        self._tabs = Tab([finder, self._compare_tab], titles=["Range test", "Compare"])
        self._tabs.add_class("lrw-tabs")
        self._tabs.observe(self._tab_shown, "selected_index")
        return [style, self._tabs]

    def _look_everywhere(self) -> None:
        _OPEN.look()

    def _take_over(self) -> None:
        others = _OPEN.others(self, self._model)
        if any(each._state.is_busy for each in others):
            raise BusyError("A test of the older widget is running. Stop it there, or wait.")
        for each in others:
            take_over(self._state, each)
        self._state.has_older = False
        self._look()

    def _tab_shown(self, change: Any) -> None:
        if change.new == 1:
            with self._state.turn.taken():
                self._compare_tab.show()

    @property
    def result(self) -> RangeTestResult | None:
        """The result of the last test; None until a test has ended."""
        return self._state.result

    @property
    def history(self) -> tuple[PastRun, ...]:
        """The tests of this widget that have ended, and those loaded from files, oldest first.

        Each has a `name`, a `number`, its `result` and `is_shown`. They can be renamed, removed,
        saved and loaded under History in the widget.
        """
        return self._state.history.runs

    @property
    def suggestions(self) -> dict[str, Suggestion]:
        """The suggestion of each rule, by its name; empty before the end of a test."""
        return dict(self._state.suggestions)

    @property
    def error(self) -> BaseException | None:
        """The error shown in the widget; None if there is none."""
        return self._state.error

    def run(self, block: bool = False) -> None:
        """Start a range test.

        Args:
            block: Whether to wait for its end, and for that of a test that an observer of `status`
                starts then. A keyboard interrupt stops the test.

        Raises:
            BusyError: A test is running already, for instance if code of the model, the data or a
                rule calls this within a test. An observer of the end of a test can start the
                next one.
            LRWidgetError: The widget is closed, or has no model.
            Exception: Any error of the settings, the model or the data. Errors within a running
                test are raised only with `block`; `error` and the widget always show them.
            KeyboardInterrupt: After the model is restored.
        """
        check_flag("block", block)
        self._check_open()
        self._check_has_model(TO_RUN)
        self._start(self._prepare, block)

    def _start(self, prepare: Callable[[], tuple[Job, Callable[[], None]]], block: bool) -> None:
        """Start a job, and wait for its end with `block`."""
        self._look()
        try:
            self._runner.start(prepare, waits=bool(block))
        except KeyboardInterrupt:
            self._send_all()
            raise
        if block:
            self.wait()
            if self.status == "failed" and self.error is not None:
                raise self.error

    def _prepare(self) -> tuple[Job, Callable[[], None]]:
        config = self._state.config(self._config)
        test = RangeTest(self._model, self._data, config, **self._options)
        begin = partial(self._begin, test.config, test.batches_per_pass)
        return RangeTestJob(self._state, test), begin

    def _begin(self, config: RangeTestConfig, batches_per_pass: int | None) -> None:
        self._check_open()  # another thread may have closed it by now
        self._state.begin(config)
        if batches_per_pass is None:
            return
        planned: dict[str, int] = {"batches": batches_per_pass}
        if self._state.train_steps is not None and self._state.plan.batches is None:
            epochs = math.ceil(self._state.train_steps / batches_per_pass)
            planned["epochs"] = min(epochs, kinds.MOST // batches_per_pass)
        self._state.set_plan(**planned)

    def _overlay_pressed(self, change: str, values: str) -> None:
        if self._state.is_busy:
            return
        variants = variants_typed(change, values)

        def prepare() -> tuple[Job, Callable[[], None]]:
            config = replace(self._state.config(self._config), probes_min=False, probes_max=False)
            job = overlay(self._state, self._model, self._data, variants, config, self._options)
            return job, partial(self._begin, config, None)

        self._start(prepare, block=False)

    def _run_pressed(self) -> None:
        if not self._state.is_busy:
            self.run()
            self._run_line.focus_stop()

    def _extend_pressed(self) -> None:
        self.extend()
        self._run_line.focus_stop()

    def compare(
        self,
        variants: Any = None,
        *,
        steps: int | None = None,
        seeds: int | None = None,
        block: bool = False,
    ) -> None:
        """Start a comparison on the Compare tab.

        Args:
            variants: As for `lrwidget.compare`; None takes those in the list.
            steps: Training steps of each run; None takes the number on the tab.
            seeds: Runs of each variant; None takes the number on the tab.
            block: As for `run`.

        Raises:
            BusyError: A test or a comparison is running already.
            LRWidgetError: The list is empty, a variant cannot be used, or the widget is closed or
                has no model.
            Exception: As for `run`.
        """
        check_flag("block", block)
        self._check_open()
        self._check_has_model(TO_RUN)
        self._check_idle("Compare")
        self._desk.set_numbers(steps, seeds)
        if variants is not None:
            chosen = self._optimizer or getattr(self._model, "optimizer", None)
            self._desk.fill_with(variants, chosen)
        self._start(self._prepare_comparison, block)

    @property
    def comparison(self) -> Comparison | None:
        """The last comparison; None until one has ended."""
        return self._compare_state.comparison

    def apply_winner(self) -> None:
        """Set the best learning rate or schedule of the last comparison on the model.

        Raises:
            LRWidgetError: There is no winner, or it changes more than the learning rate.
            BusyError: A test or a comparison is running.
        """
        self._check_open()
        self._check_has_model("Pass the winner to `lrwidget.apply_lr`.")
        with self._state.turn.taken():
            self._check_idle("Apply")
            new = self._desk.winner().to_apply
            change = apply_lr(self._model, new, self._optimizer)
            self._state.applied(change, self._steps_done(), "model.fit(...)")
            self._desk.applied(change)
        self._look_everywhere()
        self._kept.update()

    def _prepare_comparison(self, is_check: bool = False) -> tuple[Job, Callable[[], None]]:
        config = self._config
        options = {**self._options, "monitor": config.monitor}
        job, begin = self._desk.prepare(
            self._model, self._data, config.batch_size, config.seed, options, is_check
        )

        def begin_if_open() -> None:
            self._check_open()
            begin()

        return job, begin_if_open

    def _compare_pressed(self) -> None:
        if not self._state.is_busy:
            self.compare()
            self._compare_tab.focus_stop()

    def _try_pressed(self) -> None:
        if self._state.is_busy:
            return
        self._desk.fill_with_neighbors()
        self._tabs.selected_index = 1
        self.compare()
        self._compare_tab.focus_stop()

    def _check_pressed(self) -> None:
        if self._state.is_busy:
            return
        optimizer = self._optimizer or getattr(self._model, "optimizer", None)
        self._desk.fill_for_check(None if optimizer is None else rate_value(optimizer))
        self._tabs.selected_index = 1
        self._start(partial(self._prepare_comparison, is_check=True), block=False)
        self._compare_tab.focus_stop()

    def stop(self) -> None:
        """Ask a running test to stop and restore the model."""
        self._runner.stop()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until no test runs; a keyboard interrupt stops the test.

        Args:
            timeout: Seconds; None waits for as long as it takes.

        Returns:
            Whether no test is running. Code within a test, such as a rule, cannot wait for that
            test and gets False at once.

        Raises:
            ConfigError: `timeout` is not a number of seconds of at least 0.
            KeyboardInterrupt: After the model is restored.
        """
        check_timeout(timeout)
        try:
            ended = self._runner.wait(timeout)
        except KeyboardInterrupt:
            self._send_all()
            raise
        if ended:
            self._send_all()
        return ended

    def _send_all(self) -> None:
        """Send all state again: in an unattended notebook, messages from the worker are lost."""
        if self._is_closed:
            return
        with self._state.turn.taken():
            for part in descendants(self):
                part.send_state()
        self._kept.update()

    def show(self, name: str) -> None:
        """Display another measured curve.

        Args:
            name: "loss", the name of a metric, or "validation_loss".

        Raises:
            ConfigError: There is no such curve.
        """
        with self._state.turn.taken():
            names = list(self._state.measured.series)
            if not isinstance(name, str) or name not in names:
                raise ConfigError(f"`name` must be one of {names}; got {text.passed(name)}.")
            self._state.set_show(name)

    def extend(self) -> None:
        """Run again with the remedy for the problem of the last curve.

        The remedy is a range 100 times wider on the side that was cut off, three times the sweeps
        or the steps if there was too much noise, or the same test if it was stopped early.

        Raises:
            LRWidgetError: The last test needs no remedy, no test has ended, or there is no model.
            BusyError: A test is running.
        """
        self._check_open()
        self._check_has_model(TO_RUN)
        with self._state.turn.taken():
            state = self._state
            if not state.verdict.remedy or state.result is None:
                raise LRWidgetError(
                    "Nothing to extend: the last test covered enough range and steps."
                )
            last = replace(state.result.config, steps=state.steps_of_test)
            for name, value in remedied(last, state.verdict.remedy).items():
                state.set_setting(name, value)
        self.run()

    def close(self) -> None:
        """Stop a running test, restore the model, and remove the widget.

        The widget releases the model and the data; `result` stays. Within a test, such as in a
        rule of yours, this does not wait: the model is restored once the test has stopped.

        Raises:
            KeyboardInterrupt: After the widget is removed.
        """
        self._close(waits=True)

    def __del__(self) -> None:
        # Do not wait: the test may be waiting for the thread that runs the garbage collector.
        self._close(waits=False)

    def _close(self, waits: bool) -> None:
        if "_runner" not in vars(self):  # the constructor failed
            return
        with interrupts_held_back():
            self._is_closed = True
            try:
                if waits:
                    self._runner.end()
                else:
                    self._runner.stop()
            finally:
                self._remove()

    def _remove(self) -> None:
        with self._state.turn.taken():
            for part in descendants(self):
                if part is not self:
                    part.close()
            super().close()
            _OPEN.remove(self)
            self._model = self._data = self._optimizer = None
            self._options = {}
            self._state.forget_changes()

    def _aim(self, on: bool) -> None:
        self._state.aims_low = on

    def _slide_low(self, lr: float) -> None:
        self._set_plan_number("low_lr", lr)

    def _show_earlier(self, on: bool) -> None:
        self._state.earlier_shown = on

    def _show_rules(self, on: bool) -> None:
        self._state.rules_shown = on

    def _show_history(self, on: bool) -> None:
        self._state.history.is_listed = on

    def _show_code(self, on: bool) -> None:
        self._state.code_shown = on

    def __repr__(self) -> str:
        model = self._state.model_now.model or None
        return f"LRFinderWidget({model=}, status={self.status!r}, picked_lr={self.picked_lr})"

    def _ipython_display_(self, **_options: Any) -> None:
        """Show the widget and, below it, the picture that a saved notebook keeps."""
        if not in_notebook():
            raise NotImplementedError  # IPython then uses `_repr_mimebundle_`
        from IPython.display import publish_display_data

        publish_display_data(super()._repr_mimebundle_())
        self._kept.show()

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        """Return the output of a cell: the widget and, after a test, a picture of its curve."""
        bundle: dict[str, Any] = super()._repr_mimebundle_(**options)
        picture = picture_of(self._state)
        return bundle | ({"image/png": picture} if picture else {})

    def _mirror(self, change: Any) -> None:
        setattr(self, change.name, change.new)

    def notify_change(self, change: Any) -> None:
        """Notify the browser and the observers of a change of a trait.

        For changes by the widget itself, observers are called as soon as its turn is over.
        """
        if change["name"] not in _MIRRORED:
            super().notify_change(change)
            return
        notify = partial(super().notify_change, change)
        if self._state.turn.is_mine:
            self._state.turn.call_later(notify)
            return
        if change["name"] == "picked_lr" and change["new"] is not None:  # assigned by the user
            self._state.pick(change["new"])
        notify()


class _ResultWidget(LRFinderWidget):
    """The widget that `LRFinderWidget.of_result` returns."""

    def __init__(self, result: RangeTestResult, smoothing: float) -> None:
        self._model = self._data = self._optimizer = self._learning_rate = None
        self._options = {}
        self._set_up(result.config, smoothing, has_model=False)
        self._state.show_result(result, Suggested.of(result))
