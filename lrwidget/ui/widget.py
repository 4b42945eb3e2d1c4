"""LRFinderWidget: wires the parts together; the way in for notebooks and for Python."""

from typing import Any

import keras
from ipywidgets import HTML, VBox, Widget
from traitlets import Enum, Float, observe, validate

from lrwidget.core.config import RangeTestConfig
from lrwidget.core.ladder import Mode
from lrwidget.core.range_test import RangeTest
from lrwidget.core.result import RangeTestResult
from lrwidget.core.smoothing import DEFAULT_SMOOTHING
from lrwidget.core.suggest import Suggestion
from lrwidget.errors import BusyError, ConfigError, LRWidgetError
from lrwidget.ui.applying import Applying, checked_lr
from lrwidget.ui.code_box import CodeBox
from lrwidget.ui.controls import RunLine, SettingsLine
from lrwidget.ui.guard import Guard
from lrwidget.ui.looks import style_sheet
from lrwidget.ui.picking import ApplyButtons, PickLine
from lrwidget.ui.picture import png_of
from lrwidget.ui.plan_panel import PlanPanel
from lrwidget.ui.plot import Plot
from lrwidget.ui.rules_line import RulesLine, VerdictLine
from lrwidget.ui.runner import Runner
from lrwidget.ui.state import STATUSES, WidgetState
from lrwidget.ui.tree import descendants
from lrwidget.ui.verdict import mended


