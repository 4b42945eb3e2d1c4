"""What does a comparison cost? 5 variants x 200 steps against the bare loop over the same 1000.

    python benchmarks/compare.py [--repeats 5] [--models mlp cnn]
    KERAS_BACKEND=jax python benchmarks/compare.py

Both train the same number of steps on the same data in memory, in turn. The bare loop is the
model's own `train_step`: on TensorFlow in one compiled call, on JAX jitted and called step by
step. Other programs only ever make a contestant slower, so the table shows the ratio of the
minima. The first row is the comparison on arrays, which also shuffles.
"""

import argparse
import os
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from models import BATCH, PAUSE, Contestant, cnn, mlp

import lrwidget

VARIANTS = {f"{lr:g}": lr for lr in (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)}
STEPS = 200


def on_tensorflow(model: keras.Model, x: np.ndarray, y: np.ndarray) -> dict[str, Contestant]:
    import tensorflow as tf

    in_batches = tuple(each.reshape(-1, BATCH, *each.shape[1:]) for each in (x, y))
    data = tf.data.Dataset.from_tensor_slices(in_batches).repeat()

    @tf.function
    def bare(iterator: tf.data.Iterator, count: tf.Tensor) -> tf.Tensor:
        loss = tf.constant(0.0)
        for _ in tf.range(count):
            loss = model.train_step(next(iterator))["loss"]
        return loss

    def bare_loop() -> None:
        bare(iter(data), tf.constant(STEPS * len(VARIANTS))).numpy()

    return {"comparison": compare(model, data), "bare loop": bare_loop}


def on_jax(model: keras.Model, x: np.ndarray, y: np.ndarray) -> dict[str, Contestant]:
    import jax

    batches = [(x[at : at + BATCH], y[at : at + BATCH]) for at in range(0, len(x), BATCH)]
    step = jax.jit(model.train_step, donate_argnums=0)

    def bare_loop() -> None:
        state = jax.tree.map(
            lambda variable: jax.numpy.copy(variable.value),
            (
                list(model.trainable_variables),
                list(model.non_trainable_variables),
                list(model.optimizer.variables),
                list(model.metrics_variables),
            ),
        )
        for number in range(STEPS * len(VARIANTS)):
            x, y = batches[number % len(batches)]
            logs, state = step(state, (jax.numpy.asarray(x), jax.numpy.asarray(y)))
        jax.block_until_ready(logs)

    return {"comparison": compare(model, batches), "bare loop": bare_loop}


def compare(model: keras.Model, data: object) -> Contestant:
    return lambda: lrwidget.compare(
        model, data, VARIANTS, steps=STEPS, batch_size=BATCH, stop_early=False, seed=0
    )


def contestants(make: Callable) -> dict[str, Contestant]:
    model, x, y = make()
    model.fit(x[:128], y[:128], batch_size=BATCH, verbose=0)
    backend = on_tensorflow if keras.backend.backend() == "tensorflow" else on_jax
    return {"comparison on arrays": compare(model, (x, y)), **backend(model, x, y)}


def seconds(run: Contestant) -> float:
    time.sleep(PAUSE)
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def table(name: str, runs: dict[str, Contestant], repeats: int) -> None:
    for run in runs.values():
        run()
    times = {label: [] for label in runs}
    for _ in range(repeats):
        for label, run in runs.items():
            times[label].append(seconds(run))
    best = {label: min(found) for label, found in times.items()}
    print(f"\n{name} on {keras.backend.backend()}: minima of {repeats} rounds")
    print("| | seconds | / bare loop |\n|---|---|---|")
    for label, found in best.items():
        print(f"| {label} | {found:.3f} | {found / best['bare loop']:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    models = {make.__name__: make for make in (mlp, cnn)}
    parser.add_argument("--models", nargs="+", choices=models, default=list(models))
    options = parser.parse_args()
    for name in options.models:
        table(name, contestants(models[name]), options.repeats)


if __name__ == "__main__":
    main()
