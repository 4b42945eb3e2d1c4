"""Does the stop rule ever end a range test before the loss has fallen and risen?

    python benchmarks/stop_rule.py [--runs 200] [--steps 100]

Runs the quickstart's model from fresh initial weights with fresh data order. A run is bad if
it ended early although no median of five losses was yet below all of the flat start, the first
quarter, or the last median of five was not back above the mean of that start.
"""

import argparse
import collections
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from sklearn.datasets import load_digits

import lrwidget


def quickstart_model(seed: int, optimizer: str) -> keras.Model:
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(10),
        ]
    )
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def fell_and_rose(result: lrwidget.RangeTestResult) -> bool:
    start = result.losses[: result.config.steps // 4]
    windows = np.lib.stride_tricks.sliding_window_view(result.losses, 5)
    levels = np.median(windows, axis=-1)
    return bool(levels.min() < start.min() and levels[-1] > start.mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--optimizer", default="adam")
    options = parser.parse_args()
    images, digits = load_digits(return_X_y=True)
    data = (images / 16).astype("float32"), digits
    reasons: collections.Counter[str] = collections.Counter()
    bad = []
    for seed in range(options.runs):
        model = quickstart_model(seed, options.optimizer)
        result = lrwidget.range_test(
            model, data, min_lr=1e-7, max_lr=10.0, steps=options.steps, seed=seed
        )
        reasons[result.stop_reason] += 1
        if result.stop_reason != "finished" and not fell_and_rose(result):
            bad.append((seed, len(result.lrs)))
        keras.utils.clear_session(free_memory=False)
    print(f"{options.runs} runs, {options.steps} steps, {options.optimizer}: {dict(reasons)}")
    print(f"ended before the loss had fallen and risen: {len(bad)} {bad or ''}")


if __name__ == "__main__":
    main()
