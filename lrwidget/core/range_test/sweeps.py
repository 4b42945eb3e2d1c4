"""Sweeps: runs the passes over the ladder, in groups of steps."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from lrwidget.core.curve.ladder import FloatArray
from lrwidget.core.data.reader import SECONDS_AFTER_STOP, StopFlag, StoppedWaiting
from lrwidget.core.data.source import Batches
from lrwidget.core.engine.borrowed import Training
from lrwidget.core.range_test.growing_curve import SweepCurve, Update
from lrwidget.core.range_test.non_finite import why_non_finite

LEFT = (
    f"The data gave no batch for {SECONDS_AFTER_STOP:g} s after the test was stopped, so the test "
    "did not wait any longer. What the code of the data still changes is not restored."
)

# Approximate number of validation losses in a sweep.
_VALIDATIONS = 20


@contextmanager
def stopped_waiting(curve: SweepCurve, notes: list[str]) -> Iterator[None]:
    """End a curve as "stopped", with a note, where a stopped test gave up waiting for the data."""
    try:
        yield
    except StoppedWaiting:
        curve.stop_reason = "stopped"
        notes.append(LEFT)


class Sweeps:
    """Runs sweeps, each from the same start.

    Args:
        training: Runs the training steps.
        stop: Checked after every group of steps.

    Attributes:
        stop: The same object.
        notes: Sentences that explain the end of a curve, if needed.
    """

    def __init__(self, training: Training, stop: StopFlag | None) -> None:
        self._training, self.stop = training, stop
        self.notes: list[str] = []

    def run(
        self,
        curve: SweepCurve,
        batches: Batches,
        validation: Sequence[Any] = (),
        on_update: Callable[[Update], object] | None = None,
    ) -> SweepCurve:
        """Train until the curve is complete, and return it.

        Args:
            curve: A curve without points.
            batches: The training data.
            validation: Batches to measure the validation loss on.
            on_update: Called after every group of steps.

        Raises:
            Exception: Any error of the model, the data or `on_update`.
        """
        try:
            with self._training.on(batches) as engine:
                while not curve.ended_by(self.stop):
                    lrs = _lrs_until_validation(curve) if validation else curve.lrs_to_come
                    curve.add(engine.run(lrs))
                    if validation and _is_validated(curve):
                        curve.add_validation(engine.evaluate(validation))
                    if on_update is not None:
                        on_update(curve.update())
                self._end_at_bad_data(curve, batches)
                if curve.stop_reason == "non_finite":
                    self._explain_end(curve, batches)
                return curve
        finally:
            if batches.was_left:
                self.notes.append(LEFT)

    def _end_at_bad_data(self, curve: SweepCurve, batches: Batches) -> None:
        """End a curve before the batch that made the weights NaN, if its losses are finite.

        Some fused operations turn NaN into 0: with TensorFlow on a CPU, the loss of a network whose
        first layer is NaN can be that of a network that ignores its inputs.
        """
        if curve.stop_reason == "non_finite" or not self._training.is_spoilt():
            return
        gathered = self._gathered()
        bad = batches.first_non_finite(curve.count * gathered)
        if bad is not None:
            curve.end_before(bad // gathered)

    def _explain_end(self, curve: SweepCurve, batches: Batches) -> None:
        curve.non_finite_cause, note = why_non_finite(curve, batches, self._gathered())
        if note:
            self.notes.append(note)

    def _gathered(self) -> int:
        """Return the number of batches in one optimizer update."""
        leader = self._training.engine.rate.leader
        return 1 if leader is None else leader.gradient_accumulation_steps or 1


def _lrs_until_validation(curve: SweepCurve) -> FloatArray:
    every = _steps_per_validation(curve)
    return curve.lrs_to_come[: every - curve.count % every]


def _is_validated(curve: SweepCurve) -> bool:
    due = curve.count % _steps_per_validation(curve) == 0
    return curve.count > 0 and (due or curve.stop_reason == "finished")


def _steps_per_validation(curve: SweepCurve) -> int:
    return max(1, curve.config.steps // _VALIDATIONS)
