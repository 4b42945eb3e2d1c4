"""The models and data that several benchmarks train."""

from collections.abc import Callable

import keras
import numpy as np
from keras import layers

BATCH = 64
# The threads of the contestant before spin for a while after their last work.
PAUSE = 0.3
Contestant = Callable[[], object]


def mlp() -> tuple[keras.Model, np.ndarray, np.ndarray]:
    model = keras.Sequential(
        [keras.Input((784,)), layers.Dense(100, activation="relu"), layers.Dense(10)]
    )
    return compiled(model), normal(6400, 784), classes(6400)


def cnn() -> tuple[keras.Model, np.ndarray, np.ndarray]:
    model = keras.Sequential(
        [
            keras.Input((14, 14, 1)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )
    return compiled(model), normal(6400, 14, 14, 1), classes(6400)


def compiled(model: keras.Model) -> keras.Model:
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(), loss)
    return model


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def classes(samples: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 10, samples)
