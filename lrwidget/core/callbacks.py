"""LRRangeTest: the range test inside the user's own `fit`, on any Keras backend."""

from collections.abc import Callable
from types import TracebackType
from typing import Any

import keras
import numpy as np

from lrwidget.core.config import RangeTestConfig
from lrwidget.core.curve import Curve, result_of
from lrwidget.core.ladder import Mode
from lrwidget.core.learning_rate import (
    get_learning_rate,
    holder_of,
    new_rate_variable,
    optimizer_kind,
    optimizer_of,
    set_learning_rate,
)
from lrwidget.core.result import RangeTestResult
from lrwidget.core.snapshot import Snapshot, build, state_variables
from lrwidget.errors import LRWidgetError, ModelError


class LRRangeTest(keras.callbacks.Callback):
    """Runs a range test inside `model.fit(...)`, and puts the model back at its end.

        finder = lrwidget.LRRangeTest(max_lr=1.0)
        model.fit(x, y, epochs=100, callbacks=[finder])
        finder.result.suggest()

    `fit` stops by itself once the test is over. The model comes back bit for bit when `fit`
    ends, and when the data, the training step or a keyboard interrupt in it raises. What
    raises elsewhere in `fit`, such as another callback, is out of a callback's sight; with

        with lrwidget.LRRangeTest() as finder:
            model.fit(x, y, epochs=100, callbacks=[finder])

    the model comes back from that as well. `range_test` needs no such care, and is faster; this
    is for a `fit` that cannot be done without: another backend than TensorFlow, or data and
    callbacks of your own.

    Args:
        min_lr: First learning rate, > 0.
        max_lr: Last learning rate, > min_lr.
        steps: Learning rates to try, one optimizer update each, >= 2.
        mode: "exponential" for equal ratios, "linear" for equal differences.
        stop_factor: As for `range_test`.
        monitor: Which of the values that the training step reports is the loss.

    Attributes:
        result: What was measured; None before the end.

    Raises:
        ConfigError: A setting that cannot be used.
    """

    def __init__(
        self,
        min_lr: float = 1e-7,
        max_lr: float = 10.0,
        steps: int = 100,
        mode: Mode = "exponential",
        stop_factor: float | None = 4.0,
        monitor: str = "loss",
    ) -> None:
        super().__init__()
        self._config = RangeTestConfig(
            min_lr=min_lr,
            max_lr=max_lr,
            steps=steps,
            mode=mode,
            stop_factor=stop_factor,
            monitor=monitor,
        )
        self.result: RangeTestResult | None = None
        self._snapshot: Snapshot | None = None

    def __enter__(self) -> "LRRangeTest":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._finish()

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002
        """Take a snapshot of the model and put the learning rate under control."""
        if self._snapshot is not None:
            raise LRWidgetError("This LRRangeTest is in use by another `fit`. Make one for each.")
        model = self.model
        if model.steps_per_execution != 1:
            raise ModelError(
                "LRRangeTest sees every step only with steps_per_execution=1; the model has "
                f"steps_per_execution={model.steps_per_execution}. Compile it with 1, or use "
                "`lrwidget.range_test`."
            )
        self._optimizer = optimizer_of(model)
        self.result = None
        self._curve = Curve(self._config)
        self._logs_of_update: list[dict[str, float]] = []
        self._snapshot = Snapshot(state_variables(model))
        self._is_complete = False
        self._take_over(model)

    def _take_over(self, model: keras.Model) -> None:
        self._own_rate = get_learning_rate(self._optimizer)
        self._own_train_function = model.train_function
        if not isinstance(self._own_rate, keras.Variable):
            set_learning_rate(self._optimizer, new_rate_variable(self._config.min_lr))
            # A function that is compiled already would go on with the schedule.
            model.make_train_function(force=True)
            self._own_train_function = None
        model.train_function = self._restoring_on_error(model.train_function)

    def _restoring_on_error(self, train_function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the train function, with the model put back where it raises."""

        def guarded(*args: Any) -> Any:
            try:
                if not self._is_complete:
                    self._complete_snapshot(args[-1])
                return train_function(*args)
            except StopIteration:  # the end of an epoch, on some backends
                raise
            except BaseException:
                self._finish()
                raise

        return guarded

    def _complete_snapshot(self, data: Any) -> None:
        """Before the first step, keep what is built only now, on TensorFlow by that step."""
        self._is_complete = True
        spec = getattr(data, "element_spec", None)
        if spec is not None and self._snapshot is not None:
            build(self.model, spec)
            self._snapshot.include(state_variables(self.model))
            self._snapshot.keep_random_state()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Set the learning rate of this step, and let the metrics start anew."""
        if self._curve.stop_reason is None:
            get_learning_rate(self._optimizer).assign(self._curve.lrs_to_come[0])
        self.model.reset_metrics()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Record the batch's loss, and stop `fit` where the test is over."""
        if self._curve.stop_reason is not None:
            return
        reported = {name: float(value) for name, value in (logs or {}).items()}
        if self._config.monitor not in reported:
            raise ModelError(
                f"`fit` reports {sorted(reported)}, not {self._config.monitor!r}. "
                "Pass `monitor=` with the name of the loss."
            )
        self._logs_of_update.append(reported)
        if self._update_done():
            rows, self._logs_of_update = self._logs_of_update, []
            self._curve.add({name: np.array([_mean(rows, name)]) for name in reported})
        if self._curve.stop_reason is not None:
            self.model.stop_training = True

    def _update_done(self) -> bool:
        """Say whether the optimizer took its step: it may gather gradients of several batches."""
        holder = holder_of(self._optimizer)
        gathered = holder.gradient_accumulation_steps
        return not gathered or int(holder._iterations.numpy()) % gathered == 0

    def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002
        """Put the model back and make the result."""
        self._finish()

    def _finish(self) -> None:
        snapshot, self._snapshot = self._snapshot, None
        if snapshot is None:
            return
        set_learning_rate(self._optimizer, self._own_rate)
        self.model.train_function = self._own_train_function
        snapshot.restore()
        if self._curve.stop_reason is None:
            self._curve.stop_reason = "stopped"
        backend = keras.backend.backend()
        kind = optimizer_kind(self._optimizer)
        restored = snapshot.restored()
        self.result = result_of([self._curve], self._config, restored, kind, backend)


def _mean(rows: list[dict[str, float]], name: str) -> float:
    return float(np.mean([row[name] for row in rows]))
