"""Sweeps: one pass over the ladder after the other, group of steps by group of steps."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from lrwidget.core.curve.ladder import FloatArray
from lrwidget.core.data.batches import Batches
from lrwidget.core.engine.additions import Additions
from lrwidget.core.engine.tensorflow import StepGroups
from lrwidget.core.model.snapshot import Snapshot
from lrwidget.core.range_test.growing_curve import Curve, StopFlag, Update
from lrwidget.core.range_test.non_finite import note_on_non_finite
from lrwidget.errors import DataError

# The validation loss is measured about so many times in a sweep.
_VALIDATIONS = 20


class Sweeps:
    """Runs sweeps, each from the same start.

    Args:
        groups: The compiled steps.
        snapshot: Of the start; the variables that only the compiled steps know are added to it.
        additions: What building and tracing add to the model; complete once a step is traced.
        strategy: The model's own.
        stop: Looked at after every group of steps.

    Attributes:
        notes: Why a curve ended, where that needs a word.
    """

    def __init__(
        self,
        groups: StepGroups,
        snapshot: Snapshot,
        additions: Additions,
        strategy: tf.distribute.Strategy,
        stop: StopFlag | None,
    ) -> None:
        self._groups, self._snapshot, self._additions = groups, snapshot, additions
        self._strategy, self._stop = strategy, stop
        self._is_first = True
        self.notes: list[str] = []

    def run(
        self,
        curve: Curve,
        batches: Batches,
        validation: Sequence[Any] = (),
        on_update: Callable[[Update], object] | None = None,
    ) -> Curve:
        """Train until the curve ends, and return it.

        Args:
            curve: One without points.
            batches: What to train on.
            validation: Batches to measure the validation loss on.
            on_update: Called after every group of steps.

        Raises:
            Exception: Whatever the model, the data or `on_update` raises.
        """
        if not self._is_first:
            self._snapshot.restore()
        self._is_first = False
        iterator = _iterate(batches.dataset, self._strategy)
        try:
            self._groups.prepare(iterator)
            self._additions.finish()
            self._snapshot.include(self._groups.variables)
            while not curve.ended_by(self._stop):
                lrs = _lrs_until_validation(curve) if validation else curve.lrs_to_come
                curve.add(self._groups.run(iterator, lrs))
                if validation and _is_validated(curve):
                    curve.add_validation(self._groups.evaluate(validation))
                if on_update is not None:
                    on_update(curve.update())
            if curve.stop_reason == "non_finite":
                self._note_why(curve, batches)
            return curve
        except tf.errors.OutOfRangeError as error:
            raise DataError("The dataset is empty: it gave no batch. Pass at least one.") from error
        except tf.errors.OpError:
            # tf.data reports an error of the user's Python data as its own kind of error.
            if batches.failure is not None:
                raise batches.failure from None
            raise
        finally:
            # Ends the threads that read ahead: they may run Python code of the user's.
            del iterator
            batches.close()

    def _note_why(self, curve: Curve, batches: Batches) -> None:
        leader = self._groups.rate.leader
        gathered = 1 if leader is None else leader.gradient_accumulation_steps or 1
        note = note_on_non_finite(curve, batches, gathered)
        if note is not None:
            self.notes.append(note)


def _iterate(dataset: tf.data.Dataset, strategy: tf.distribute.Strategy) -> Any:
    """Return an iterator that gives every replica its share of each batch.

    Without autotuning: an iterator that has it may wait for seconds, when it is dropped, until
    its tuning thread wakes up and ends, and Stop would wait with it.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    dataset = dataset.with_options(options)
    if strategy.num_replicas_in_sync > 1:
        dataset = strategy.experimental_distribute_dataset(dataset)
    return iter(dataset)


def _lrs_until_validation(curve: Curve) -> FloatArray:
    every = _steps_per_validation(curve)
    return curve.lrs_to_come[: every - curve.count % every]


def _is_validated(curve: Curve) -> bool:
    due = curve.count % _steps_per_validation(curve) == 0
    return curve.count > 0 and (due or curve.stop_reason == "finished")


def _steps_per_validation(curve: Curve) -> int:
    return max(1, curve.config.steps // _VALIDATIONS)
