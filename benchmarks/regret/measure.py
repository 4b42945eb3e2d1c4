"""Measuring: range tests of many lengths, and trainings at every learning rate of a grid.

A run is a task with a seed, and has one line in the file for each of its parts. All its trainings
start from the same weights and see the same batches, so that only the learning rate differs
between them.
"""

import json
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.regret.data import load
from benchmarks.regret.tasks import OPTIMIZERS, Task, all_tasks, new_loss, new_model
from benchmarks.regret.trainer import UPDATES, Trainer
from lrwidget.core.curve.ladder import lr_ladder
from lrwidget.core.model.learning_rate import optimizer_kind
from lrwidget.core.range_test.probe import found_range
from lrwidget.core.range_test.settings import HIGHEST, LOWEST, PROBE_STEPS

# Three a decade, over the whole range of the test.
GRID = np.logspace(-7, 1, 25)
TARGETS = ("constant", "one_cycle")
# Training steps of the tests on which regret is reported, a probe included.
TEST_STEPS = (50, 100, 300, 1000)
# Steps between which a suggestion must not move, without those of a probe.
LADDERS = (50, 100, 200, 400, 800, 1600)
TRAINING_STEPS = 250
# Steps of the short trainings from which searches choose.
TRIAL_STEPS = (20, 40, 80, TRAINING_STEPS)
# Longer trainings, at every second rate from 1e-5 on, for the horizon.
LONG_TRAININGS = (1000, 3000)
LONG_GRID = GRID[6::2]


def parts_of(seed: int) -> list[str]:
    """Return what is measured with a seed: ladders of all lengths with the first one only.

    "whole 100" is a range test of 100 steps over the whole range; "found 70" one of 70 steps over
    the range that a probe found; "training 250" one training at each rate of the grid; "trials 250"
    the losses of every batch in such trainings and in shorter ones, on other batches.
    """
    lengths = {(kind, n) for n in LADDERS for kind in ("whole", "found")} if seed == 0 else set()
    lengths |= {("whole", n) for n in TEST_STEPS} | {("found", n - PROBE_STEPS) for n in TEST_STEPS}
    trainings = [TRAINING_STEPS, *(LONG_TRAININGS if seed == 0 else ())]
    return [
        *(f"training {n}" for n in trainings),
        *(f"{kind} {n}" for kind, n in sorted(lengths)),
        f"trials {TRAINING_STEPS}",
    ]


def measure(path: Path, seconds: float, tasks: list[Task], seeds: int, skip: set[str]) -> None:
    """Append every run that is not in the file yet, until the seconds are over.

    Args:
        path: The file.
        seconds: No task begins after these.
        tasks: What to measure.
        seeds: How many runs of each task.
        skip: Names of parts to leave out.
    """
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    path.parent.mkdir(parents=True, exist_ok=True)
    ends = time.monotonic() + seconds
    done = {(line["task"], line["seed"], line["part"]) for line in read(path)}
    for (data, model, batch_size), same in _by_trainer(tasks).items():
        trainer: Trainer | None = None
        for task in same:
            runs = [(seed, part) for seed in range(seeds) for part in parts_of(seed)]
            missing = [run for run in runs if (task.name, *run) not in done and run[1] not in skip]
            if not missing:
                continue
            if time.monotonic() > ends:
                print("Out of time; call again to go on.")
                return
            began = time.monotonic()
            trainer = trainer or new_trainer(data, model, batch_size)
            with path.open("a") as file:
                for line in _lines(trainer, task, missing):
                    file.write(json.dumps(line) + "\n")
            print(f"{task.name}: {time.monotonic() - began:.1f} s", flush=True)
        keras.utils.clear_session()


def _by_trainer(tasks: list[Task]) -> dict[tuple[str, str, int], list[Task]]:
    """Return the tasks that one compiled loop can train, together."""
    found: dict[tuple[str, str, int], list[Task]] = {}
    for task in tasks:
        found.setdefault((task.data, task.model, task.batch_size), []).append(task)
    return found


