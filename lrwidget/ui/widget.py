"""LRFinderWidget: wires the parts together; the way in for notebooks and for Python."""

from typing import Any

import keras
from ipywidgets import HTML, VBox, Widget
from traitlets import Enum, Float, observe, validate

from lrwidget.core.apply import apply_lr
from lrwidget.core.config import RangeTestConfig
from lrwidget.core.ladder import Mode
from lrwidget.core.range_test import RangeTest
from lrwidget.core.result import RangeTestResult
from lrwidget.core.smoothing import DEFAULT_SMOOTHING
from lrwidget.core.suggest import Suggestion
from lrwidget.errors import BusyError, ConfigError, LRWidgetError
from lrwidget.ui.controls import RunLine, SettingsLine
from lrwidget.ui.field import LR
from lrwidget.ui.guard import Guard
from lrwidget.ui.looks import style_sheet
from lrwidget.ui.picking import PickLine, RulesLine
from lrwidget.ui.plot import Plot
from lrwidget.ui.runner import Runner
from lrwidget.ui.state import STATUSES, WidgetState
from lrwidget.ui.tree import descendants


class LRFinderWidget(VBox):
    """An interactive learning-rate range test for a compiled Keras model.

    Run starts a test; the curve grows while it runs and the model is afterwards bit for bit what
    it was. A click on the curve picks a learning rate, Apply puts it on the model. All of that
    can be called from Python too: `run`, `stop`, `wait`, `pick`, `apply`, `undo`.

    Args:
        model: A compiled keras.Model.
        data: What `lrwidget.range_test` takes: a batched tf.data.Dataset, arrays (x, y), ...
        min_lr: First learning rate, > 0.
        max_lr: Last learning rate, > min_lr.
        steps: Learning rates to try, one training step each, >= 2.
        smoothing: How strongly the curve on show is smoothed, in [0, 1).
        mode: "exponential" for equal ratios, "linear" for equal differences.
        batch_size: Samples in a batch, for data that comes as arrays.
        stop_factor: The test ends when the loss has risen by this many times its fall.
        sweeps: Passes over the range, each from the same start.
        seed: Order of the data, for data that comes as arrays; None draws one.

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
        min_lr: float = 1e-7,
        max_lr: float = 10.0,
        steps: int = 100,
        smoothing: float = DEFAULT_SMOOTHING,
        mode: Mode = "exponential",
        batch_size: int = 32,
        stop_factor: float = 4.0,
        sweeps: int = 1,
        seed: int | None = None,
    ) -> None:
        config = RangeTestConfig(
            min_lr=min_lr,
            max_lr=max_lr,
            steps=steps,
            mode=mode,
            batch_size=batch_size,
            stop_factor=stop_factor,
            sweeps=sweeps,
            seed=seed,
        )
        self._model, self._data, self._config = model, data, config
        self._state = WidgetState.of(config, smoothing)
        self._runner = Runner(self._state)
        super().__init__(self._make_parts())
        self.add_class("lrw")
        # Not `dlink`: it drops what an observer of the status changes in its turn.
        self._state.observe(self._mirror, ["status", "picked_lr"])

    def _make_parts(self) -> list[Widget]:
        state, shown = self._state, Guard(self._state)
        style = HTML(f"<style>{style_sheet()}</style>", layout={"display": "none"})
        return [
            style,
            SettingsLine(state, state.take_setting, shown),
            RunLine(state, self._run_pressed, self.stop, shown),
            Plot(state, self.pick, shown),
            RulesLine(state, self.pick, shown),
            PickLine(state, self.pick, self.apply, self.undo, shown),
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
        test = RangeTest(self._model, self._data, config)
        self._state.begin(config)
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

    def pick(self, lr: float) -> None:
        """Pick the learning rate that `apply` is to put on the model.

        Raises:
            ConfigError: Not a finite number above 0.
        """
        self._state.pick(_checked(lr))

    def apply(self) -> None:
        """Put the picked learning rate on the model.

        Raises:
            LRWidgetError: Nothing is picked.
            BusyError: A test runs.
        """
        with self._state.lock:
            if self.picked_lr is None:
                raise LRWidgetError("Nothing is picked. Click the curve or call `pick(lr)` first.")
            self._state.applied(apply_lr(self._model, self.picked_lr))

    def undo(self) -> None:
        """Take back what the last `apply` did.

        Raises:
            LRWidgetError: Nothing is left to take back.
            BusyError: A test runs.
        """
        with self._state.lock:
            if not self._state.changes:
                raise LRWidgetError("Nothing to undo: no learning rate was applied from here.")
            change = self._state.changes[-1]
            change.undo()
            self._state.undone(change)

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

    def _mirror(self, change: Any) -> None:
        setattr(self, change.name, change.new)

    @validate("picked_lr")
    def _check_pick(self, proposal: Any) -> float | None:
        return None if proposal.value is None else _checked(proposal.value)

    @observe("picked_lr")
    def _take_pick(self, change: Any) -> None:
        if change.new is not None and change.new != self._state.picked_lr:
            self.pick(change.new)


def _checked(lr: Any) -> float:
    """Return a learning rate as a float, or say what is wrong with it."""
    try:
        return LR.read(str(lr))
    except ValueError as error:
        raise ConfigError(f"`lr` must be a finite number above 0; got {lr!r}.") from error
