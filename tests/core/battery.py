"""The battery of models, on every backend: a new one joins by one function.

Each builder returns a compiled model and data for it. With the same global seed it returns
the same model, bit for bit.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers

from tests.core import own_steps

SAMPLES = 48
FEATURES = 6
CLASSES = 3

BACKEND = keras.backend.backend()

Builder = Callable[[], tuple[keras.Model, Any]]
MODELS: dict[str, Builder] = {}


def model_case(builder: Builder) -> Builder:
    MODELS[builder.__name__] = builder
    return builder


def not_on(*backends: str) -> Callable[[Builder], Builder]:
    """Let a model join the battery on all backends but some, on which Keras cannot train it."""
    return (lambda builder: builder) if BACKEND in backends else model_case


def features(samples: int = SAMPLES) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(samples, FEATURES)).astype("float32")


def labels(samples: int = SAMPLES) -> np.ndarray:
    return np.random.default_rng(1).integers(0, CLASSES, samples)


class InBatches(keras.utils.PyDataset):
    """Arrays in batches, for the backends that need no TensorFlow."""

    def __init__(self, *arrays: np.ndarray, size: int) -> None:
        super().__init__()
        self.arrays, self.size = arrays, size

    def __len__(self) -> int:
        return -(-len(self.arrays[0]) // self.size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        rows = slice(index * self.size, (index + 1) * self.size)
        return tuple(array[rows] for array in self.arrays)


def in_batches(*arrays: np.ndarray, size: int = 10) -> Any:
    """Return a tf.data.Dataset where the backend is TensorFlow, else a PyDataset."""
    if BACKEND != "tensorflow":
        return InBatches(*arrays, size=size)
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(arrays).batch(size)


def batches() -> Any:
    return in_batches(features(), labels())


def crossentropy() -> keras.losses.Loss:
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def dense(*hidden: layers.Layer) -> keras.Model:
    return keras.Sequential([keras.Input((FEATURES,)), *hidden, layers.Dense(CLASSES)])


def compiled(optimizer: Any = "sgd", *hidden: layers.Layer, **options: Any) -> keras.Model:
    model = dense(*hidden)
    model.compile(optimizer, crossentropy(), **options)
    return model


@model_case
def linear_sgd():
    return compiled(), batches()


@model_case
def adam_on_arrays():
    model = compiled("adam", layers.Dense(8, activation="relu"), metrics=["accuracy"])
    return model, (features(), labels())


@model_case
def momentum():
    return compiled(keras.optimizers.SGD(0.1, momentum=0.9)), batches()


@model_case
def batch_normalization_and_dropout():
    hidden = [layers.Dense(8), layers.BatchNormalization(), layers.Dropout(0.3)]
    return compiled("adam", *hidden), batches()


@model_case
def in_the_middle_of_training():
    model = compiled("adam", layers.Dense(8), layers.Dropout(0.3), metrics=["accuracy"])
    model.fit(features(), labels(), batch_size=10, epochs=2, verbose=0)
    return model, batches()


@model_case
def built_with_a_schedule():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.5)
    return compiled(keras.optimizers.Adam(schedule)), batches()


@model_case
def schedule_assigned_later():
    model = compiled("adam")
    model.optimizer.learning_rate = keras.optimizers.schedules.CosineDecay(0.1, 100)
    return model, batches()


@model_case
def callable_learning_rate():
    return compiled(keras.optimizers.SGD(lambda: 0.05)), batches()


@model_case
def several_inputs_and_outputs():
    left, right = keras.Input((FEATURES,), name="left"), keras.Input((2,), name="right")
    shared = layers.Dense(4)(layers.Concatenate()([left, right]))
    outputs = {"kind": layers.Dense(CLASSES, name="kind")(shared), "size": layers.Dense(1)(shared)}
    model = keras.Model([left, right], outputs)
    model.compile(
        "adam",
        loss={"kind": crossentropy(), "size": "mse"},
        loss_weights={"kind": 1.0, "size": 0.5},
        metrics={"kind": "accuracy"},
    )
    x = [features(), features()[:, :2]]
    return model, (x, {"kind": labels(), "size": features()[:, :1]})


@model_case
def dict_inputs_with_sample_weight():
    left, right = keras.Input((FEATURES,), name="left"), keras.Input((2,), name="right")
    model = keras.Model(
        {"left": left, "right": right}, layers.Dense(1)(layers.Concatenate()([left, right]))
    )
    model.compile("rmsprop", "mse", weighted_metrics=["mae"])
    x = {"left": features(), "right": features()[:, :2]}
    return model, (x, features()[:, :1], np.linspace(0.0, 2.0, SAMPLES))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden = layers.Dense(5, activation="relu")
        self.dropout = layers.Dropout(0.2)
        self.head = layers.Dense(CLASSES)

    def call(self, x, training=False):
        return self.head(self.dropout(self.hidden(x), training=training))


@model_case
def subclassed_and_not_built():
    model = Subclassed()
    model.compile("adam", crossentropy(), metrics=["accuracy"])
    return model, (features(), labels())


class OwnTrainStep(own_steps.OwnTrainStep):
    """A train step of the user's with a second metric, which it updates as well."""

    def __init__(self):
        super().__init__(replaces_metrics=True, tells=True, reports="running mean")
        self.error = keras.metrics.Mean(name="error")

    @property
    def metrics(self):
        return [self.tracker, self.error]

    def keep_books(self, loss):
        self.error.update_state(keras.ops.sqrt(loss))
        return {**super().keep_books(loss), "error": self.error.result()}