class LRFinderWidget(Applying, VBox):
    """An interactive learning-rate range test for a compiled Keras model.

    Run starts a test; the curve grows while it runs and the model is afterwards bit for bit what
    it was. A click on the curve picks a learning rate, Apply puts it on the model. All of that
    can be called from Python too: `run`, `stop`, `wait`, `pick`, `apply`, `undo`.

    Args:
        model: A compiled keras.Model.
        data: What `lrwidget.range_test` takes: a batched tf.data.Dataset, arrays (x, y), ...
        min_lr: First learning rate, > 0; None leaves it to a probe, a sweep of 30 steps before
            each test, which finds where the curve lives.
        max_lr: Last learning rate, > min_lr; None leaves it to the probe.
        steps: Learning rates to try, one training step each, >= 2.
        smoothing: How strongly the curve on show is smoothed, in [0, 1).
        mode: "exponential" for equal ratios, "linear" for equal differences.
        batch_size: Samples in a batch, for data that comes as arrays.
        stop_factor: The test ends when the loss has risen by this many times its fall.
        sweeps: Passes over the range, each from the same start.
        seed: Order of the data, for data that comes as arrays; None draws one.
        validation_data: Data in any of these forms; its loss is then measured some twenty
            times in a test and can be put on show, and "auto" reads both losses.
        class_weight: Weight of each class by its number, as for `fit`.
        optimizer: For a model that holds several, the one whose learning rate is moved.
        monitor: Which of the values that the model's own `train_step` returns is the loss.

    Raises:
        ConfigError: A setting that cannot be used.
    """

    status = Enum(STATUSES, "idle", help="How the test stands. Observers may run in its thread.")
    picked_lr = Float(None, allow_none=True, help="The learning rate that Apply would apply.")

    def __init__(
        self,
        model: keras.Model,
        data: Any,
        *,
        min_lr: float | None = 1e-7,
        max_lr: float | None = 10.0,
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
        self._model, self._data, self._config = model, data, config
        self._options = {
            "validation_data": validation_data,
            "class_weight": class_weight,
            "optimizer": optimizer,
        }
        self._optimizer = optimizer
        self._state = WidgetState.of(config, smoothing)
        self._runner = Runner(self._state)
        super().__init__(self._make_parts())
        self.add_class("lrw")
        # Not `dlink`: it drops what an observer of the status changes in its turn.
        self._state.observe(self._mirror, ["status", "picked_lr"])

    def _make_parts(self) -> list[Widget]:
        state, shown = self._state, Guard(self._state)
        buttons = ApplyButtons(state, self._apply_pressed, self.undo, self._show_code, shown)
        style = HTML(f"<style>{style_sheet()}</style>", layout={"display": "none"})
        return [
            style,
            SettingsLine(state, state.take_setting, state.take_auto_range, shown),
            RunLine(state, self._run_pressed, self.stop, shown),
            Plot(state, self._pointed_at, self.show, self._show_earlier, shown),
            RulesLine(state, self._pointed_at, shown),
            VerdictLine(state, self.extend, shown),
            PickLine(state, self.pick, self._take_kind, buttons, shown),
            PlanPanel(state, self._take_number, self._aim, shown),
            CodeBox(state, lambda: self.code),
        ]

    @property
    def result(self) -> RangeTestResult | None:
        """What the last test measured; None until one has ended."""
        return self._state.result

    @property
    def suggestions(self) -> dict[str, Suggestion]:
        """What each rule suggests, by the rule's name; empty before the end of a test."""
        return dict(self._state.suggestions)

    @property
    def error(self) -> BaseException | None:
        """The error on show; None where all is well."""
        return self._state.error

    def run(self, block: bool = False) -> None:
        """Start a range test.

        Args:
            block: Wait for its end. The keyboard interrupt then stops the test.

        Raises:
            BusyError: A test runs already.
            Exception: What the settings, the model or the data raise; from within a running test
                only with `block`, as `error` and in the widget always.
        """
        try:
            self._runner.start(self._prepare)
        except BusyError:
            raise
        except Exception as error:
            self._state.fail(error)
            raise
        if block:
            self.wait()
            if self.status == "failed" and self.error is not None:
                raise self.error

    def _prepare(self) -> RangeTest:
        config = self._state.config(self._config)
        test = RangeTest(self._model, self._data, config, **self._options)
        self._state.begin(config)
        if test.batches_per_pass is not None:
            self._state.take_plan(batches=test.batches_per_pass)
        return test

    def _run_pressed(self) -> None:
        if not self._state.is_busy:
            self.run()

    def stop(self) -> None:
        """Ask a running test to stop; the model is then put back as it was."""
        self._runner.stop()
        self._state.ask_to_stop()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end of the test; the keyboard interrupt stops it.

        Args:
            timeout: Seconds; None waits for as long as it takes.

        Returns:
            Whether no test runs any more.
        """
        try:
            ended = self._runner.join(timeout)
        except KeyboardInterrupt:
            self.stop()
            self._runner.join()
            self._send_all()
            raise
        if ended:
            self._send_all()
        return ended

    def _send_all(self) -> None:
        """Send everything again: what the worker sent is lost where a notebook runs unattended."""
        with self._state.lock:
            for part in descendants(self):
                part.send_state()

    def show(self, name: str) -> None:
        """Put another measured curve on the plot.

        Args:
            name: "loss", the name of a metric, or "validation_loss".

        Raises:
            ConfigError: It was not measured.
        """
        with self._state.lock:
            names = list(self._state.measured.series)
            if name not in names:
                raise ConfigError(f"`name` must be one of {names}; got {name!r}.")
            self._state.take_show(name)

    def extend(self) -> None:
        """Run again with more of what the last curve lacks.

        That is two decades more on a side that it did not show, or three times the steps where
        noise hides the fall.

        Raises:
            LRWidgetError: The last curve lacks nothing, or there is none.
            BusyError: A test runs.
        """
        with self._state.lock:
            state = self._state
            if not state.verdict.mend or state.result is None:
                raise LRWidgetError(
                    "Nothing to extend: the last curve lacks no range and no steps."
                )
            for name, value in mended(state.result.config, state.verdict.mend).items():
                state.take_setting(name, value)
            self.run()

    def close(self) -> None:
        """Stop a running test, put the model back, and remove all that the widget consists of."""
        if "_runner" not in vars(self):  # deleted half made, after a setting that cannot be used
            return
        self._runner.stop()
        self._runner.join()
        with self._state.lock:
            for part in descendants(self):
                if part is not self:
                    part.close()
            super().close()

    def _aim(self, on: bool) -> None:
        self._state.aims_low = on

    def _show_earlier(self, on: bool) -> None:
        self._state.earlier_shown = on

    def _show_code(self, on: bool) -> None:
        self._state.code_shown = on

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        """Return what a cell keeps: the widget and, after a test, a picture of its curve."""
        bundle: dict[str, Any] = super()._repr_mimebundle_(**options)
        result = self.result
        picture = png_of(result, self._state.show) if result and len(result.lrs) else None
        return bundle | ({"image/png": picture} if picture else {})

    def _mirror(self, change: Any) -> None:
        setattr(self, change.name, change.new)

    @validate("picked_lr")
    def _check_pick(self, proposal: Any) -> float | None:
        return None if proposal.value is None else checked_lr(proposal.value)

    @observe("picked_lr")
    def _take_pick(self, change: Any) -> None:
        if change.new is not None and change.new != self._state.picked_lr:
            self.pick(change.new)
