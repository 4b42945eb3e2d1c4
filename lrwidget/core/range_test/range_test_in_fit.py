"""RangeTestInFit: one range test within one running `fit`, on any Keras backend."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from lrwidget.core.curve.purpose import OptimizerKind
from lrwidget.core.data.python_state import PythonState
from lrwidget.core.model.attributes import ModelAttributes, python_objects_of
from lrwidget.core.model.fit_guard import FitCall, FitGuard
from lrwidget.core.model.host import forget_jax_state, iterations_of
from lrwidget.core.model.interrupts import UninterruptedExit
from lrwidget.core.model.learning_rate import (
    optimizer_kind,
    optimizers_of,
    updates_of,
)
from lrwidget.core.model.optimizer_rate import OptimizerRate
from lrwidget.core.model.snapshot import Snapshot, build, state_variables
from lrwidget.core.model.train_step import AttributeOverride
from lrwidget.core.model.values import numpy_of
from lrwidget.core.range_test.growing_curve import SweepCurve, result_of
from lrwidget.core.range_test.rates_in_fit import RatesInFit
from lrwidget.core.range_test.result import RangeTestResult
from lrwidget.core.range_test.settings import RangeTestConfig
from lrwidget.errors import ModelError

# A variable larger than this is not compared after each step.
_SMALL = 4096


class RangeTestInFit:
    """Moves the learning rate of a `fit`, records its losses, and restores the model.

    A FitGuard follows the `fit` and calls the public methods of this class.

    Args:
        model: A compiled model.
        fit: Its `fit`, in `on_train_begin`.
        config: The settings.
        optimizer: The optimizer whose learning rate is moved; None if the model has only one.
        learning_rate: Instead of an optimizer: a variable that the training step reads, or a
            function that sets it.
        on_result: Called with this object and the result once the model is restored.

    Raises:
        LRWidgetError: The model cannot be tested inside `fit`. The model is unchanged.
    """

    def __init__(
        self,
        model: keras.Model,
        fit: FitCall,
        config: RangeTestConfig,
        optimizer: keras.optimizers.Optimizer | None,
        learning_rate: Any,
        on_result: Callable[["RangeTestInFit", RangeTestResult], None],
    ) -> None:
        _check_steps_per_execution(model)
        self._rates = RatesInFit(model, optimizer, learning_rate)
        self._model, self._config, self._on_result = model, config, on_result
        self._curve = SweepCurve(config)
        self._batches_of_epochs: list[int] = []
        self._logs_of_update: list[dict[str, float]] = []
        self._compared: list[keras.Variable] | None = None
        self._last_values: list[bytes] | None = None
        self._is_built = False
        self._check_use: Callable[[], None] = lambda: None
        self._snapshot = Snapshot([*state_variables(model), *self._rates.variables])
        self._restores_python: list[Callable[[], None]] = []
        if model.run_eagerly:
            # The Python code of an eager step runs at each step. Of what it reaches outside of the
            # model, only random generators are saved: other callbacks may change the rest.
            held = PythonState(python_objects_of(model), alone=False)
            self._snapshot.include(held.variables)
            self._restores_python = [ModelAttributes(model).undo, held.restore]
        self.guard = FitGuard(model, fit, self)

    def begin_epoch(self, epoch: int) -> None:
        """Take control of the learning rate in the first epoch."""
        if not self._batches_of_epochs:
            self._first_epoch = epoch
            self._rates.take_over()
            self._snapshot.include(state_variables(self._model))
        self._batches_of_epochs.append(0)

    def begin_step(self) -> None:
        """Set the learning rate of this step, and reset the metrics."""
        _attach_state(self._model)
        self._rates.check_kept()
        if self._curve.stop_reason is None:
            self._rates.set(self._curve.lrs_to_come[0])
        self._model.reset_metrics()

    def begin_train_function(self, data: Any) -> None:
        """Before the first step, save variables that are built only now (TensorFlow: in it)."""
        if self._is_built:
            return
        self._is_built = True
        spec = getattr(data, "element_spec", None)
        if spec is not None:
            build(self._model, spec)
            self._snapshot.include(state_variables(self._model))
            self._snapshot.keep_random_state()
        if self._rates.optimizer is not None:
            rate = OptimizerRate(self._model, self._rates.optimizer)
            counters = rate.counters()
            self._check_use = lambda: rate.check_counted(self._model, counters)

    def end_step(self, logs: Any) -> None:
        """Record the batch's loss, and stop `fit` when the test is over."""
        self._batches_of_epochs[-1] += 1
        if self._curve.stop_reason is not None:
            return
        if self._batches_of_epochs == [1]:
            _attach_state(self._model)
            self._check_use()
        reported = _numbers(logs)
        if self._config.monitor not in reported:
            raise ModelError(
                f"`fit` reports {sorted(reported)}, not {self._config.monitor!r}. "
                "Pass `monitor=` with the name of the loss."
            )
        self._logs_of_update.append(reported)
        if self._update_is_done():
            rows, self._logs_of_update = self._logs_of_update, []
            self._curve.add({name: np.array([_mean(rows, name)]) for name in reported})
        if self._curve.stop_reason is not None:
            self._model.stop_training = True

    def _update_is_done(self) -> bool:
        """Return whether the optimizer made its update; it may accumulate several batches first."""
        gathered, leader = self._gathered(), self._rates.leader
        if leader is None or gathered == 1:
            return True
        _attach_state(self._model)
        return int(numpy_of(iterations_of(leader))) % gathered == 0

    def _gathered(self) -> int:
        """Return the number of batches whose gradients make one update."""
        leader = self._rates.leader
        return 1 if leader is None else leader.gradient_accumulation_steps or 1

    def record_state(self) -> None:
        """Store the values of some small variables, to detect later training."""
        _attach_state(self._model)
        self._rates.record()
        if self._compared is None and any(self._batches_of_epochs):
            self._compared = _variables_to_compare(self._model)
        if self._compared is not None:
            self._last_values = _bytes_of(self._compared)

    def fit_ended(self) -> str:
        """Restore the model; return a message for the user if the test is incomplete."""
        message = self._incomplete()
        self._undo()
        return message

    def fit_failed(self) -> str:
        """Restore the model."""
        average_is_next = keras.backend.backend() == "jax" and self.guard.is_running
        self._undo()
        if average_is_next:
            _skip_final_average(self._model.optimizer)
        return ""

    def fit_was_left(self) -> str:
        """Restore the model except for later changes; return a message for the user."""
        is_trained = self._compared is not None and self._last_values != _bytes_of(self._compared)
        new_rates = self._rates.set_since()
        # The user may have set a seed since the `fit`.
        self._snapshot.keep_random_state()
        self._undo(restores_state=not is_trained, new_rates=new_rates)
        weights = _TRAINED_SINCE if is_trained else _RESTORED_NOW
        is_kept = any(each is not None for each in new_rates)
        return f"{_LEFT} {weights} {_RATE_KEPT if is_kept else _RATE_RESTORED}"

    def _undo(self, restores_state: bool = True, new_rates: list[Any] | None = None) -> None:
        with UninterruptedExit() as stack:
            stack.callback(self._finish)
            stack.callback(self._rates.restore, new_rates)
            if restores_state:
                stack.callback(self._snapshot.restore)
                for restore in self._restores_python:
                    stack.callback(restore)
            stack.callback(_forget_detached_state, self._model)

    def _finish(self) -> None:
        if self._curve.stop_reason is None:
            self._curve.stop_reason = "stopped"
        leader = self._rates.leader
        kind: OptimizerKind = "other" if leader is None else optimizer_kind(leader)
        packages = ("keras", keras.backend.backend())
        result = result_of([self._curve], self._snapshot.restored(), kind, packages)
        updates = None if leader is None else updates_of(leader)
        self._on_result(self, replace(result, notes=self._rates.notes, updates_before=updates))

    def _incomplete(self) -> str:
        """Return how to complete a test that `fit` ended too early; empty if it is complete."""
        count, steps = self._curve.count, self._config.steps
        if self._curve.stop_reason is not None:
            return ""
        fewer = [f"steps={count} to LRRangeTest"] if count >= 2 else []
        if self._model.stop_training:
            found = f"Another callback stopped `fit` after {count} of {steps} learning rates."
            return f"{found} {' or '.join(['Remove that callback', *_pass(fewer)])}."
        found = f"`fit` ended after {count} of {steps} learning rates."
        return f"{found} {' or '.join(_pass([*self._more_epochs(), *fewer]) or [_MORE_DATA])}."

    def _more_epochs(self) -> list[str]:
        first, last = self._batches_of_epochs[:1], self._batches_of_epochs[-1:]
        if not any(first) or last < first:  # there are no more data
            return []
        batches = self._config.steps * self._gathered()
        epochs = self._first_epoch + math.ceil(batches / first[0])
        return [f"epochs={epochs} to `fit`"]


