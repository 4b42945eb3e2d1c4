"""What LRMonitor costs: two calls of `fit`, one with it and one without, that take turns.

    python benchmarks/monitor.py --widths 40 --repeats 40
    KERAS_BACKEND=jax python benchmarks/monitor.py --widths 200

The speed of a machine drifts by more than what is to be measured, within seconds. So the two run
in two threads of which one waits while the other makes a hundred steps; the time of each is
added up over its turns. A round is two such pairs, the second with the sides exchanged.

Everything runs in a notebook kernel, so that "live" shows its figure and sends each drawing.
The width of the hidden layer sets the length of a step; what it was is printed.
"""

import argparse
import os
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

import lrwidget

BATCH = 64
STEPS_OF_A_TURN = 100
LONGEST_TURN = 60.0  # seconds; whoever waits longer waits for a `fit` that failed


class Turns:
    """Lets two threads run in turn, never both at a time, and adds up the time of each."""

    def __init__(self) -> None:
        self.seconds = np.zeros(2)
        self.both = threading.Barrier(2, timeout=LONGEST_TURN)
        self._may_run = threading.Semaphore(1), threading.Semaphore(0)
        self._side, self._began = 0, 0.0

    def begin(self, side: int) -> None:
        """Wait until it is this side's turn."""
        if not self._may_run[side].acquire(timeout=LONGEST_TURN):
            raise TimeoutError("The other `fit` did not end its turn.")
        self._side, self._began = side, time.perf_counter()

    def end(self, side: int) -> None:
        """Give the turn to the other side."""
        self.seconds[side] = self.monotonic()
        self._may_run[1 - side].release()

    def monotonic(self) -> float:
        """Return the seconds so far of the side whose turn it is."""
        return self.seconds[self._side] + time.perf_counter() - self._began


class InTurns(keras.callbacks.Callback):
    """A callback that knows whose turn it is."""

    def __init__(self, turns: Turns, side: int) -> None:
        super().__init__()
        self.turns, self.side = turns, side


class TurnTaker(InTurns):
    """Makes a `fit` run only in its turns; to come before all other callbacks."""

    def on_train_begin(self, logs: dict | None = None) -> None:  # noqa: ARG002
        self.turns.both.wait()
        self.turns.begin(self.side)

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:  # noqa: ARG002
        if batch and batch % STEPS_OF_A_TURN == 0:
            self.turns.end(self.side)
            self.turns.begin(self.side)


class LastTurn(InTurns):
    """Ends the last turn of a `fit`; to come after all other callbacks.

    What Keras does after that is left out: it sometimes waits, with a monitor or without, until a
    thread of tf.data notices that `fit` is over.
    """

    def on_train_end(self, logs: dict | None = None) -> None:  # noqa: ARG002
        self.turns.end(self.side)
        self.turns.both.wait()


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


Side = tuple[keras.Model, tf.data.Dataset]


def seconds_in_turns(
    sides: list[Side], steps: int, callbacks: list[list[keras.callbacks.Callback]]
) -> np.ndarray:
    """Return the seconds that the `fit` of each side takes, in turns.

    LRMonitor is told its own time only, so that it draws as often as in a `fit` by itself.
    """
    turns = Turns()

    def fit(number: int) -> None:
        model, data = sides[number]
        in_turn = [TurnTaker(turns, number), *callbacks[number], LastTurn(turns, number)]
        model.fit(data, steps_per_epoch=steps, callbacks=in_turn, verbose=0, shuffle=False)

    with ThreadPoolExecutor(2) as pool, mock.patch("lrwidget.ui.monitor.monitor.time", turns):
        list(pool.map(fit, [0, 1]))
    return turns.seconds


def ratio(sides: list[Side], steps: int, make: Callable[[], list]) -> tuple[float, float]:
    """Return how much longer `fit` takes with callbacks, and the seconds without them.

    Once on either side, because one of them may be slower than the other.
    """
    with_first, plain_second = seconds_in_turns(sides, steps, [make(), []])
    plain_first, with_second = seconds_in_turns(sides, steps, [[], make()])
    of_both = with_first / plain_second * with_second / plain_first
    return of_both**0.5, (plain_first + plain_second) / 2


def measure(width: int, steps: int, repeats: int, only: list[str]) -> None:
    """Print the table of one model; called in a kernel."""
    sides = [(compiled_model(width), endless_data()) for _ in range(2)]
    contestants = {name: make for name, make in CONTESTANTS.items() if name in only}
    for make in contestants.values():
        ratio(sides, 20, make)
    ratios: dict[str, list[float]] = {name: [] for name in contestants}
    plain = []
    for _ in range(repeats):
        for name, make in contestants.items():
            of_both, seconds = ratio(sides, steps, make)
            ratios[name].append(of_both)
            plain.append(seconds)
    step = 1e3 * statistics.median(plain) / steps
    print(f"\nwidth {width}: {step:.2f} ms a step, {steps} steps, {repeats} rounds")
    print("| | time | 95 % interval |")
    print("|---|---|---|")
    for name, values in ratios.items():
        print("| " + " | ".join([name, *median_with_interval(values)]) + " |")


def median_with_interval(values: list[float]) -> list[str]:
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
