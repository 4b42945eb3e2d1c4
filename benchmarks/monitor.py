"""What LRMonitor costs: the same `fit` with and without it, in turn, as ratios within one run.

    python benchmarks/monitor.py --repeats 15
    KERAS_BACKEND=jax python benchmarks/monitor.py --widths 200

The width of the hidden layer sets the length of a step; what it was is printed. "live" draws on
a figure as in a notebook, except that no browser looks at it. Processor time is there because
the time on the clock says little where other programs run at the same time.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from lrwidget.ui.live_plot import LivePlot
from lrwidget.ui.monitor import LRMonitor

BATCH = 64


class DrawingMonitor(LRMonitor):
    """An LRMonitor that draws outside of a notebook too."""

    def _new_plot(self) -> LivePlot:
        return LivePlot()


class Clock(keras.callbacks.Callback):
    """Stops when the last callback is done.

    After that `fit` sometimes waits, with a monitor or without, until a thread of tf.data notices
    that it is over: it looks up after 10 ms, 20 ms more, 40 ms more, ..., so for up to as long as
    the whole `fit` took.
    """

    def on_train_end(self, logs: dict | None = None) -> None:  # noqa: ARG002
        self.stopped = now()


def now() -> np.ndarray:
    """Return the time on the clock and the processor time, in seconds."""
    return np.array([time.perf_counter(), time.process_time()])


def compiled_model(width: int) -> keras.Model:
    model = keras.Sequential(
        [keras.Input((784,)), layers.Dense(width, activation="relu"), layers.Dense(10)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    return model


def endless_data() -> tf.data.Dataset:
    random = np.random.default_rng(0)
    x = random.normal(size=(BATCH * 50, 784)).astype("float32")
    y = random.integers(0, 10, len(x))
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH).cache().repeat()


def seconds_of_fit(
    model: keras.Model, data: tf.data.Dataset, steps: int, callbacks: list[keras.callbacks.Callback]
) -> np.ndarray:
    """Return the time on the clock and the processor time."""
    began, clock = now(), Clock()
    with_clock = [*callbacks, clock]
    model.fit(data, steps_per_epoch=steps, callbacks=with_clock, verbose=0, shuffle=False)
    return clock.stopped - began


def measure(width: int, steps: int, repeats: int) -> None:
    model, data = compiled_model(width), endless_data()
    contestants = {
        "no callback": list,
        "no callback, once more": list,
        "empty callback": lambda: [keras.callbacks.LambdaCallback(on_train_batch_end=nothing)],
        "LRMonitor": lambda: [LRMonitor()],
        "LRMonitor, live": lambda: [DrawingMonitor(live=True)],
    }
    for make in contestants.values():
        seconds_of_fit(model, data, 20, make())
    rounds = []
    for k in range(repeats):
        names = list(contestants)
        turned = names[k % len(names) :] + names[: k % len(names)]
        rounds.append({n: seconds_of_fit(model, data, steps, contestants[n]()) for n in turned})
    step = 1e3 * statistics.median(times["no callback"][0] for times in rounds) / steps
    print(f"\nwidth {width}: {step:.2f} ms a step, {steps} steps, median of {repeats} rounds")
    print("| | seconds | / no callback | quartiles | processor / no callback | quartiles |")
    print("|---|---|---|---|---|---|")
    for name in contestants:
        seconds = statistics.median(times[name][0] for times in rounds)
        cells = [name, f"{seconds:.3f}"]
        for kind in (0, 1):
            ratios = [times[name][kind] / times["no callback"][kind] for times in rounds]
            low, middle, high = statistics.quantiles(ratios, n=4)
            cells += [f"{middle:.3f}", f"{low:.3f} to {high:.3f}"]
        print("| " + " | ".join(cells) + " |")


def nothing(_batch: int, logs: dict) -> None:
    """Make Keras hand the logs of every step to a callback, as most callbacks do."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--widths", type=int, nargs="+", default=[100, 300])
    options = parser.parse_args()
    for width in options.widths:
        measure(width, options.steps, options.repeats)


if __name__ == "__main__":
    main()
