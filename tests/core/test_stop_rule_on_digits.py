"""The stop rule on the quickstart's model: never before the loss has fallen and risen."""

import keras
import numpy as np
from sklearn.datasets import load_digits

import lrwidget

RUNS = 200


def quickstart_model() -> keras.Model:
    layers = [keras.layers.Dense(64, activation="relu") for _ in range(2)]
    model = keras.Sequential([keras.Input((64,)), *layers, keras.layers.Dense(10)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def begin_anew(model: keras.Model, seed: int) -> None:
    for number, layer in enumerate(model.layers):
        initializer = keras.initializers.GlorotUniform(seed=100 * seed + number)
        layer.kernel.assign(initializer(layer.kernel.shape))


def test_no_run_of_two_hundred_ends_before_the_loss_has_fallen_and_risen():
    images, digits = load_digits(return_X_y=True)
    data = (images / 16).astype("float32"), digits
    model, early = quickstart_model(), []
    for seed in range(RUNS):
        begin_anew(model, seed)
        result = lrwidget.range_test(model, data, seed=seed)
        start = result.losses[:25]
        levels = np.median(np.lib.stride_tricks.sliding_window_view(result.losses, 5), axis=-1)
        fell, rose = levels.min() < start.min(), levels[-1] > start.mean()
        if result.stop_reason != "finished" and not (fell and rose):
            early.append((seed, len(result.lrs)))
    assert early == []