@model_case
def own_train_step_and_metrics():
    model = OwnTrainStep()
    model.compile("sgd")
    return model, (features(), features()[:, :1])


class WithAddLoss(layers.Layer):
    def call(self, x):
        self.add_loss(0.01 * keras.ops.mean(keras.ops.square(x)))
        return x


@model_case
def add_loss_and_regularizers():
    model = compiled("sgd", layers.Dense(4, kernel_regularizer="l2"), WithAddLoss())
    return model, batches()


# Its own `fit` fails on PyTorch: Keras changes the state in place before the gradient is taken.
@not_on("torch")
def stateful_rnn():
    inputs = keras.Input((4, FEATURES), batch_size=8)
    model = keras.Model(inputs, layers.Dense(1)(layers.GRU(3, stateful=True)(inputs)))
    model.compile("adam", "mse")
    x = np.random.default_rng(2).normal(size=(SAMPLES, 4, FEATURES)).astype("float32")
    return model, in_batches(x, features()[:, :1], size=8)


@model_case
def small_transformer():
    inputs = keras.Input((5,), dtype="int32")
    x = layers.Embedding(11, 8)(inputs)
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 4, dropout=0.1)(x, x))
    model = keras.Model(inputs, layers.Dense(CLASSES)(layers.GlobalAveragePooling1D()(x)))
    model.compile(keras.optimizers.AdamW(weight_decay=0.01), crossentropy())
    return model, (np.random.default_rng(3).integers(0, 11, (SAMPLES, 5)), labels())


@model_case
def small_cnn():
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(CLASSES),
        ]
    )
    model.compile(keras.optimizers.Adam(clipnorm=1.0), crossentropy())
    images = np.random.default_rng(4).normal(size=(SAMPLES, 6, 6, 1)).astype("float32")
    return model, (images, labels())


@model_case
def frozen_layers():
    model = dense(layers.Dense(4, trainable=False), layers.BatchNormalization(trainable=False))
    model.compile("adam", crossentropy())
    return model, batches()


@model_case
def mixed_precision():
    inputs = keras.Input((FEATURES,))
    x = layers.Dense(8, dtype="mixed_float16")(inputs)
    model = keras.Model(inputs, layers.Dense(CLASSES, dtype="float32")(x))
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(), dynamic_growth_steps=3)
    model.compile(optimizer, crossentropy())
    return model, batches()


@model_case
def mixed_precision_in_the_middle_of_training():
    model, data = mixed_precision()
    model.fit(data, verbose=0, shuffle=False)
    return model, data


# PyTorch has no XLA.
@not_on("torch")
def compiled_by_xla():
    return compiled("adam", layers.Dense(4), jit_compile=True), batches()


@model_case
def run_eagerly():
    return compiled("adam", layers.Dropout(0.1), run_eagerly=True), batches()


# Keras refuses it on PyTorch.
@not_on("torch")
def steps_per_execution():
    return compiled("adam", steps_per_execution=4), batches()


@model_case
def lion():
    return compiled(keras.optimizers.Lion()), batches()


# Keras' own second `fit` with `use_ema` fails on JAX ('NoneType' object is not callable, 3.15).
@not_on("jax")
def moving_average_of_weights():
    optimizer = keras.optimizers.SGD(use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=3)
    return compiled(optimizer), batches()


@model_case
def gradient_accumulation():
    return compiled(keras.optimizers.Adam(gradient_accumulation_steps=4)), batches()


@model_case
def accumulation_begun():
    model = compiled(keras.optimizers.SGD(momentum=0.5, gradient_accumulation_steps=4))
    model.fit(in_batches(features()[:20], labels()[:20]), verbose=0, shuffle=False)
    return model, batches()


# Keras refuses random numbers without a seed generator of their own in a compiled step of JAX.
@not_on("jax")
def global_seed_generator():
    noise = layers.Lambda(lambda x: x + keras.random.normal(keras.ops.shape(x)))
    return compiled("sgd", noise), batches()
