"""Does the stop rule ever end a range test before the loss has fallen and risen?

    python benchmarks/stop_rule.py [--runs 200] [--steps 100]

Runs the quickstart's model from fresh initial weights with fresh data order. A run is bad if
it ended early although its smoothed loss had not yet fallen from its start by at least three
standard deviations of the noise on the flat start, or had not come back above that start.
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
    start = result.losses[: len(result.config.ladder()) // 4]
    smoothed = result.smoothed()
    fell = smoothed.min() < start.mean() - 3 * start.std() / np.sqrt(len(start))
    rose = np.median(result.losses[-5:]) > start.mean()
    return bool(fell and rose)


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
        result = lrwidget.range_test(model, data, steps=options.steps, seed=seed)
        reasons[result.stop_reason] += 1
        if result.stop_reason != "finished" and not fell_and_rose(result):
            bad.append((seed, len(result.lrs)))
        keras.utils.clear_session(free_memory=False)
    print(f"{options.runs} runs, {options.steps} steps, {options.optimizer}: {dict(reasons)}")
    print(f"ended before the loss had fallen and risen: {len(bad)} {bad or ''}")


if __name__ == "__main__":
    main()
