"""Measuring: range tests, and trainings at every learning rate of a grid.

A run is a task with a seed, and has one line in the file for each of its parts. All its trainings
start from the same weights and see the same batches, so that only the learning rate differs
between them; so do the range tests.
"""

import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import lrwidget
from benchmarks.regret.data import Data, load
from benchmarks.regret.tasks import OPTIMIZERS, Task, all_tasks, new_loss, new_model
from lrwidget.core.range_test.settings import PROBE_STEPS

SEEDS = 5
# Three a decade, over the whole range of the test.
GRID = np.logspace(-7, 1, 25)
TRAINING_STEPS = 250
TEST_STEPS = 100
TARGETS = ("constant", "one_cycle")
# The other finders stop by rules of their own.
WHOLE = {"steps": TEST_STEPS, "stop_factor": math.inf}
FOUND = {"min_lr": None, "max_lr": None, "steps": TEST_STEPS - PROBE_STEPS}
# After so many training steps a search over the grid looks at the losses.
SEARCH_STEPS = (20, 50, 100)
# Batches of the training data that are its fixed sample: as many as a range test reads.
SAMPLE_BATCHES = 8
SEARCH_LOSSES = ("sample", "held_back")
# A range test of the whole range; one that finds its range by itself with as many training steps,
# and also measures the loss of a fixed sample of the training data; the trainings; and a search
# that takes many more steps than any of the tests.
PARTS = ("whole", "found", "trainings", "search")


def measure(path: Path, seconds: float) -> None:
    """Append every run that is not in the file yet, until the seconds are over."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    path.parent.mkdir(parents=True, exist_ok=True)
    ends = time.monotonic() + seconds
    done = {(line["task"], line["seed"], line["part"]) for line in read(path)}
    for task in all_tasks():
        runs = [(seed, part) for seed in range(SEEDS) for part in PARTS]
        missing = [run for run in runs if (task.name, *run) not in done]
        if not missing:
            continue
        if time.monotonic() > ends:
            print("Out of time; call again to go on.")
            return
        began = time.monotonic()
        with path.open("a") as file:
            for line in _lines(task, missing):
                file.write(json.dumps(line) + "\n")
        print(f"{task.name}: {time.monotonic() - began:.1f} s", flush=True)
        keras.utils.clear_session()


def read(path: Path) -> list[dict[str, Any]]:
    """Return what was measured so far."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _lines(task: Task, missing: list[tuple[int, str]]) -> Iterator[dict[str, Any]]:
    data = load(task.data)
    # The transformer's positions are constants of the model, drawn here once for a task.
    keras.utils.set_random_seed(SEEDS)
    model = new_model(task.model, data)
    model.compile(OPTIMIZERS[task.optimizer](), new_loss(data))
    trainer = Trainer(model, task)
    for seed, part in missing:
        keras.utils.set_random_seed(seed)
        model.set_weights(new_model(task.model, data).get_weights())
        if part == "trainings":
            measured = trainer.losses(seed)
        elif part == "search":
            measured = trainer.search(seed)
        else:
            settings = WHOLE if part == "whole" else FOUND | {"validation_data": data.train}
            size = min(task.batch_size, len(data.train[0]))
            measured = _curve(model, data, batch_size=size, seed=seed, **settings)
        yield {"task": task.name, "seed": seed, "part": part, **measured}


def _curve(model: keras.Model, data: Data, **settings: Any) -> dict[str, Any]:
    result = lrwidget.range_test(model, data.train, **settings)
    fixed = [loss if math.isfinite(loss) else None for loss in result.validation_losses.tolist()]
    return {
        "lrs": result.lrs.tolist(),
        "losses": result.losses.tolist(),
        "fixed_losses": fixed,
        "optimizer": result.optimizer,
    }


