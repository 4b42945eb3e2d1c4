"""The range test itself: checks, snapshot, probe, sweeps, restoring."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any, Literal

import keras

from lrwidget.core.checks import check_listeners
from lrwidget.core.curve.ladder import Mode
from lrwidget.core.curve.purpose import OptimizerKind
from lrwidget.core.data.reader import StopFlag
from lrwidget.core.data.source import Batches, first_batches, source_of
from lrwidget.core.engine.borrowed import borrowed
from lrwidget.core.model.fit_guard import finish_left_fit
from lrwidget.core.model.interrupts import UninterruptedExit
from lrwidget.core.model.learning_rate import optimizer_kind, updates_of
from lrwidget.core.model.rate_choice import rate_of
from lrwidget.core.model.reserve import check_free
from lrwidget.core.model.thread_state import KerasThreadState
from lrwidget.core.range_test.growing_curve import (
    SweepCurve,
    Update,
    curves_of,
    result_of,
)
from lrwidget.core.range_test.result import RangeTestResult
from lrwidget.core.range_test.settings import RangeTestConfig
from lrwidget.core.range_test.sweeps import Sweeps, stopped_waiting

Phase = Literal["compiling", "probing"]
"""What a test does before its first step: compile the training step, look for the range."""

# Number of batches on which the validation loss is measured.
_VALIDATION_BATCHES = 8


def range_test(
    model: keras.Model,
    data: Any,
    *,
    min_lr: float | None = None,
    max_lr: float | None = None,
    steps: int = 100,
    mode: Mode = "exponential",
    batch_size: int = 32,
    stop_factor: float | None = 4.0,
    sweeps: int = 1,
    seed: int | None = None,
    validation_data: Any = None,
    class_weight: dict[int, float] | None = None,
    optimizer: keras.optimizers.Optimizer | None = None,
    learning_rate: Any = None,
    monitor: str = "loss",
    on_update: Callable[[Update], object] | None = None,
    stop: StopFlag | None = None,
) -> RangeTestResult:
    """Train while the learning rate rises, record every batch's loss, and restore the model.

    However the test ends, the model, its optimizer, its metrics and the global random state
    are restored bit for bit.

    Args:
        model: A compiled Keras model.
        data: A batched tf.data.Dataset, arrays as (x, y) or (x, y, sample_weight), a
            PyDataset, a DataLoader, a generator function or any iterable of batches. Data
            shorter than the test is repeated.
        min_lr: First learning rate, > 0. None, the default, leaves it to a probe: the first 30 of
            the steps look for the range in which the loss changes, and the model is restored
            before the others. Without a probe, for fewer than 60 steps and for an iterator that
            can be read only once, the range is 1e-7 to 10, and a note in the result says so.
        max_lr: Last learning rate, > min_lr; None leaves it to the probe.
        steps: Optimizer updates in a sweep, >= 2: one for each learning rate, and 30 for the
            probe. 100 steps try 100 learning rates between fixed limits, and 70 after a probe.
        mode: "exponential" for equal ratios, "linear" for equal differences.
        batch_size: Samples in a batch, if the data are arrays.
        stop_factor: Stop when the loss has risen above its best by this many thirds of its
            fall, and clearly more than it jumps between batches; None never stops.
        sweeps: Passes over the ladder, each from the same start but with a different data order.
        seed: Seed for the order of arrays and of pipelines that shuffle; None draws one, which is
            stored in `result.config.seed`.
        validation_data: Data in any of these forms. The validation loss is measured about twenty
            times in a test, on the first eight batches. With 100 steps these are 160 extra
            forward passes, which add about 50 % to the time. "auto" then reads both losses; see
            docs/regret.md for the effect. Training data also work.
        class_weight: Weight of each class by its number, as for `fit`.
        optimizer: The optimizer whose learning rate is moved, for a model that holds several. None
            chooses the only one that the training step uses. For a MultiOptimizer, one of its
            optimizers; None moves all of them by one factor, and `lrs` are those of its default.
        learning_rate: Instead of an optimizer, for a step that keeps its learning rate
            elsewhere: the keras.Variable that it reads, or a function that takes a float and
            sets it. A function is called before each step, and the steps run one by one.
        monitor: The name under which the model's own `train_step` returns the loss.
        on_update: Called about ten times a second, in this thread, with an `Update`.
        stop: An object such as a `threading.Event`, checked about ten times a second. Once it is
            set, the test ends as "stopped".

    Returns:
        The result. Its `config` has the range that the probe found and the steps after it.

    Raises:
        LRWidgetError: A setting, the model or the data cannot be used. The model is unchanged.
        Exception: Any error of the model, the data or `on_update`, raised after the model is
            restored.

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
    check_listeners(on_update, stop)
    test = RangeTest(
        model,
        data,
        config,
        validation_data=validation_data,
        class_weight=class_weight,
        optimizer=optimizer,
        learning_rate=learning_rate,
    )
    return test.run(on_update=on_update, stop=stop)


