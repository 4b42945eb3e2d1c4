"""Run: one measured run, and what it costs to train it at some learning rate."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.regret.measure import GRID, PARTS, SEARCH_LOSSES, TARGETS, TEST_STEPS, read
from benchmarks.regret.tasks import all_tasks
from lrwidget.core.curve.ladder import lr_ladder
from lrwidget.core.curve.purpose import OptimizerKind
from lrwidget.core.curve.stop_rule import DivergenceRule

# A run in which no learning rate takes away a twentieth of the loss tells nothing.
LEAST_DROP = 0.05

Curve = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class Found:
    """The range test that found its range by itself, as lrwidget ended it.

    Attributes:
        curve: Learning rates and losses.
        optimizer: What took the steps, as lrwidget names it.
        fixed: Loss of a fixed sample of the training data, NaN where it was not measured.
    """

    curve: Curve
    optimizer: OptimizerKind
    fixed: np.ndarray


@dataclass(frozen=True, eq=False)
class Run:
    """One task with one seed.

    Attributes:
        task: Name of the task.
        side: "tuned" where rules may be tuned on it; else it is one of those only reported on.
        whole: Learning rates and losses of the range test over the whole range, up to the first
            loss that was not finite.
        found: The range test that found its range by itself.
        regrets: By target, the regret at each learning rate of the grid.
        search: The losses that a search over the grid finds, by the kind of data that it looks
            at, of shape (rates of the grid, SEARCH_STEPS).
    """

    task: str
    side: str
    whole: Curve
    found: Found
    regrets: dict[str, np.ndarray]
    search: dict[str, np.ndarray]

    def stopped(self) -> Curve:
        """Return the curve over the whole range up to where lrwidget ends the test."""
        lrs, losses = self.whole
        end = DivergenceRule(TEST_STEPS, 4.0).first_divergence(losses)
        count = len(losses) if end is None else end + 1
        return lrs[:count], losses[:count]

    def padded(self) -> Curve:
        """Return the whole range with a loss for each learning rate, NaN where there was none."""
        _, losses = self.whole
        missing = np.full(TEST_STEPS - len(losses), np.nan)
        ladder = lr_ladder(1e-7, 10.0, TEST_STEPS, "exponential")
        return ladder, np.concatenate([losses, missing])

    def regret(self, target: str, lr: float | None) -> float:
        """Return the share of the achievable drop that is lost; all of it without a rate.

        Between the rates of the grid it is straight in log(lr); beyond its ends it is what it
        is there.
        """
        if lr is None:
            return 1.0
        return float(np.interp(np.log10(lr), np.log10(GRID), self.regrets[target]))

    def seen_regret(self, kind: str, looks: int, lr: float | None) -> float:
        """Return the regret as a search sees it, which knows the losses of shorter trainings only.

        For the loss before training it takes that at the lowest rate.
        """
        if lr is None:
            return 1.0
        losses = self.search[kind][:, looks]
        losses = np.minimum(losses, losses[0])
        seen = float(np.interp(np.log10(lr), np.log10(GRID), losses)) - losses.min()
        return seen / (np.ptp(losses) or 1.0)


def load_runs(path: Path) -> tuple[list[Run], int]:
    """Return the runs that tell something, and how many do not."""
    sides = {task.name: task.side for task in all_tasks()}
    parts: dict[tuple[str, int], dict[str, Any]] = {}
    for line in read(path):
        parts.setdefault((line["task"], line["seed"]), {})[line["part"]] = line
    whole = {run: found for run, found in parts.items() if len(found) == len(PARTS)}
    runs = [
        _run(task, sides[task], found)
        for (task, _), found in whole.items()
        if task in sides and _drops(found["trainings"])
    ]
    return runs, len(whole) - len(runs)


def _run(task: str, side: str, parts: dict[str, Any]) -> Run:
    trainings = parts["trainings"]
    regrets = {target: _regrets(trainings["initial"], trainings[target]) for target in TARGETS}
    fixed = np.array(parts["found"]["fixed_losses"], dtype=np.float64)
    found = Found(_curve(parts["found"]), parts["found"]["optimizer"], fixed)
    search = {kind: np.array([*map(_values, parts["search"][kind])]) for kind in SEARCH_LOSSES}
    return Run(task, side, _curve(parts["whole"]), found, regrets, search)


def _curve(line: dict[str, Any]) -> Curve:
    return np.array(line["lrs"]), np.array(line["losses"])


def _drops(line: dict[str, Any]) -> bool:
    limit = (1 - LEAST_DROP) * line["initial"]
    return all(_values(line[target]).min() < limit for target in TARGETS)


def _regrets(initial: float, losses: list[float | None]) -> np.ndarray:
    """Return (loss - best) / (initial - best), at most 1, for each learning rate of the grid."""
    values = _values(losses)
    return np.minimum((values - values.min()) / (initial - values.min()), 1.0)


def _values(losses: list[float | None]) -> np.ndarray:
    return np.array([np.inf if loss is None else loss for loss in losses])
