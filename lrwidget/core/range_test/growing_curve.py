"""SweepCurve: the losses of one sweep as they arrive, and the result made from them."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from lrwidget.core.arrays import Logs
from lrwidget.core.curve.ending import NonFiniteCause, StopReason
from lrwidget.core.curve.ladder import FloatArray
from lrwidget.core.curve.purpose import OptimizerKind
from lrwidget.core.curve.stop_rule import DivergenceRule
from lrwidget.core.data.reader import StopFlag
from lrwidget.core.model.restored import Restored
from lrwidget.core.range_test.probe import found_range
from lrwidget.core.range_test.result import RangeTestResult, series_of
from lrwidget.core.range_test.settings import RangeTestConfig
from lrwidget.core.versions import versions_of


@dataclass(frozen=True)
class Update:
    """The progress of a running range test.

    Attributes:
        step: Steps completed in this sweep.
        steps: Steps planned in a sweep.
        lrs: Learning rates tried in this sweep, shape (step,).
        losses: Their losses, shape (step,).
        steps_per_second: Speed of this sweep, without the time for tracing.
        sweep: 0-based number of this sweep.
        sweeps: Number of sweeps planned.
        metrics: The model's own metrics of this sweep by name, each of shape (step,).
        validation_losses: Validation losses, NaN where none was measured, shape (step,).
    """

    step: int
    steps: int
    lrs: FloatArray
    losses: FloatArray
    steps_per_second: float
    sweep: int
    sweeps: int
    metrics: dict[str, FloatArray] = field(default_factory=dict)
    validation_losses: FloatArray = field(default_factory=lambda: np.empty(0))

    def series(self) -> dict[str, FloatArray]:
        """Return all curves so far by name; see `RangeTestResult.series`."""
        return series_of(self.losses, self.metrics, self.validation_losses)


class SweepCurve:
    """The curve of one sweep as it grows.

    Args:
        config: The settings of the test.
        sweep: 0-based number of this sweep.

    Attributes:
        config: The settings of the test.
        count: Points so far.
        stop_reason: Why the sweep is complete; None while it is running.
        non_finite_cause: Why the next loss is not finite; None if it is finite or the cause is
            unknown.
    """

    def __init__(self, config: RangeTestConfig, sweep: int = 0) -> None:
        self.config = config
        self.count = 0
        self.stop_reason: StopReason | None = None
        self.non_finite_cause: NonFiniteCause | None = None
        self._sweep = sweep
        self._ladder = config.ladder()
        self._logs: Logs = {config.monitor: np.empty(config.steps)}
        self._validation: list[tuple[int, float]] = []
        self._rule = DivergenceRule(config.steps, config.stop_factor)
        self._began = time.perf_counter()

    @property
    def lrs(self) -> FloatArray:
        """The learning rates so far, shape (count,)."""
        return self._ladder[: self.count].copy()

    @property
    def lrs_to_come(self) -> FloatArray:
        return self._ladder[self.count :]

    @property
    def losses(self) -> FloatArray:
        """The losses so far, shape (count,)."""
        return self.values(self.config.monitor)

    def values(self, name: str) -> FloatArray:
        """Return the values that the steps so far reported under a name, shape (count,)."""
        return self._logs[name][: self.count]

    def names(self) -> list[str]:
        return list(self._logs)

    def validation(self) -> FloatArray:
        """Return the validation losses so far, NaN where none was measured, shape (count,)."""
        losses = np.full(self.count, np.nan)
        for index, loss in self._validation:
            if index < self.count:
                losses[index] = loss
        return losses

    def ended_by(self, stop: StopFlag | None) -> bool:
        """Return whether the sweep is complete; `stop_reason` then says why."""
        if self.stop_reason is None and stop is not None and stop.is_set():
            self.stop_reason = "stopped"
        return self.stop_reason is not None

    def add(self, logs: Logs) -> None:
        """Add the values that further steps reported, up to the end of the curve."""
        finite = np.isfinite(logs[self.config.monitor])
        new = len(finite) if finite.all() else int(np.argmin(finite))
        for name, values in logs.items():
            into = self._logs.setdefault(name, np.empty(self.config.steps))
            into[self.count : self.count + new] = values[:new]
        self.count += new
        diverged = self._rule.first_divergence(self.losses)
        if diverged is not None:
            self.count = diverged + 1
            self.stop_reason = "diverged"
        elif not finite.all():
            self.stop_reason = "non_finite"
            self.non_finite_cause = None if self.count else "first_loss"
        elif self.count == self.config.steps:
            self.stop_reason = "finished"

    def end_before(self, step: int) -> None:
        """End the curve before a 0-based step, as if the loss of that step were not finite."""
        self.count, self.stop_reason = step, "non_finite"

    def add_validation(self, loss: float) -> None:
        """Add the validation loss after the last step so far."""
        if np.isfinite(loss):
            self._validation.append((self.count - 1, loss))

    def update(self) -> Update:
        return Update(
            step=self.count,
            steps=self.config.steps,
            lrs=self.lrs,
            losses=self.losses.copy(),
            steps_per_second=self.count / (time.perf_counter() - self._began),
            sweep=self._sweep,
            sweeps=self.config.sweeps,
            metrics={
                name: self.values(name).copy()
                for name in self.names()
                if name != self.config.monitor
            },
            validation_losses=self.validation(),
        )


def curves_of(
    config: RangeTestConfig,
    run_probe: Callable[[SweepCurve], SweepCurve],
    run_sweep: Callable[[SweepCurve], SweepCurve],
    on_range: Callable[[RangeTestConfig], object] | None = None,
) -> list[SweepCurve]:
    """Run the probe, if it has to find a limit, and then every sweep.

    Args:
        config: The settings of the test.
        run_probe: A function that trains from the start of the test until an empty curve is
            complete, and returns the curve.
        run_sweep: The same for a sweep of the test itself.
        on_range: Called with the settings when the probe has found their limits.

    Returns:
        The curve of every sweep; only that of the probe if the test is stopped during the probe.
    """
    if config.probes:
        probe = run_probe(SweepCurve(config.of_probe()))
        if probe.stop_reason == "stopped":
            return [probe]
        config = config.after_probe(*found_range(probe.config.ladder(), probe.losses))
        if on_range is not None:
            on_range(config)
    curves: list[SweepCurve] = []
    for sweep in range(config.sweeps):
        curves.append(run_sweep(SweepCurve(config, sweep)))
        if curves[-1].stop_reason == "stopped":
            break
    return curves


def result_of(
    curves: list[SweepCurve],
    restored: Restored | None,
    optimizer: OptimizerKind,
    packages: tuple[str, ...] = (),
) -> RangeTestResult:
    """Return the result of one or more sweeps, cut to the length of the shortest.

    A sweep that was stopped by request counts only if there is no other.

    Args:
        curves: One curve for each sweep, at least one, all with the same settings.
        restored: The fingerprints that show whether the model was restored; None if it cannot be.
        optimizer: The kind of the optimizer that trained.
        packages: Names of the loaded packages that ran the test, such as "keras".
    """
    config = curves[-1].config
    reason = curves[-1].stop_reason
    whole = [curve for curve in curves if curve.stop_reason != "stopped"] or curves
    shortest = min(whole, key=lambda curve: curve.count)
    count = shortest.count
    stacked = {
        name: np.stack([curve.values(name)[:count] for curve in whole]) for name in shortest.names()
    }
    medians = {name: np.median(values, axis=0) for name, values in stacked.items()}
    validation = np.stack([curve.validation()[:count] for curve in whole])
    return RangeTestResult(
        lrs=shortest.lrs,
        losses=medians.pop(config.monitor),
        sweep_losses=stacked[config.monitor],
        metrics=medians,
        validation_losses=np.median(validation, axis=0),
        sweep_validation_losses=validation,
        optimizer=optimizer,
        stop_reason="stopped" if reason == "stopped" else shortest.stop_reason or "finished",
        config=config,
        restored=restored,
        versions=versions_of(*packages),
        non_finite_cause=shortest.non_finite_cause,
    )
