"""Run: one training of one variant, and the same while it grows."""

import time
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from lrwidget.core.arrays import FloatArray, Logs
from lrwidget.core.compare.hopeless import hopeless_at
from lrwidget.core.curve.stop_rule import DivergenceRule

RunEnd = Literal["finished", "diverged", "non_finite", "hopeless", "stopped"]

# A run has diverged if its loss rises by this many thirds of its fall: three times as many as in a
# range test, because a training may recover from a rough start.
_STOP_FACTOR = 12.0
# The score is the mean training loss over this share of the steps.
_SCORED_SHARE = 0.1
_VALIDATIONS = 10
_SCORED_VALIDATIONS = 2


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """One training of one variant.

    Attributes:
        name: Name of the variant.
        seed: 0-based number of the order of the data.
        lrs: Learning rates of the steps, shape (n,).
        losses: Loss of each batch alone, shape (n,).
        metrics: The model's own metrics of each batch by name, each of shape (n,).
        validation_losses: Validation losses, NaN where none was measured, shape (n,).
        stop_reason: "finished", "diverged", "non_finite", "hopeless" or "stopped".
        seconds: Duration, without compiling.
        steps: Steps planned.
        failure: Why it could not be run elsewhere; else "".
        validation_batches: The losses that the score is the mean of if there are validation
            data, one for each batch of them, shape (batches,); else empty.
    """

    name: str
    seed: int
    lrs: FloatArray
    losses: FloatArray
    metrics: dict[str, FloatArray]
    validation_losses: FloatArray
    stop_reason: RunEnd
    seconds: float
    steps: int
    validation_batches: FloatArray = field(default_factory=lambda: np.empty(0))
    failure: str = ""

    @property
    def scored(self) -> FloatArray:
        """The values that the score is the mean of: losses of batches, shape (m,)."""
        if len(self.validation_batches):
            return self.validation_batches
        return self.losses[-scored_steps(self.steps) :]

    def __repr__(self) -> str:
        return f"Run({self.name!r}, seed {self.seed}: {self.stop_reason}, {len(self.lrs)} steps)"

    def cut(self, count: int) -> "Run":
        """Return this run as it would be if it had ended as hopeless after `count` steps."""
        validation = self.validation_losses[:count].copy()
        validation[-1] = np.nan  # a run that ends is not validated
        return replace(
            self,
            lrs=self.lrs[:count],
            losses=self.losses[:count],
            metrics={name: values[:count] for name, values in self.metrics.items()},
            validation_losses=validation,
            validation_batches=np.empty(0),
            stop_reason="hopeless",
        )


def empty_run(name: str, seed: int, steps: int, failure: str = "") -> Run:
    """Return a run of which no step was done."""
    none = np.empty(0)
    return Run(name, seed, none, none, {}, none, "stopped", 0.0, steps, failure=failure)


def scored_steps(steps: int) -> int:
    """Return over how many of the last steps the score of a run is the mean."""
    return max(1, round(_SCORED_SHARE * steps))


class GrowingRun:
    """A run as it grows.

    Args:
        name: Name of the variant.
        seed: 0-based number of the order of the data.
        lrs: Learning rates planned, shape (steps,).
        monitor: The name of the reported value that is the loss.
        leader: The losses of the best finished run on the same batches, shape (steps,); None if
            no run is compared with this one while it trains.

    Attributes:
        stop_reason: Why the run is complete; None while it is running.
    """

    def __init__(
        self, name: str, seed: int, lrs: FloatArray, monitor: str, leader: FloatArray | None = None
    ) -> None:
        self.stop_reason: RunEnd | None = None
        self.name, self.seed = name, seed
        self._lrs, self._monitor, self._leader = lrs, monitor, leader
        self._count = 0
        self._logs: Logs = {monitor: np.empty(len(lrs))}
        self._validation = np.full(len(lrs), np.nan)
        self._measured: list[FloatArray] = []
        self._rule = DivergenceRule(max(2, len(lrs)), _STOP_FACTOR)
        self._began = time.perf_counter()

    @property
    def losses(self) -> FloatArray:
        """The losses so far, shape (n,)."""
        return self._logs[self._monitor][: self._count]

    @property
    def lrs_to_come(self) -> FloatArray:
        """The learning rates that are not tried yet."""
        return self._lrs[self._count :]

    @property
    def steps_until_validation(self) -> int:
        every = self._steps_per_validation
        return min(every - self._count % every, len(self.lrs_to_come))

    @property
    def is_validated_now(self) -> bool:
        """Whether the validation loss is due after the last step so far."""
        if self.stop_reason not in (None, "finished"):
            return False  # the model has trained beyond the end of the run
        is_last = self._count == len(self._lrs)
        return self._count > 0 and (is_last or self._count % self._steps_per_validation == 0)

    @property
    def _steps_per_validation(self) -> int:
        return max(1, len(self._lrs) // _VALIDATIONS)

    def add(self, logs: Logs) -> None:
        """Add the values that further steps reported, up to the end of the run."""
        finite = np.isfinite(logs[self._monitor])
        new = len(finite) if finite.all() else int(np.argmin(finite))
        for name, values in logs.items():
            into = self._logs.setdefault(name, np.full(len(self._lrs), np.nan))
            into[self._count : self._count + new] = values[:new]
        self._count += new
        diverged = self._rule.first_divergence(self.losses)
        hopeless = None
        if self._leader is not None:
            hopeless = hopeless_at(self.losses, self._leader, self._lrs)
        if diverged is not None and (hopeless is None or diverged < hopeless):
            self._end(diverged + 1, "diverged")
        elif hopeless is not None:
            self._end(hopeless, "hopeless")
        elif not finite.all():
            self._end(self._count, "non_finite")
        elif self._count == len(self._lrs):
            self.stop_reason = "finished"

    def _end(self, count: int, reason: RunEnd) -> None:
        self._count, self.stop_reason = count, reason

    def add_validation(self, losses: FloatArray, weights: FloatArray) -> None:
        """Add the validation loss after the last step so far.

        Args:
            losses: The loss of each validation batch, shape (batches,).
            weights: The share of each batch in the samples, shape (batches,).
        """
        # Weighted, so that the mean over the batches is the mean over the samples.
        weighted = losses * weights * len(weights)
        self._validation[self._count - 1] = float(weighted.mean())
        self._measured.append(weighted)

    def run(self) -> Run:
        """Return the run so far."""
        count = self._count
        is_finished = self.stop_reason == "finished"
        measured = self._measured[-_SCORED_VALIDATIONS:] if is_finished else []
        return Run(
            name=self.name,
            seed=self.seed,
            lrs=self._lrs[:count].copy(),
            losses=self.losses.copy(),
            metrics={
                name: values[:count].copy()
                for name, values in self._logs.items()
                if name != self._monitor
            },
            validation_losses=self._validation[:count].copy(),
            stop_reason=self.stop_reason or "stopped",
            seconds=time.perf_counter() - self._began,
            steps=len(self._lrs),
            validation_batches=np.mean(measured, axis=0) if measured else np.empty(0),
        )
