"""The range test itself: snapshot, ladder, groups of steps, stop rule, restore."""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from lrwidget.core.batches import as_batches
from lrwidget.core.config import RangeTestConfig
from lrwidget.core.divergence import DivergenceRule
from lrwidget.core.ladder import FloatArray, Mode
from lrwidget.core.learning_rate import learning_rate_moved_by, optimizer_of
from lrwidget.core.reserve import check_free, reserved
from lrwidget.core.result import RangeTestResult, StopReason
from lrwidget.core.snapshot import Snapshot
from lrwidget.core.steps import Logs, StepGroups, step_groups_for
from lrwidget.errors import DataError


@dataclass(frozen=True)
class Update:
    """What a running range test knows so far.

    Attributes:
        step: Steps done in this sweep.
        steps: Steps planned in a sweep.
        lrs: Learning rates tried in this sweep, shape (step,).
        losses: Their losses, shape (step,).
        steps_per_second: Speed of this sweep, without the time for tracing; 0.0 at first.
        sweep: 0-based number of this sweep.
        sweeps: Sweeps planned.
    """

    step: int
    steps: int
    lrs: FloatArray
    losses: FloatArray
    steps_per_second: float
    sweep: int
    sweeps: int


class StopFlag(Protocol):
    """Anything that says whether to stop, such as a `threading.Event`."""

    def is_set(self) -> bool: ...


