"""LRRangeTest: the range test inside the user's own `fit`, on any Keras backend."""

from os import PathLike
from types import TracebackType
from typing import Any

import keras

from lrwidget.core.curve.ladder import Mode
from lrwidget.core.event_file import checked_log_dir
from lrwidget.core.model.fit_guard import current_fit
from lrwidget.core.model.given_rate import check_kind
from lrwidget.core.range_test.curve_log import log_curve
from lrwidget.core.range_test.range_test_in_fit import RangeTestInFit
from lrwidget.core.range_test.result import RangeTestResult
from lrwidget.core.range_test.settings import RangeTestConfig
from lrwidget.errors import ConfigError, LRWidgetError


class LRRangeTest(keras.callbacks.Callback):
    """Runs a range test inside `model.fit(...)` and restores the model at the end.

        finder = lrwidget.LRRangeTest(max_lr=1.0)
        model.fit(x, y, epochs=100, callbacks=[finder])
        finder.result.suggest()

    The callback stops `fit` when the test is complete, and warns if `fit` ends earlier. The model
    is restored bit for bit when `fit` ends, after all other callbacks, in any order of the list. It
    is also restored when a training step, the validation or any callback raises or is interrupted.

    A callback cannot detect an error in Keras' own code in between, such as an interrupt between
    two steps. The model is then restored, with a warning, by the next call of `fit`, `evaluate`,
    `predict`, `save` or a similar method. To restore it at once in this case, too:

        with lrwidget.LRRangeTest() as finder:
            model.fit(x, y, epochs=100, callbacks=[finder])

    Other callbacks see the model during the range test: a checkpoint saved in the meantime
    contains the weights and the learning rate of the test.

    No probe finds the range here, since `fit` cannot start its data again after one. The default
    range is 1e-7 to 10.

    `range_test` is faster and needs no `fit`. Use this callback if the test needs data or
    callbacks that only `fit` supports.

    Args:
        min_lr: First learning rate, > 0.
        max_lr: Last learning rate, > min_lr.
        steps: Learning rates to try, one optimizer update each, >= 2.
        mode: "exponential" for equal ratios, "linear" for equal differences.
        stop_factor: As for `range_test`.
        monitor: The name under which the training step reports the loss.
        optimizer: The optimizer whose learning rate is moved, for a model that holds several.
        learning_rate: Instead of an optimizer: the keras.Variable that the training step reads as
            its learning rate, or a function that sets it, called with a float before each step.
        log_dir: A folder for TensorBoard, such as that of the training; the curve is written to
            its subfolder `range_test` at the end, as scalars and as an image. Needs the extra
            `tensorboard`.

    Attributes:
        result: The result of the test; None before the end.

    Raises:
        ConfigError: A setting that cannot be used.
        MissingPackageError: `log_dir` is given and TensorBoard is not installed.
    """

    def __init__(
        self,
        min_lr: float = 1e-7,
        max_lr: float = 10.0,
        steps: int = 100,
        mode: Mode = "exponential",
        stop_factor: float | None = 4.0,
        monitor: str = "loss",
        optimizer: keras.optimizers.Optimizer | None = None,
        learning_rate: Any = None,
        log_dir: str | PathLike[str] | None = None,
    ) -> None:
        super().__init__()
        self._log_dir = None if log_dir is None else checked_log_dir(log_dir, "LRRangeTest")
        if optimizer is not None and learning_rate is not None:
            raise ConfigError("Pass `optimizer=` or `learning_rate=`, not both.")
        if learning_rate is not None:
            check_kind(learning_rate)
        if not isinstance(optimizer, keras.optimizers.Optimizer | None):
            raise ConfigError(
                "`optimizer` must be one of the optimizers that the model holds, such as "
                f"model.optimizer; got optimizer={optimizer!r}."
            )
        self._config = RangeTestConfig(
            min_lr=min_lr,
            max_lr=max_lr,
            steps=steps,
            mode=mode,
            stop_factor=stop_factor,
            monitor=monitor,
        )
        self._optimizer, self._learning_rate = optimizer, learning_rate
        self._test: RangeTestInFit | None = None
        self.result: RangeTestResult | None = None

    def __enter__(self) -> "LRRangeTest":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._test is not None:
            self._test.guard.fail()

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002
        """Save the state of the model. The test itself begins with the first epoch.

        Raises:
            LRWidgetError: The model cannot be tested inside `fit`, or this callback or another
                LRRangeTest is in use. The model is unchanged.
        """
        fit = current_fit()
        finders = [each for each in fit.callback_list.callbacks if isinstance(each, LRRangeTest)]
        if len(finders) > 1:
            raise LRWidgetError(
                f"The callbacks of this `fit` hold LRRangeTest {len(finders)} times, and only one "
                "can move the learning rate. Remove the others."
            )
        if self._test is not None and self._test.guard.is_running:
            raise LRWidgetError(
                "This LRRangeTest is in use by another `fit` that is still running. Make one for "
                "each `fit`."
            )
        self.result = None
        self._test = RangeTestInFit(
            self.model,
            fit,
            self._config,
            self._optimizer,
            self._learning_rate,
            self._take_result,
        )

    def _take_result(self, test: RangeTestInFit, result: RangeTestResult) -> None:
        if test is self._test:
            self.result, self._test = result, None
            if self._log_dir is not None:
                log_curve(self._log_dir / "range_test", result)