_LEFT = (
    "A `fit` with LRRangeTest was left in the middle of the range test, in a way that a callback "
    "cannot notice."
)
_RESTORED_NOW = "The model has been restored only now to its state before that `fit`."
_TRAINED_SINCE = (
    "The model has been changed since, but not by its own methods, so its weights are kept: they "
    "come from the range test and from what changed them."
)
_RATE_RESTORED = "Its learning rate is the one before that `fit`."
_RATE_KEPT = "The learning rate that was set since is kept."
_MORE_DATA = "Pass more data"


def _pass(arguments: list[str]) -> list[str]:
    return [f"Pass {', or '.join(arguments)}"] if arguments else []


def _check_steps_per_execution(model: keras.Model) -> None:
    if model.steps_per_execution != 1:
        raise ModelError(
            "LRRangeTest sees every step only with steps_per_execution=1; the model has "
            f"steps_per_execution={model.steps_per_execution}. Compile it with 1, or use "
            "`lrwidget.range_test`."
        )


def _attach_state(model: keras.Model) -> None:
    """Update the variables of a model on JAX, where Keras holds their values during an epoch."""
    if keras.backend.backend() == "jax":
        model.jax_state_sync()


def _forget_detached_state(model: keras.Model) -> None:
    """Keep Keras on JAX from overwriting the variables with the state of the last step."""
    if keras.backend.backend() == "jax":
        forget_jax_state(model)


def _skip_final_average(optimizer: keras.optimizers.Optimizer) -> None:
    """Keep Keras on JAX from setting the weights to their average at the end of a failed `fit`."""

    def skip(*_args: Any) -> None:
        override.__exit__()

    override = AttributeOverride(optimizer, "finalize_variable_values", skip)
    override.__enter__()


def _variables_to_compare(model: keras.Model) -> list[keras.Variable]:
    """Return small variables that change in every kind of training."""
    weights = [each for each in model.trainable_variables if math.prod(each.shape) <= _SMALL]
    return [*(iterations_of(each) for each in optimizers_of(model)), *weights[-1:]]


def _bytes_of(variables: list[keras.Variable]) -> list[bytes]:
    return [numpy_of(each).tobytes() for each in variables]


def _numbers(logs: Any) -> dict[str, float]:
    """Return the numbers that a step reports, by name."""
    found: dict[str, float] = {}
    for name, value in logs.items() if isinstance(logs, dict) else ():
        if isinstance(value, dict):
            found |= _numbers(value)
        elif np.ndim(value) == 0:
            found[name] = float(value)
    return found


def _mean(rows: list[dict[str, float]], name: str) -> float:
    return float(np.mean([row[name] for row in rows]))
