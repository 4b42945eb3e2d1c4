"""TrialsHere: runs trials one after the other in this process."""

from collections.abc import Sequence
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from lrwidget.core.arrays import FloatArray
from lrwidget.core.compare.halving import Report
from lrwidget.core.compare.run import Run
from lrwidget.core.compare.settings import is_set
from lrwidget.core.compare.trials import Trial, ValidationData, run_trial
from lrwidget.core.data.reader import StopFlag, StoppedWaiting
from lrwidget.core.data.source import Batches, Source
from lrwidget.core.engine.borrowed import Borrowed

if TYPE_CHECKING:
    from lrwidget.core.compare.comparing import Comparing


class TrialsHere:
    """Runs trials in this process.

    Args:
        comparing: The comparison.
        loan: The model, reserved.
        validation: The source of the validation data; None without any.
        stop: Checked after every group of steps.
    """

    def __init__(
        self,
        comparing: "Comparing",
        loan: Borrowed,
        validation: Source | None,
        stop: StopFlag | None,
    ) -> None:
        self._comparing, self._loan, self._stop = comparing, loan, stop
        self._validation = ValidationData.of(None, 0)
        with suppress(StoppedWaiting):
            self._validation = ValidationData.of(validation, 0, stop)

    def run(self, trials: Sequence[Sequence[Trial]], report: Report) -> None:
        """Run the trials of every seed; those that the model's own optimizer trains come first."""
        for of_seed in trials:
            runs: list[Run] = []
            own = [trial for trial in of_seed if trial.variant.trains_as_it_is]
            others = [[trial] for trial in of_seed if not trial.variant.trains_as_it_is]
            for group in [own, *others]:
                if group and not is_set(self._stop):
                    with suppress(StoppedWaiting):
                        self._run_group(group, runs, report)

    def _run_group(self, trials: Sequence[Trial], runs: list[Run], report: Report) -> None:
        """Run trials that share an optimizer."""
        comparing, settings = self._comparing, self._comparing.settings
        first = comparing.stream(trials[0], self._stop)
        with (
            closing(first),
            comparing.training(self._loan, trials[0].variant, first.spec) as training,
        ):
            for trial in trials:
                if is_set(self._stop):
                    break
                run = run_trial(
                    training,
                    trial,
                    partial(self._batches, trial, first),
                    monitor=settings.monitor,
                    validation=self._validation,
                    leader=self._leader(trial, runs),
                    on_update=lambda run: report(run, False),
                    is_stopped=lambda: is_set(self._stop),
                )
                runs.append(run)
                report(run, True)

    def _batches(self, trial: Trial, first: Batches) -> Batches:
        """Return the data of a run. The data of `first`, which began before the model was built,
        are used only if they cannot be read again."""
        return first if self._comparing.is_one_shot else self._comparing.stream(trial, self._stop)

    def _leader(self, trial: Trial, runs: Sequence[Run]) -> FloatArray | None:
        """Return the losses of the best finished run on the same batches."""
        if not self._comparing.settings.stop_early:
            return None
        return leader_of(self._comparing, trial, runs)


def leader_of(comparing: "Comparing", trial: Trial, runs: Sequence[Run]) -> FloatArray | None:
    """Return the losses of the best finished run on the batches of a trial, if any."""
    size = {each.name: comparing.batches_of(each) for each in comparing.variants}
    same = [
        run
        for run in runs
        if run.stop_reason == "finished"
        and run.seed == trial.seed
        and size[run.name] == size[trial.variant.name]
        and _same_shape(run.lrs, trial.lrs)
    ]
    return min(same, key=lambda run: run.scored.mean()).losses if same else None


def _same_shape(lrs: FloatArray, others: FloatArray) -> bool:
    """Return whether learning rates change by the same factors: only then can losses be compared
    at the same step. A one-cycle, for example, lags while it warms up."""
    if len(lrs) != len(others):
        return False
    return bool(np.allclose(lrs * others.max(), others * lrs.max(), rtol=1e-4, atol=0.0))