class RangeTest:
    """A range test that is checked and ready to run, on any thread.

    Create it on the thread that owns the model: Keras keeps its global settings per thread, and
    missing weights and optimizer slots are built here.

    Args:
        model: A compiled Keras model.
        data: As for `range_test`.
        config: The settings.
        validation_data: As for `range_test`.
        class_weight: As for `range_test`.
        optimizer: As for `range_test`.
        learning_rate: As for `range_test`.

    Attributes:
        config: The settings, with the seed; without a probe if the data or the steps allow none.

    Raises:
        LRWidgetError: The model or the data cannot be used. The model is unchanged.
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
        learning_rate: Any = None,
    ) -> None:
        self._rate = rate_of(model, optimizer, learning_rate)
        check_free(model)
        finish_left_fit(model)
        self._source = source_of(data, config.batch_size, class_weight)
        config, self._notes = config.or_without_probe(self._source.is_one_shot)
        seed = secrets.randbits(31) if config.seed is None else config.seed
        self._model, self._data = model, [data, validation_data]
        self.config = replace(config, seed=seed)
        self._seeds = [seed + sweep for sweep in range(config.sweeps)]
        if config.probes:
            # The probe has its own data, so that the first sweep does not depend on it.
            self._seeds.insert(0, seed + config.sweeps)
        self._validation_source = (
            None if validation_data is None else source_of(validation_data, config.batch_size)
        )
        self._thread_state = KerasThreadState()

    @property
    def batches_per_pass(self) -> int | None:
        """Batches until the data repeat; None if unknown."""
        return self._source.per_pass

    def run(
        self,
        on_update: Callable[[Update], object] | None = None,
        stop: StopFlag | None = None,
        on_range: Callable[[RangeTestConfig], object] | None = None,
        alone: bool = True,
        on_reserved: Callable[[], object] = lambda: None,
        on_phase: Callable[[Phase], object] = lambda _phase: None,
    ) -> RangeTestResult:
        """Run the test and restore the model; see `range_test`.

        Args:
            on_update: As for `range_test`.
            stop: As for `range_test`.
            on_range: Called with the settings when a probe has found their limits.
            alone: Whether no other code runs during the test. If not, the global random state of
                Python, numpy and TensorFlow is not restored: another cell of the notebook may
                have set a seed or drawn from it.
            on_reserved: Called as soon as other uses of the model are refused.
            on_phase: Called once the data are ready, and again after the first steps of a probe.
        """
        self._thread_state.enter()
        notes: list[str] = []
        empty = SweepCurve(self.config.of_probe() if self.config.probes else self.config)
        curves, rate = [empty], self._rate
        with stopped_waiting(empty, notes), UninterruptedExit() as stack:
            loan = stack.enter_context(
                borrowed(
                    self._model,
                    self._data,
                    self._source.variables,
                    alone=alone,
                    on_reserved=on_reserved,
                )
            )
            first = stack.enter_context(closing(self._source.stream(self._seeds[0], stop)))
            on_phase("compiling")
            training = stack.enter_context(
                loan.training(self._rate, self.config.monitor, first.spec)
            )
            rate = training.engine.rate
            validation = self._validation_batches(stop)
            sweeps = Sweeps(training, stop)
            curves = self._curves(first, sweeps, validation, on_update, on_range, on_phase)
            notes += sweeps.notes
        restored = loan.restored()
        leader = rate.leader
        kind: OptimizerKind = "other" if leader is None else optimizer_kind(leader)
        result = result_of(curves, restored, kind, ("keras", keras.backend.backend()))
        return replace(
            result,
            notes=(*rate.notes, *self._notes_of_data(), *dict.fromkeys(notes), *self._notes),
            # The model is restored at this point.
            updates_before=None if leader is None else updates_of(leader),
        )

    def _curves(
        self,
        first: Batches,
        sweeps: Sweeps,
        validation: list[Any],
        on_update: Callable[[Update], object] | None,
        on_range: Callable[[RangeTestConfig], object] | None,
        on_phase: Callable[[Phase], object],
    ) -> list[SweepCurve]:
        """Return the curve of every sweep, or that of the probe if stopped during the probe."""
        streams = self._streams(first, sweeps.stop)

        def run_probe(curve: SweepCurve) -> SweepCurve:
            with stopped_waiting(curve, sweeps.notes):
                sweeps.run(curve, next(streams), on_update=lambda _: on_phase("probing"))
            if curve.stop_reason != "stopped":
                sweeps.notes.clear()  # the test itself meets what is worth a note
            return curve

        def run_sweep(curve: SweepCurve) -> SweepCurve:
            with stopped_waiting(curve, sweeps.notes):
                sweeps.run(curve, next(streams), validation, on_update)
            return curve

        return curves_of(self.config, run_probe, run_sweep, on_range)

    def _notes_of_data(self) -> tuple[str, ...]:
        validation = () if self._validation_source is None else self._validation_source.notes
        return (*self._source.notes, *validation)

    def _streams(self, first: Batches, stop: StopFlag | None) -> Iterator[Batches]:
        """Yield the data of the probe, if any, then of each sweep; each starts when needed."""
        yield first
        for seed in self._seeds[1:]:
            yield self._source.stream(seed, stop)

    def _validation_batches(self, stop: StopFlag | None) -> list[Any]:
        """Return the first batches of the validation data, in memory."""
        if self._validation_source is None:
            return []
        return first_batches(self._validation_source, _VALIDATION_BATCHES, self._seeds[-1], stop)
