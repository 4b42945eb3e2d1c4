"""Trials: runs variants one after the other on one engine, each from the same start."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from lrwidget.core.arrays import FloatArray
from lrwidget.core.compare.run import GrowingRun, Run
from lrwidget.core.compare.variants import Variant
from lrwidget.core.data.reader import StopFlag, StoppedWaiting
from lrwidget.core.data.source import Batches, Source, first_batches
from lrwidget.core.engine.borrowed import Training
from lrwidget.core.engine.protocol import Engine

_VALIDATION_BATCHES = 16


@dataclass(frozen=True, eq=False)
class Trial:
    """One run to be done.

    Attributes:
        variant: What is trained.
        seed: 0-based number of the order of the data.
        lrs: Learning rates of the steps, shape (steps,).
    """

    variant: Variant
    seed: int
    lrs: FloatArray


@dataclass(frozen=True, eq=False)
class ValidationData:
    """The first batches of the validation data, in memory.

    Attributes:
        batches: As `test_step` takes them.
        weights: The share of each batch in the samples, shape (batches,).
    """

    batches: Sequence[Any]
    weights: FloatArray

    @classmethod
    def of(cls, source: Source | None, seed: int, stop: StopFlag | None = None) -> "ValidationData":
        """Read the batches; there are none without a source."""
        if source is None:
            return cls([], np.empty(0))
        batches = first_batches(source, _VALIDATION_BATCHES, seed, stop)
        sizes = np.array([_samples_in(batch) for batch in batches], dtype=np.float64)
        return cls(batches, sizes / sizes.sum())

    def losses(self, engine: Engine) -> FloatArray:
        """Return the loss of each batch, shape (batches,)."""
        return np.array([engine.evaluate([batch]) for batch in self.batches])


def run_trial(
    training: Training,
    trial: Trial,
    batches: Callable[[], Batches],
    *,
    monitor: str,
    validation: ValidationData,
    leader: FloatArray | None,
    on_update: Callable[[Run], object] | None,
    is_stopped: Callable[[], bool],
) -> Run:
    """Train one variant from the start, and return its run.

    Args:
        training: Runs the training steps.
        trial: What to run.
        batches: A function that returns the training data from their beginning.
        monitor: The name of the reported value that is the loss.
        validation: The validation data.
        leader: The losses of the best finished run on the same batches, if this run may end early.
        on_update: Called with the run so far after every group of steps.
        is_stopped: Asked after every group of steps.

    Raises:
        Exception: Any error of the model, the data or `on_update`.
    """
    training.restart()
    growing = GrowingRun(trial.variant.name, trial.seed, trial.lrs, monitor, leader)
    # A stopped comparison does not wait for data that block; the run then is "stopped".
    with suppress(StoppedWaiting), training.on(batches()) as engine:
        while growing.stop_reason is None and not is_stopped():
            lrs = growing.lrs_to_come
            if validation.batches:
                lrs = lrs[: growing.steps_until_validation]
            growing.add(engine.run(lrs))
            if validation.batches and growing.is_validated_now:
                growing.add_validation(validation.losses(engine), validation.weights)
            if on_update is not None:
                on_update(growing.run())
    return growing.run()


def _samples_in(batch: Any) -> int:
    for part in keras.tree.flatten(batch):
        shape: Any = getattr(part, "shape", ())
        if len(shape):
            return int(shape[0])
    return 1
