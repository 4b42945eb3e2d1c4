"""What does it cost to put a model back? Time and memory of the snapshot, with Adam.

    python benchmarks/snapshot.py [--parameters 1e6 1e7 1e8]

The state is the weights and Adam's two slots. Compared are, in the same run: one plain copy of
its bytes with numpy, taking the snapshot, a `fit` of one step (which makes the copies, as it
writes), restoring, and proving it; and how much the peak of memory rose from the first on.
"""

import argparse
import os
import resource
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import lrwidget
from lrwidget.core.model.snapshot import Snapshot, state_variables


def model_of(parameters: int) -> keras.Model:
    width = round((parameters / 4) ** 0.5)
    layers = [keras.layers.Dense(width, use_bias=False) for _ in range(4)]
    model = keras.Sequential([keras.Input((width,)), *layers])
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def peak_gigabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def one_copy(arrays: list[np.ndarray]) -> float:
    return min(seconds(lambda: [array.copy() for array in arrays]) for _ in range(3))


def report(parameters: int) -> None:
    model = model_of(parameters)
    x = np.zeros((4, model.input_shape[1]), "float32")
    variables = state_variables(model)
    model.fit(x, x, verbose=0)
    peak = peak_gigabytes()
    taken: list[Snapshot] = []
    take = seconds(lambda: taken.append(Snapshot(variables)))
    train = seconds(lambda: model.fit(x, x, verbose=0))
    restore = seconds(taken[0].restore)
    prove = seconds(taken[0].restored)
    peak = peak_gigabytes() - peak
    arrays = [variable.numpy() for variable in variables]
    size = sum(array.nbytes for array in arrays) / 1e9
    restored = bool(lrwidget.range_test(model, (x, x), steps=2, max_lr=1e-6).restored)
    times = " | ".join(f"{t:.3f} s" for t in (one_copy(arrays), take, train, restore, prove))
    print(f"| {parameters:.0e} | {size:.2f} GB | {times} | {peak:.2f} GB | {restored} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parameters", type=float, nargs="+", default=[1e6, 1e7, 1e8])
    columns = [
        "parameters",
        "state",
        "copy",
        "take",
        "fit",
        "restore",
        "prove",
        "memory",
        "restored",
    ]
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
    for parameters in parser.parse_args().parameters:
        report(int(parameters))


if __name__ == "__main__":
    main()
