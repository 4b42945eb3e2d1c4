"""Run: one measured run, and what it costs to train it at some learning rate."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.regret.measure import GRID, LONG_GRID, TARGETS, TRAINING_STEPS, TRIAL_STEPS, read
from benchmarks.regret.tasks import all_tasks
from lrwidget.core.curve.ladder import lr_ladder
from lrwidget.core.curve.stop_rule import DivergenceRule

# A run in which no learning rate takes away a twentieth of the loss tells nothing.
LEAST_DROP = 0.05


@dataclass(frozen=True, eq=False)
class Test:
    """One range test.

    Attributes:
        ladder: All learning rates that were planned, shape (n,).
        losses: Losses up to the first one that was not finite, shape (m,), m <= n.
        sample: Loss of a fixed sample of the training data, NaN where not measured, shape (m,).
        optimizer: What took the steps, as lrwidget names it.
    """

    ladder: np.ndarray
    losses: np.ndarray
    sample: np.ndarray
    optimizer: Any

    def stopped(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return learning rates, losses and sample losses up to where lrwidget ends the test."""
        end = DivergenceRule(len(self.ladder), 4.0).first_divergence(self.losses)
        count = len(self.losses) if end is None else end + 1
        return self.ladder[:count], self.losses[:count], self.sample[:count]

    def padded(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the whole ladder with a loss for each rate, NaN where there was none."""
        missing = np.full(len(self.ladder) - len(self.losses), np.nan)
        return self.ladder, np.concatenate([self.losses, missing])


@dataclass(frozen=True, eq=False)
class Run:
    """One task with one seed.

    Attributes:
        task: Name of the task.
        seed: Of its weights and the order of its data.
        side: Which tasks it is among, a key of SIDES.
        tests: Range tests by kind and number of rungs.
        regrets: By number of training steps and target, the regret at each rate of the grid.
        trials: By target and steps, the losses of a short training at each rate of the grid.
    """

    task: str
    seed: int
    side: str
    tests: dict[tuple[str, int], Test]
    regrets: dict[tuple[int, str], np.ndarray]
    trials: dict[tuple[str, int], list[np.ndarray]] = field(default_factory=dict)

    def regret(self, target: str, lr: float | None, steps: int = TRAINING_STEPS) -> float:
        """Return the share of the achievable drop that is lost; all of it without a rate.

        Between the rates of the grid it is straight in log(lr); beyond its ends it is what it
        is there.
        """
        if lr is None:
            return 1.0
        grid = GRID if steps == TRAINING_STEPS else LONG_GRID
        return float(np.interp(np.log10(lr), np.log10(grid), self.regrets[steps, target]))


def load_runs(paths: list[Path]) -> tuple[list[Run], int]:
    """Return the runs that tell something, and how many do not."""
    sides = {task.name: task.side for task in all_tasks()}
    parts: dict[tuple[str, int], dict[str, Any]] = {}
    for path in paths:
        for line in read(path):
            parts.setdefault((line["task"], line["seed"]), {})[line["part"]] = line
    trained = {run: found for run, found in parts.items() if f"training {TRAINING_STEPS}" in found}
    runs = [
        _run(task, seed, sides[task], found)
        for (task, seed), found in trained.items()
        if task in sides and _drops(found[f"training {TRAINING_STEPS}"])
    ]
    return runs, len(trained) - len(runs)


def _run(task: str, seed: int, side: str, parts: dict[str, Any]) -> Run:
    tests, regrets, trials = {}, {}, {}
    for part, line in parts.items():
        kind, count = part.split()
        if kind == "training":
            for target in TARGETS:
                regrets[int(count), target] = _regrets(line["initial"], line[target])
        elif kind == "trials":
            trials = _trials(line)
        else:
            tests[kind, int(count)] = _test(line, int(count))
    return Run(task, seed, side, tests, regrets, trials)


def _trials(line: dict[str, Any]) -> dict[tuple[str, int], list[np.ndarray]]:
    """Return the losses of the short trainings; a shorter constant one is the start of a longer."""
    found = {}
    for steps in TRIAL_STEPS:
        for target in TARGETS:
            longest = TRAINING_STEPS if target == "constant" else steps
            rows = line[f"{target} {longest}"]
            found[target, steps] = [np.array(row[:steps], dtype=np.float64) for row in rows]
    return found


def _test(line: dict[str, Any], count: int) -> Test:
    losses, sample = (np.array(line[k], dtype=np.float64) for k in ("losses", "sample_losses"))
    return Test(lr_ladder(line["min_lr"], line["max_lr"], count), losses, sample, line["optimizer"])


def _drops(line: dict[str, Any]) -> bool:
    limit = (1 - LEAST_DROP) * line["initial"]
    return all(_values(line[target]).min() < limit for target in TARGETS)


def _regrets(initial: float, losses: list[float | None]) -> np.ndarray:
    """Return the regret at each learning rate of the grid."""
    values = _values(losses)
    return np.minimum((values - values.min()) / (initial - values.min()), 1.0)


def _values(losses: list[float | None]) -> np.ndarray:
    return np.array([np.inf if loss is None else loss for loss in losses])