class Trainer:
    """Trains a model in one compiled call, again and again from the same weights."""

    def __init__(self, model: keras.Model, task: Task) -> None:
        self._data = load(task.data)
        self._size = min(task.batch_size, len(self._data.train[0]))
        self._model = model
        self._optimizer = model.optimizer
        self._optimizer.build(model.trainable_variables)
        self._x, self._y = (tf.constant(part) for part in self._data.train)
        self._train = tf.function(self._trained, jit_compile=True)
        self._search = tf.function(self._searched, jit_compile=True)
        self._fresh = [np.array(v) for v in self._optimizer.variables]

    def losses(self, seed: int) -> dict[str, Any]:
        """Return the held-back loss before training, and after it for each target and rate."""
        start = [np.array(v) for v in self._model.variables]
        batches = self._batches([seed, 99], TRAINING_STEPS)
        found: dict[str, Any] = {}
        for target in TARGETS:
            found[target] = []
            for lr in GRID:
                self._restore(start)
                loss = float(self._train(tf.constant(_rates(target, lr), "float32"), batches))
                found[target].append(loss if np.isfinite(loss) else None)
        self._restore(start)
        return {"initial": float(self._loss(*self._data.validation)), **found}

    def search(self, seed: int) -> dict[str, Any]:
        """Return the loss of each of SEARCH_LOSSES after each of SEARCH_STEPS, for each rate."""
        start = [np.array(v) for v in self._model.variables]
        batches = self._batches([seed, 98], SEARCH_STEPS[-1])
        found: dict[str, Any] = {kind: [] for kind in SEARCH_LOSSES}
        for lr in GRID:
            self._restore(start)
            losses = self._search(tf.constant(lr, "float32"), batches).numpy().tolist()
            for kind, values in zip(found, losses, strict=True):
                found[kind].append([v if math.isfinite(v) else None for v in values])
        self._restore(start)
        return found

    def _trained(self, rates: tf.Tensor, batches: tf.Tensor) -> tf.Tensor:
        for k in tf.range(TRAINING_STEPS):
            self._step(rates[k], batches[k])
        return self._loss(*self._data.validation)

    def _searched(self, lr: tf.Tensor, batches: tf.Tensor) -> tf.Tensor:
        sample, held_back, done = [], [], 0
        end = SAMPLE_BATCHES * self._size
        for steps in SEARCH_STEPS:
            for k in tf.range(done, steps):
                self._step(lr, batches[k])
            done = steps
            sample.append(self._loss(self._x[:end], self._y[:end]))
            held_back.append(self._loss(*self._data.validation))
        return tf.stack([sample, held_back])

    def _step(self, lr: tf.Tensor, batch: tf.Tensor) -> None:
        self._optimizer.learning_rate.assign(lr)
        x, y = tf.gather(self._x, batch), tf.gather(self._y, batch)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(self._model.loss(y, self._model(x, training=True)))
        variables = self._model.trainable_variables
        self._optimizer.apply(tape.gradient(loss, variables), variables)

    def _batches(self, seed: list[int], steps: int) -> tf.Tensor:
        """Return the indices of every batch: epoch after epoch, whole batches only."""
        random, samples = np.random.default_rng(seed), len(self._data.train[0])
        whole = samples // self._size
        epochs = -(-steps // whole)
        order = [random.permutation(samples)[: whole * self._size] for _ in range(epochs)]
        return tf.constant(np.concatenate(order).reshape(-1, self._size)[:steps].astype("int32"))

    def _restore(self, start: list[np.ndarray]) -> None:
        for variables, values in (
            (self._model.variables, start),
            (self._optimizer.variables, self._fresh),
        ):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)

    def _loss(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(self._model.loss(y, self._model(x, training=False)))


def _rates(target: str, lr: float) -> np.ndarray:
    """Return the learning rate of every step.

    A one-cycle goes by a cosine from lr / 25 at the start to lr after a quarter of the steps,
    and by another one to lr / 1e5 at the end.
    """
    if target == "constant":
        return np.full(TRAINING_STEPS, lr)
    progress = np.arange(TRAINING_STEPS) / TRAINING_STEPS
    up, down = np.minimum(progress / 0.25, 1), np.clip((progress - 0.25) / 0.75, 0, 1)
    rising = lr / 25 + (lr - lr / 25) * (1 - np.cos(np.pi * up)) / 2
    falling = lr + (lr / 1e5 - lr) * (1 - np.cos(np.pi * down)) / 2
    return np.where(progress < 0.25, rising, falling)
