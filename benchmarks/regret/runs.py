"""Run: one measured run, and what it costs to train it at some learning rate."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.regret.measure import GRID, TARGETS, TEST_STEPS, read
from benchmarks.regret.tasks import all_tasks
from lrwidget.core.divergence import DivergenceRule
from lrwidget.core.ladder import lr_ladder

# A run in which no learning rate takes away a twentieth of the loss tells nothing.
LEAST_DROP = 0.05


@dataclass(frozen=True, eq=False)
class Run:
    """One task with one seed.

    Attributes:
        task: Name of the task.
        tuned: Whether rules may be tuned on it.
        losses: Loss of each batch of the range test, up to the first that was not finite.
        regrets: By target, the regret at each learning rate of the grid.
    """

    task: str
    tuned: bool
    losses: np.ndarray
    regrets: dict[str, np.ndarray]

    @property
    def ladder(self) -> np.ndarray:
        """All learning rates of the range test."""
        return lr_ladder(1e-7, 10.0, TEST_STEPS, "exponential")

    @cached_property
    def count(self) -> int:
        """How many losses there are before lrwidget ends the test."""
        end = DivergenceRule(TEST_STEPS, 4.0).first_divergence(self.losses)
        return len(self.losses) if end is None else end + 1

    def padded(self) -> np.ndarray:
        """Return a loss for the whole ladder, NaN where there was none."""
        missing = np.full(TEST_STEPS - len(self.losses), np.nan)
        return np.concatenate([self.losses, missing])

    def regret(self, target: str, lr: float | None) -> float:
        """Return the share of the achievable drop that is lost; all of it without a rate.

        Between the rates of the grid it is straight in log(lr); beyond its ends it is what it
        is there.
        """
        if lr is None:
            return 1.0
        return float(np.interp(np.log10(lr), np.log10(GRID), self.regrets[target]))


def load_runs(path: Path) -> tuple[list[Run], int]:
    """Return the runs that tell something, and how many do not."""
    tuned = {task.name: task.tuned for task in all_tasks()}
    lines = [line for line in read(path) if line["task"] in tuned]
    runs = [_run(line, tuned[line["task"]]) for line in lines if _drops(line)]
    return runs, len(lines) - len(runs)


def _run(line: dict[str, Any], tuned: bool) -> Run:
    regrets = {target: _regrets(line["initial"], line[target]) for target in TARGETS}
    return Run(line["task"], tuned, np.array(line["losses"]), regrets)


def _drops(line: dict[str, Any]) -> bool:
    limit = (1 - LEAST_DROP) * line["initial"]
    return all(_values(line[target]).min() < limit for target in TARGETS)


def _regrets(initial: float, losses: list[float | None]) -> np.ndarray:
    """Return (loss - best) / (initial - best), at most 1, for each learning rate of the grid."""
    values = _values(losses)
    return np.minimum((values - values.min()) / (initial - values.min()), 1.0)


def _values(losses: list[float | None]) -> np.ndarray:
    return np.array([np.inf if loss is None else loss for loss in losses])