def range_test(
    model: keras.Model,
    data: Any,
    *,
    min_lr: float = 1e-7,
    max_lr: float = 10.0,
    steps: int = 100,
    mode: Mode = "exponential",
    batch_size: int = 32,
    stop_factor: float = 4.0,
    sweeps: int = 1,
    seed: int | None = None,
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
        min_lr: First learning rate, > 0.
        max_lr: Last learning rate, > min_lr.
        steps: Learning rates tried, one optimizer update each, >= 2.
        mode: "exponential" for equal ratios, "linear" for equal differences.
        batch_size: Samples in a batch, for data that comes as arrays.
        stop_factor: Stop when the loss has risen above its best by this many thirds of its
            fall, and clearly more than it jumps between batches; `math.inf` never stops.
        sweeps: Passes over the ladder, each from the same start with other data order.
        seed: Order of the data, for data that comes as arrays; None draws one, which
            `result.config.seed` then tells.
        on_update: Called about ten times a second, in this thread, with an `Update`.
        stop: Looked at about ten times a second; once set, the test ends as "stopped".

    Returns:
        What was measured.

    Raises:
        LRWidgetError: A setting, the model or the data cannot be used; nothing has changed.
        Exception: Whatever the model, the data or `on_update` raises, after all is back.

    Source: Leslie N. Smith, arXiv:1506.01186, section 3.3.
    """
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
    return RangeTest(model, data, config).run(on_update=on_update, stop=stop)


class RangeTest:
    """A range test that is checked and ready to run, on any thread.

    Make it on the thread that owns the model: Keras keeps its global settings per thread, and
    what the model still lacks (weights, optimizer slots) is built here.

    Args:
        model: A compiled Keras model.
        data: As for `range_test`.
        config: The settings.

    Raises:
        LRWidgetError: The model or the data cannot be used; nothing has changed.
    """

    def __init__(self, model: keras.Model, data: Any, config: RangeTestConfig) -> None:
        self._optimizer = optimizer_of(model)
        check_free(model)
        seed = secrets.randbits(31) if config.seed is None else config.seed
        self._model = model
        self._config = replace(config, seed=seed)
        self._ladder = config.ladder()
        self._batches = [
            as_batches(data, config.batch_size, seed + sweep) for sweep in range(config.sweeps)
        ]
        _check_inputs(model, self._batches[0].dataset)
        _build(model, self._batches[0].dataset)

    def run(
        self,
        on_update: Callable[[Update], object] | None = None,
        stop: StopFlag | None = None,
    ) -> RangeTestResult:
        """Run the test and put the model back; see `range_test`."""
        curves = []
        with reserved(self._model), _preserved(self._model) as snapshot:
            groups = step_groups_for(self._model, self._optimizer)
            with learning_rate_moved_by(self._optimizer, groups.rate):
                for sweep in range(self._config.sweeps):
                    if sweep:
                        snapshot.restore()
                    curve = _Curve(self._config, self._ladder, sweep)
                    self._sweep(groups, curve, snapshot, on_update, stop)
                    curves.append(curve)
                    if curve.stop_reason == "stopped":
                        break
        return _result(curves, self._config, self._ladder)

    def _sweep(
        self,
        groups: StepGroups,
        curve: "_Curve",
        snapshot: Snapshot,
        on_update: Callable[[Update], object] | None,
        stop: StopFlag | None,
    ) -> None:
        batches = self._batches[curve.sweep]
        try:
            iterator = iter(batches.dataset)
            groups.prepare(iterator)
            snapshot.include(groups.variables)
            while not curve.ended_by(stop):
                curve.add(groups.run(iterator, curve.lrs_to_come))
                if on_update is not None:
                    on_update(curve.update())
        except tf.errors.OutOfRangeError as error:
            raise DataError("The dataset is empty: it gave no batch. Pass at least one.") from error
        except tf.errors.OpError:
            # tf.data reports an error of the user's Python data as its own kind of error.
            if batches.failure is not None:
                raise batches.failure from None
            raise


class _Curve:
    """The curve of one sweep as it grows."""

    def __init__(self, config: RangeTestConfig, ladder: FloatArray, sweep: int) -> None:
        self.sweep = sweep
        self.stop_reason: StopReason | None = None
        self.count = 0
        self._config = config
        self._ladder = ladder
        self._logs: Logs = {"loss": np.empty(len(ladder))}
        self._rule = DivergenceRule(len(ladder), config.stop_factor)
        self._began = time.perf_counter()

    @property
    def lrs_to_come(self) -> FloatArray:
        return self._ladder[self.count :]

    def values(self, name: str) -> FloatArray:
        """Return what the steps so far reported under a name, shape (count,)."""
        return self._logs[name][: self.count]

    def names(self) -> list[str]:
        return list(self._logs)

    def ended_by(self, stop: StopFlag | None) -> bool:
        """Say whether the sweep is over, as `stop_reason` then tells why."""
        if self.stop_reason is None and stop is not None and stop.is_set():
            self.stop_reason = "stopped"
        return self.stop_reason is not None

    def add(self, logs: Logs) -> None:
        """Take what a group of steps reported, up to where the curve ends."""
        finite = np.isfinite(logs["loss"])
        new = len(finite) if finite.all() else int(np.argmin(finite))
        for name, values in logs.items():
            into = self._logs.setdefault(name, np.empty(len(self._ladder)))
            into[self.count : self.count + new] = values[:new]
        self.count += new
        diverged = self._rule.first_divergence(self.values("loss"))
        if diverged is not None:
            self.count = diverged + 1
            self.stop_reason = "diverged"
        elif not finite.all():
            self.stop_reason = "non_finite"
        elif self.count == len(self._ladder):
            self.stop_reason = "finished"

    def update(self) -> Update:
        return Update(
            step=self.count,
            steps=len(self._ladder),
            lrs=self._ladder[: self.count],
            losses=self.values("loss").copy(),
            steps_per_second=self.count / (time.perf_counter() - self._began),
            sweep=self.sweep,
            sweeps=self._config.sweeps,
        )


def _result(curves: list[_Curve], config: RangeTestConfig, ladder: FloatArray) -> RangeTestResult:
    shortest = min(curves, key=lambda curve: curve.count)
    count = shortest.count
    stacked = {
        name: np.stack([curve.values(name)[:count] for curve in curves])
        for name in shortest.names()
    }
    medians = {name: np.median(values, axis=0) for name, values in stacked.items()}
    return RangeTestResult(
        lrs=ladder[:count].copy(),
        losses=medians.pop("loss"),
        sweep_losses=stacked["loss"],
        metrics=medians,
        stop_reason=shortest.stop_reason or "finished",
        config=config,
        versions={
            "lrwidget": version("lrwidget"),
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
            "numpy": np.__version__,
        },
    )


@contextmanager
def _preserved(model: keras.Model) -> Iterator[Snapshot]:
    """Put the model back on every way out."""
    snapshot = Snapshot(model)
    try:
        yield snapshot
    finally:
        snapshot.restore_without_interruption()


def _build(model: keras.Model, dataset: tf.data.Dataset) -> None:
    """Build what `fit` would build before its first step: layers, metrics, optimizer slots."""
    model._symbolic_build(data_batch=dataset.element_spec)


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
