"""Does a long range test need more memory, and is it the same as a short one?

    python benchmarks/many_steps.py [--steps 100000]

Prints the resident memory as the test goes on, and whether its losses equal, bit for bit, those
of a single compiled call over the same learning rates and batches.
"""

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

import lrwidget


def resident_megabytes() -> float:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6


def make() -> tuple[keras.Model, tf.data.Dataset]:
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((20,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(1)]
    )
    model.compile("adam", "mse")
    rng = np.random.default_rng(0)
    arrays = rng.normal(size=(640, 20)).astype("float32"), rng.normal(size=(640, 1))
    return model, tf.data.Dataset.from_tensor_slices(arrays).batch(32).repeat()


def in_one_piece(steps: int, max_lr: float) -> np.ndarray:
    model, data = make()

    @tf.function
    def train(iterator: tf.data.Iterator, lrs: tf.Tensor) -> tf.Tensor:
        losses = tf.TensorArray(tf.float32, steps)
        for index in tf.range(steps):
            model.optimizer.learning_rate.assign(lrs[index])
            model.reset_metrics()
            losses = losses.write(index, model.train_step(next(iterator))["loss"])
        return losses.stack()

    lrs = lrwidget.lr_ladder(1e-7, max_lr, steps, "exponential")
    return train(iter(data), tf.constant(lrs, tf.float32)).numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100_000)
    steps, max_lr = parser.parse_args().steps, 1e-2
    model, data = make()
    lrwidget.range_test(model, data, steps=1000, min_lr=1e-7, max_lr=max_lr)
    shown = [0.0]
    print("| step | resident |\n|---|---|")

    def show(update: object) -> None:
        if update.step / steps >= shown[0]:
            print(f"| {update.step} | {resident_megabytes():.0f} MB |", flush=True)
            shown[0] += 0.1

    began = time.perf_counter()
    result = lrwidget.range_test(
        model, data, steps=steps, min_lr=1e-7, max_lr=max_lr, on_update=show
    )
    print(f"\n{len(result.lrs)} steps in {time.perf_counter() - began:.1f} s, {result.stop_reason}")
    same = np.array_equal(result.losses, in_one_piece(steps, max_lr)[: len(result.losses)])
    print(f"the losses equal those of a single call: {same}")


if __name__ == "__main__":
    main()
