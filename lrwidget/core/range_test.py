"""The range test itself: checks, snapshot, probe, sweeps, restore."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import keras
import tensorflow as tf

from lrwidget.core.batches import as_batches
from lrwidget.core.config import RangeTestConfig
from lrwidget.core.curve import Curve, StopFlag, Update, result_of
from lrwidget.core.interrupts import UninterruptedExit
from lrwidget.core.ladder import Mode
from lrwidget.core.learning_rate import learning_rate_moved_by, optimizer_kind, optimizer_of
from lrwidget.core.probe import found_range
from lrwidget.core.reserve import check_free, reserved
from lrwidget.core.result import RangeTestResult
from lrwidget.core.snapshot import Snapshot, build, state_variables, unchanged_random_state
from lrwidget.core.steps import step_groups_for
from lrwidget.core.sweeps import Sweeps
from lrwidget.core.thread_state import KerasThreadState
from lrwidget.errors import DataError

# The validation loss is measured on so many batches.
_VALIDATION_BATCHES = 8


def range_test(
    model: keras.Model,
    data: Any,
    *,
    min_lr: float | None = 1e-7,
    max_lr: float | None = 10.0,
    steps: int = 100,
    mode: Mode = "exponential",
    batch_size: int = 32,
    stop_factor: float | None = 4.0,
    sweeps: int = 1,
    seed: int | None = None,
    validation_data: Any = None,
    class_weight: dict[int, float] | None = None,
    optimizer: keras.optimizers.Optimizer | None = None,
    monitor: str = "loss",
    on_update: Callable[[Update], object] | None = None,
    stop: StopFlag | None = None,
) -> RangeTestResult:
    """Train while the learning rate rises, record every batch's loss, put the model back.

    However the test ends, the model, its optimizer, its metrics and the global random state
    are bit for bit what they were.

    Args:
        model: A compiled Keras model.
        data: A batched tf.data.Dataset, arrays as (x, y) or (x, y, sample_weight), a
            PyDataset, a DataLoader, a generator function or any iterable of batches. Data
            shorter than the test is repeated.
        min_lr: First learning rate, > 0; None leaves it to a probe, a sweep of 30 steps before
            the test, which finds where the curve lives.
        max_lr: Last learning rate, > min_lr; None leaves it to the probe.
        steps: Learning rates tried, one optimizer update each, >= 2.
        mode: "exponential" for equal ratios, "linear" for equal differences.
        batch_size: Samples in a batch, for data that comes as arrays.
        stop_factor: Stop when the loss has risen above its best by this many thirds of its
            fall, and clearly more than it jumps between batches; None never stops.
        sweeps: Passes over the ladder, each from the same start with other data order.
        seed: Order of the data, for arrays and for pipelines that shuffle; None draws one,
            which `result.config.seed` then tells.
        validation_data: Data in any of these forms. Its loss is measured some twenty times
            in a test, on the same first eight batches: with 100 steps that is 160 forward
            passes more, about half of the time of the test again. "auto" then reads both
            losses (docs/regret.md tells what that is worth); the training data will do.
        class_weight: Weight of each class by its number, as for `fit`.
        optimizer: For a model that holds several, the one whose learning rate is moved.
        monitor: Which of the values that the model's own `train_step` returns is the loss.
        on_update: Called about ten times a second, in this thread, with an `Update`.
        stop: Looked at about ten times a second; once set, the test ends as "stopped".

    Returns:
        What was measured.

    Raises:
        LRWidgetError: A setting, the model or the data cannot be used; nothing has changed.
        Exception: Whatever the model, the data or `on_update` raises, after all is back.

    Source: Leslie N. Smith, arXiv:1506.01186, section 3.3.
    """
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
    test = RangeTest(
        model,
        data,
        config,
        validation_data=validation_data,
        class_weight=class_weight,
        optimizer=optimizer,
    )
    return test.run(on_update=on_update, stop=stop)


class RangeTest:
    """A range test that is checked and ready to run, on any thread.

    Make it on the thread that owns the model: Keras keeps its global settings per thread, and
    what the model still lacks (weights, optimizer slots) is built here.

    Args:
        model: A compiled Keras model.
        data: As for `range_test`.
        config: The settings.
        validation_data: As for `range_test`.
        class_weight: As for `range_test`.
        optimizer: As for `range_test`.

    Raises:
        LRWidgetError: The model or the data cannot be used; nothing has changed.
    """

    def __init__(
        self,
        model: keras.Model,
        data: Any,
        config: RangeTestConfig,
        *,
        validation_data: Any = None,
        class_weight: dict[int, float] | None = None,
        optimizer: keras.optimizers.Optimizer | None = None,
    ) -> None:
        self._optimizer = optimizer_of(model, optimizer)
        check_free(model)
        seed = secrets.randbits(31) if config.seed is None else config.seed
        self._model = model
        self._config = replace(config, seed=seed)
        with unchanged_random_state():
            self._batches = [
                as_batches(data, config.batch_size, seed + sweep, class_weight)
                for sweep in range(config.sweeps)
            ]
            # Other data than that of the first sweep, which must not depend on it.
            self._probe_batches = (
                as_batches(data, config.batch_size, seed + config.sweeps, class_weight)
                if config.probes
                else None
            )
            self._validation = _validation_batches(validation_data, config.batch_size, seed)
        _check_inputs(model, self._batches[0].dataset)
        build(model, self._batches[0].dataset.element_spec)
        self._thread_state = KerasThreadState()

    @property
    def batches_per_pass(self) -> int | None:
        """Batches until the data repeats; None where that is not known."""
        return self._batches[0].per_pass

    def run(
        self,
        on_update: Callable[[Update], object] | None = None,
        stop: StopFlag | None = None,
        on_range: Callable[[RangeTestConfig], object] | None = None,
    ) -> RangeTestResult:
        """Run the test and put the model back; see `range_test`.

        Args:
            on_update: As for `range_test`.
            stop: As for `range_test`.
            on_range: Called with the settings once a probe has found their limits.
        """
        self._thread_state.enter()
        strategy = self._model.distribute_strategy
        with UninterruptedExit() as stack:
            stack.enter_context(strategy.scope())
            stack.enter_context(reserved(self._model))
            snapshot = stack.enter_context(_preserved(self._model))
            groups = step_groups_for(self._model, self._optimizer, self._config.monitor)
            stack.enter_context(learning_rate_moved_by(self._optimizer, groups.rate))
            sweeps = Sweeps(groups, snapshot, strategy, stop)
            curves = self._curves(sweeps, on_update, on_range)
        kind = optimizer_kind(self._optimizer)
        return result_of(curves, curves[-1].config, snapshot.restored(), kind, "tensorflow")

    def _curves(
        self,
        sweeps: Sweeps,
        on_update: Callable[[Update], object] | None,
        on_range: Callable[[RangeTestConfig], object] | None,
    ) -> list[Curve]:
        """Return the curve of every sweep; if stopped before the first, that of the probe."""
        config = self._config
        if self._probe_batches is not None:
            probe = sweeps.run(Curve(config.of_probe()), self._probe_batches)
            if probe.stop_reason == "stopped":
                return [probe]
            config = config.with_found(*found_range(probe.config.ladder(), probe.losses))
            if on_range is not None:
                on_range(config)
        curves: list[Curve] = []
        for sweep, batches in enumerate(self._batches):
            curve = Curve(config, sweep)
            curves.append(sweeps.run(curve, batches, self._validation, on_update))
            if curve.stop_reason == "stopped":
                break
        return curves


@contextmanager
def _preserved(model: keras.Model) -> Iterator[Snapshot]:
    """Put the model back on every way out."""
    snapshot = Snapshot(state_variables(model))
    try:
        yield snapshot
    finally:
        snapshot.restore()


def _validation_batches(data: Any, batch_size: int, seed: int) -> list[Any]:
    """Return the fixed subset of the validation data, in memory."""
    if data is None:
        return []
    batches = as_batches(data, batch_size, seed)
    count = min(_VALIDATION_BATCHES, batches.per_pass or _VALIDATION_BATCHES)
    return list(batches.dataset.take(count))


def _check_inputs(model: keras.Model, dataset: tf.data.Dataset) -> None:
    """Refuse samples where the model wants batches of them."""
    inputs = getattr(model, "inputs", None) or []
    spec = dataset.element_spec
    given = tf.nest.flatten(spec[0] if isinstance(spec, tuple) else spec)
    if len(inputs) != len(given):
        return
    for wanted, got in zip(inputs, given, strict=True):
        if got.shape.rank is not None and got.shape.rank == len(wanted.shape) - 1:
            raise DataError(
                f"The dataset is not batched: it gives samples of shape {tuple(got.shape)}, and "
                f"the model needs batches of shape {tuple(wanted.shape)}. Add `.batch(32)` to it."
            )
