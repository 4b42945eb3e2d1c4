"""How soon does Stop answer? From the press to a model that is back and a status of "stopped".

    python benchmarks/stop.py --stops 40

The widget's own `run` and `stop`, as the buttons call them, on the quickstart's data as arrays
and as a pipeline with parallel maps and read-ahead that tf.data may tune. Each test is stopped
after a time of its own between 0.2 and 2.2 seconds.
"""

import argparse
import os
import time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

import lrwidget


def compiled_model() -> keras.Model:
    hidden = [keras.layers.Dense(64, activation="relu") for _ in range(2)]
    model = keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def pipeline(images: np.ndarray, digits: np.ndarray) -> tf.data.Dataset:
    samples = tf.data.Dataset.from_tensor_slices((images, digits)).shuffle(len(images))
    samples = samples.map(lambda x, y: (x * 1.0, y), num_parallel_calls=tf.data.AUTOTUNE)
    return samples.batch(32).prefetch(tf.data.AUTOTUNE)


def seconds_to_stop(data: Any, pauses: np.ndarray) -> tuple[list[float], float]:
    """Return how long each Stop took, and how long a training step."""
    widget = lrwidget.LRFinderWidget(
        compiled_model(), data, steps=100_000, min_lr=1e-7, max_lr=1e-3
    )
    taken, steps, trained = [], 0, 0.0
    for pause in (1.0, *pauses):  # the first one compiles
        widget.run()
        time.sleep(pause)
        pressed = time.perf_counter()
        widget.stop()
        widget.wait()
        taken.append(time.perf_counter() - pressed)
        steps += len(widget.result.lrs)
        trained += pause + taken[-1]
    widget.close()
    return taken[1:], trained / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stops", type=int, default=40)
    options = parser.parse_args()
    pauses = np.random.default_rng(0).uniform(0.2, 2.2, options.stops)
    images, digits = load_digits(return_X_y=True)
    arrays = (images / 16).astype("float32"), digits
    print("| data | a step | median | slowest of ten | slowest |\n|---|---|---|---|---|")
    for name, data in (("arrays", arrays), ("tuned pipeline", pipeline(*arrays))):
        taken, step = seconds_to_stop(data, pauses)
        median, late = np.quantile(taken, [0.5, 0.9])
        print(f"| {name} | {step:.4f} s | {median:.2f} s | {late:.2f} s | {max(taken):.2f} s |")


if __name__ == "__main__":
    main()
