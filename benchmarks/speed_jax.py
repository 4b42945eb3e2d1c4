"""How fast is a range test on JAX? Ratios against other ways to train the same steps, in one run.

    python benchmarks/speed_jax.py [--repeats 9] [--steps 400]

Each contestant trains an MLP 784-100-10 with Adam on the same batches of 64, in turn. The bare
loop calls one jitted step per batch, with the learning rate as an input and the state donated,
and reads all losses at the end.
"""

import argparse
import os
import statistics
import time

os.environ["KERAS_BACKEND"] = "jax"

import jax
import keras
import numpy as np
from keras import layers

import lrwidget

BATCH = 64


def make() -> tuple[keras.Model, list[tuple[np.ndarray, np.ndarray]]]:
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((784,)), layers.Dense(100, activation="relu"), layers.Dense(10)]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6400, 784)).astype("float32")
    y = rng.integers(0, 10, 6400)
    return model, [(x[i : i + BATCH], y[i : i + BATCH]) for i in range(0, 6400, BATCH)]


class Bare:
    """A training loop as a user of JAX would write it."""

    def __init__(self, model: keras.Model, batches: list, lrs: np.ndarray) -> None:
        self._model, self._batches, self._lrs = model, batches, lrs
        rates = [each is model.optimizer.learning_rate for each in model.optimizer.variables]
        self._place = rates.index(True)
        self._step = jax.jit(self._one_step, donate_argnums=0)

    def _one_step(self, state, metrics, lr, batch):
        trainable, non_trainable, optimizer = state
        optimizer = list(optimizer)
        optimizer[self._place] = lr
        logs, new = self._model.train_step((trainable, non_trainable, optimizer, metrics), batch)
        return logs["loss"], new[:3]

    def __call__(self) -> None:
        model = self._model
        groups = model.trainable_variables, model.non_trainable_variables, model.optimizer.variables
        state = jax.tree.map(lambda each: each.value.copy(), tuple(list(group) for group in groups))
        metrics = [each.value for each in model.metrics_variables]
        losses = []
        for k, lr in enumerate(self._lrs):
            batch = self._batches[k % len(self._batches)]
            loss, state = self._step(state, metrics, np.float32(lr), batch)
            losses.append(loss)
        jax.device_get(losses)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--steps", type=int, default=400)
    options = parser.parse_args()
    model, batches = make()
    model.fit(*batches[0], verbose=0)
    lrs = lrwidget.lr_ladder(1e-6, 1e-3, options.steps)
    settings = {"min_lr": 1e-6, "max_lr": 1e-3, "steps": options.steps, "stop_factor": None}
    epochs = options.steps // len(batches)
    x, y = (np.concatenate(parts) for parts in zip(*batches, strict=True))

    def in_fit() -> None:
        finder = lrwidget.LRRangeTest(**settings)
        model.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=0, callbacks=[finder])

    contestants = {
        "range test": lambda: lrwidget.range_test(model, batches, **settings),
        "bare jitted loop": Bare(model, batches, lrs),
        "fit": lambda: model.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=0),
        "LRRangeTest in fit": in_fit,
    }
    for run in contestants.values():
        run()
    rounds = []
    for _ in range(options.repeats):
        times = {}
        for name, run in contestants.items():
            began = time.perf_counter()
            run()
            times[name] = time.perf_counter() - began
        rounds.append(times)
    print(f"MLP 784-100-10 on JAX, {options.steps} steps: median of {options.repeats} rounds\n")
    print("| | seconds | range test / this |\n|---|---|---|")
    for name in contestants:
        ratio = statistics.median(times["range test"] / times[name] for times in rounds)
        print(f"| {name} | {statistics.median(t[name] for t in rounds):.3f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
