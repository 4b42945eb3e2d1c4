"""What LRMonitor costs: the same `fit` with and without it, in turn, as ratios within one run.

    python benchmarks/monitor.py --widths 40 --repeats 40
    KERAS_BACKEND=jax python benchmarks/monitor.py --widths 200

Everything runs in a notebook kernel, so that "live" shows its figure and sends each drawing.
The width of the hidden layer sets the length of a step; what it was is printed. Each `fit` is
divided by the mean of the two without a callback just before and after it, because the speed of a
machine drifts. Processor time is there because the time on the clock says little where other
programs run at the same time.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

import lrwidget

BATCH = 64


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


def measure(width: int, steps: int, repeats: int, only: list[str]) -> None:
    """Print the table of one model; called in a kernel."""
    model, data = compiled_model(width), endless_data()
    contestants = {name: make for name, make in CONTESTANTS.items() if name in only}
    for make in contestants.values():
        seconds_of_fit(model, data, 20, make())
    ratios: dict[str, list[np.ndarray]] = {name: [] for name in contestants}
    plain = [seconds_of_fit(model, data, steps, [])]
    for _ in range(repeats):
        for name, make in contestants.items():
            seconds = seconds_of_fit(model, data, steps, make())
            plain.append(seconds_of_fit(model, data, steps, []))
            ratios[name].append(seconds / ((plain[-2] + plain[-1]) / 2))
    step = 1e3 * statistics.median(seconds[0] for seconds in plain) / steps
    print(f"\nwidth {width}: {step:.2f} ms a step, {steps} steps, {repeats} rounds")
    print("| | time | 95 % interval | processor time | 95 % interval |")
    print("|---|---|---|---|---|")
    for name, values in ratios.items():
        cells = [cell for kind in np.transpose(values) for cell in median_with_interval(kind)]
        print("| " + " | ".join([name, *cells]) + " |")


def median_with_interval(values: np.ndarray) -> list[str]:
    """Return the median and its bootstrap interval."""
    drawn = np.random.default_rng(0).choice(values, (10000, len(values)))
    low, high = np.percentile(np.median(drawn, axis=1), [2.5, 97.5])
    return [f"{np.median(values):.3f}", f"{low:.3f} to {high:.3f}"]


def nothing(_batch: int, logs: dict) -> None:
    """Make Keras hand the logs of every step to a callback, as most callbacks do."""


def in_kernel(code: str) -> str:
    """Return what code prints in a new notebook kernel."""
    cell = new_code_cell(code)
    settings = {"timeout": None, "resources": {"metadata": {"path": str(Path(__file__).parent)}}}
    NotebookClient(new_notebook(cells=[cell]), **settings).execute()
    return "".join(each.text for each in cell.outputs if each.get("name") == "stdout")


CONTESTANTS: dict[str, Callable[[], list[keras.callbacks.Callback]]] = {
    "no callback": list,
    "empty callback": lambda: [keras.callbacks.LambdaCallback(on_train_batch_end=nothing)],
    "LRMonitor": lambda: [lrwidget.LRMonitor()],
    "LRMonitor, live": lambda: [lrwidget.LRMonitor(live=True)],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--widths", type=int, nargs="+", default=[100, 300])
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS))
    options = parser.parse_args()
    for width in options.widths:
        numbers = f"{width}, {options.steps}, {options.repeats}, {options.only}"
        print(in_kernel(f"import monitor; monitor.measure({numbers})"), flush=True)


if __name__ == "__main__":
    main()