def read(path: Path) -> list[dict[str, Any]]:
    """Return what was measured so far."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def chosen_tasks(sides: list[str], optimizers: list[str]) -> list[Task]:
    """Return the tasks of some sides with some optimizers."""
    return [task for task in all_tasks() if task.side in sides and task.optimizer in optimizers]


def _lines(
    trainer: Trainer, task: Task, missing: list[tuple[int, str]]
) -> Iterator[dict[str, Any]]:
    run: Run | None = None
    for seed, part in missing:
        if run is None or run.seed != seed:
            run = Run(trainer, task, seed)
        kind, count = part.split()
        match kind:
            case "training":
                measured = run.trainings(int(count))
            case "trials":
                measured = run.trials()
            case _:
                measured = run.test(kind, int(count))
        yield {"task": task.name, "seed": seed, "part": part, **measured}


def new_trainer(data_name: str, model_name: str, batch_size: int) -> Trainer:
    """Return what trains the tasks of one pair with one batch size."""
    data = load(data_name)
    # The transformer's positions are constants of the model, drawn here once for a task.
    keras.utils.set_random_seed(5)
    return Trainer(new_model(model_name, data), new_loss(data), data, batch_size)


class Run:
    """One task with one seed, ready to be measured."""

    def __init__(self, trainer: Trainer, task: Task, seed: int) -> None:
        self.seed = seed
        self._trainer, self._update = trainer, UPDATES[task.optimizer]
        self._kind = optimizer_kind(OPTIMIZERS[task.optimizer]())
        keras.utils.set_random_seed(seed)
        self._start = trainer.weights(new_model(task.model, load(task.data)))
        self._training, self._trying, self._probing, self._testing = (
            trainer.batches([seed, use]) for use in (99, 98, 97, 96)
        )

    def trainings(self, steps: int) -> dict[str, Any]:
        """Return the held-back loss before training, and after it for each target and rate."""
        grid = GRID if steps == TRAINING_STEPS else LONG_GRID
        lost = {
            target: _plain(np.array([self._train(target, lr, steps) for lr in grid]))
            for target in TARGETS
        }
        return {"initial": self._trainer.held_back_loss(self._start), **lost}

    def trials(self) -> dict[str, Any]:
        """Return the loss of every batch of short trainings, by target and steps, for each rate.

        A constant rate needs only the longest one: the shorter ones are its start.
        """
        kinds = [("constant", TRAINING_STEPS), *(("one_cycle", n) for n in TRIAL_STEPS)]
        return {
            f"{target} {steps}": [self._tried(target, lr, steps) for lr in GRID]
            for target, steps in kinds
        }

    def _tried(self, target: str, lr: float, steps: int) -> list[float | None]:
        lrs = rates(target, lr, steps)
        losses, _, _ = self._trainer.train(self._start, self._update, lrs, self._trying)
        return _plain(losses[: _finite(losses)])

    def test(self, kind: str, steps: int) -> dict[str, Any]:
        """Return a range test up to the first loss that is not finite; nothing else stops it."""
        ladder = lr_ladder(*(self._found if kind == "found" else (1e-7, 10.0)), steps)
        losses, sample, _ = self._trainer.train(
            self._start, self._update, ladder, self._testing, looks=20
        )
        end = _finite(losses)
        return {
            "min_lr": ladder[0],
            "max_lr": ladder[-1],
            "losses": _plain(losses[:end]),
            "sample_losses": _plain(sample[:end]),
            "optimizer": self._kind,
        }

    @cached_property
    def _found(self) -> tuple[float, float]:
        ladder = lr_ladder(LOWEST, HIGHEST, PROBE_STEPS)
        losses, _, _ = self._trainer.train(self._start, self._update, ladder, self._probing)
        return found_range(ladder, losses[: _finite(losses)])

    def _train(self, target: str, lr: float, steps: int) -> float:
        lrs = rates(target, lr, steps)
        return self._trainer.train(self._start, self._update, lrs, self._training)[2]


def _finite(losses: np.ndarray) -> int:
    broken = np.flatnonzero(~np.isfinite(losses))
    return int(broken[0]) if broken.size else len(losses)


def _plain(values: np.ndarray) -> list[float | None]:
    """Return numbers for a JSON file, with seven digits; None for those that are not finite."""
    return [float(f"{v:.7g}") if np.isfinite(v) else None for v in values.tolist()]


def rates(target: str, lr: float, steps: int) -> np.ndarray:
    """Return the learning rate of every step.

    A one-cycle goes by a cosine from lr / 25 at the start to lr after a quarter of the steps,
    and by another one to lr / 1e5 at the end.
    """
    if target == "constant":
        return np.full(steps, lr)
    progress = np.arange(steps) / steps
    up, down = np.minimum(progress / 0.25, 1), np.clip((progress - 0.25) / 0.75, 0, 1)
    rising = lr / 25 + (lr - lr / 25) * (1 - np.cos(np.pi * up)) / 2
    falling = lr + (lr / 1e5 - lr) * (1 - np.cos(np.pi * down)) / 2
    return np.where(progress < 0.25, rising, falling)
