"""How fast is a range test? Ratios against other ways to train the same steps, in one run.

    python benchmarks/speed.py [--repeats 7] [--steps 400]

Each contestant trains the same number of steps on the same data, in turn, `--repeats` times;
the table shows the median of the ratios within a round, so that a slow moment of the machine
hits all of them. PyTorch and other finders join where they are installed.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import peers
import tensorflow as tf
from keras import layers
from models import BATCH, PAUSE, Contestant, classes, cnn, compiled, mlp

import lrwidget


def transformer() -> tuple[keras.Model, np.ndarray, np.ndarray]:
    inputs = keras.Input((16,), dtype="int32")
    x = layers.Embedding(100, 32)(inputs)
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 16)(x, x))
    x = layers.LayerNormalization()(x + layers.Dense(32)(layers.Dense(64, "relu")(x)))
    model = keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling1D()(x)))
    tokens = np.random.default_rng(0).integers(0, 100, (6400, 16)).astype("int32")
    return compiled(model), tokens, classes(6400)


class LossRecorder(keras.callbacks.Callback):
    """What a finder that is built on `fit` does at the least: read and set, every batch."""

    def on_train_batch_end(self, _batch: int, logs: dict | None = None) -> None:
        self.loss = logs["loss"]
        self.model.optimizer.learning_rate = 1e-3


def contestants(make: Callable, steps: int) -> dict[str, Contestant]:
    model, x, y = make()
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH).cache().repeat()
    model.fit(data, steps_per_epoch=2, verbose=0, shuffle=False)
    settings = {"min_lr": 1e-6, "max_lr": 1e-3, "steps": steps, "stop_factor": np.inf}

    @tf.function
    def bare(iterator: tf.data.Iterator, count: tf.Tensor) -> tf.Tensor:
        loss = tf.constant(0.0)
        for _ in tf.range(count):
            loss = model.train_step(next(iterator))["loss"]
        return loss

    def bare_loop(per_call: int) -> Contestant:
        def run() -> None:
            iterator = iter(data)
            for _ in range(0, steps, per_call):
                bare(iterator, tf.constant(per_call)).numpy()

        return run

    def fit() -> None:
        fit_settings = {"steps_per_epoch": steps, "verbose": 0, "shuffle": False}
        model.fit(data, callbacks=[LossRecorder()], **fit_settings)

    return {
        "range test": lambda: lrwidget.range_test(model, data, **settings),
        "range test on arrays": lambda: lrwidget.range_test(
            model, (x, y), batch_size=BATCH, **settings
        ),
        "bare compiled loop, one call": bare_loop(steps),
        "bare compiled loop, 20 steps a call": bare_loop(20),
        "fit with a callback": fit,
    }


def seconds(run: Contestant) -> float:
    time.sleep(PAUSE)
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def warm_table(name: str, runs: dict[str, Contestant], repeats: int) -> None:
    for run in runs.values():
        run()
    rounds = [{label: seconds(run) for label, run in runs.items()} for _ in range(repeats)]
    print(f"\n{name}, warm: median of {repeats} rounds")
    print("| | seconds | range test / this |\n|---|---|---|")
    for label in runs:
        ratio = statistics.median(times["range test"] / times[label] for times in rounds)
        print(f"| {label} | {statistics.median(t[label] for t in rounds):.3f} | {ratio:.2f} |")


def cold_table(name: str, make: Callable, steps: int, repeats: int) -> None:
    times: dict[str, list[float]] = {"range test": [], "first fit": []}
    for _ in range(repeats):
        for label in times:
            model, x, y = make()
            data = tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH).cache().repeat()
            runs = {
                "range test": lambda m=model, d=data: lrwidget.range_test(
                    m, d, steps=steps, min_lr=1e-6, max_lr=1e-3, stop_factor=np.inf
                ),
                "first fit": lambda m=model, d=data: m.fit(
                    d, steps_per_epoch=steps, verbose=0, shuffle=False
                ),
            }
            times[label].append(seconds(runs[label]))
    print(f"\n{name}, cold (tracing included): median of {repeats} rounds")
    medians = {label: statistics.median(values) for label, values in times.items()}
    ratio = statistics.median(
        a / b for a, b in zip(times["range test"], times["first fit"], strict=True)
    )
    print(
        f"range test {medians['range test']:.3f} s, first fit {medians['first fit']:.3f} s, "
        f"ratio {ratio:.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--steps", type=int, default=400)
    models = {make.__name__: make for make in (mlp, cnn, transformer)}
    parser.add_argument("--models", nargs="+", choices=models, default=list(models))
    options = parser.parse_args()
    for make in (models[name] for name in options.models):
        runs = contestants(make, options.steps)
        if make is mlp:
            _, x, y = make()
            runs |= peers.contestants(x, y, BATCH, options.steps)
        warm_table(make.__name__, runs, options.repeats)
        cold_table(make.__name__, make, options.steps, max(3, options.repeats // 2))


if __name__ == "__main__":
    main()
