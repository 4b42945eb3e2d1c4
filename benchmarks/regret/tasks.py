"""The tasks of the regret study, and which of them the rules may be tuned on."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
from keras import layers

from benchmarks.regret.data import Data

# Every pair of data and model is either tuned on, with all its optimizers and batch sizes, or
# only reported on. The first two lists were fixed before anything was measured; the last six of
# TUNED joined after the first report. AFTERWARDS is younger than the last change of a number in
# "auto" or in its warnings. Do not move a pair, and tune nothing to one that is reported on.
TUNED = (
    ("digits", "linear"),
    ("diabetes", "linear"),
    ("rare_class", "linear"),
    ("wine", "mlp"),
    ("waves", "mlp"),
    ("raw_diabetes", "mlp"),
    ("noisy_blobs", "mlp"),
    ("digits", "mlp_bn"),
    ("diabetes", "mlp_bn"),
    ("crosses", "cnn"),
    ("counted_tokens", "transformer"),
    ("digit_rows", "rnn"),
    ("last_token", "rnn"),
    ("biggest_number", "rnn"),
    ("sign_changes", "rnn"),
    ("last_token", "transformer"),
    ("biggest_number", "transformer"),
    ("bright_quarter", "cnn"),
)
REPORTED = (
    ("cancer", "linear"),
    ("sparse_line", "linear"),
    ("raw_wine", "linear"),
    ("digits", "mlp"),
    ("spirals", "mlp"),
    ("diabetes", "mlp"),
    ("cancer", "mlp"),
    ("noisy_blobs", "mlp_bn"),
    ("wine", "mlp_bn"),
    ("digit_images", "cnn"),
    ("digit_rows", "transformer"),
    ("first_token", "transformer"),
    ("first_token", "rnn"),
    ("running_sums", "rnn"),
)
AFTERWARDS = (
    ("iris", "linear"),
    ("friedman", "linear"),
    ("moons", "mlp"),
    ("raw_cancer", "mlp"),
    ("even_digits", "mlp"),
    ("shells", "mlp_bn"),
    ("product", "mlp_bn"),
    ("stripes", "cnn"),
    ("doubled_token", "transformer"),
    ("next_value", "transformer"),
    ("next_value", "rnn"),
    ("brackets", "rnn"),
)
SIDES = {"tuned": TUNED, "reported": REPORTED, "afterwards": AFTERWARDS}
OPTIMIZERS: dict[str, Callable[[], keras.optimizers.Optimizer]] = {
    "sgd": lambda: keras.optimizers.SGD(),
    "momentum": lambda: keras.optimizers.SGD(momentum=0.9),
    "adam": lambda: keras.optimizers.Adam(),
    "adamw": lambda: keras.optimizers.AdamW(weight_decay=0.01),
    "rmsprop": lambda: keras.optimizers.RMSprop(),
}
BATCH_SIZES = (16, 128)


@dataclass(frozen=True)
class Task:
    """What is trained: a model on data with an optimizer and a batch size."""

    data: str
    model: str
    optimizer: str
    batch_size: int

    @property
    def name(self) -> str:
        return f"{self.data}/{self.model}/{self.optimizer}/{self.batch_size}"

    @property
    def side(self) -> str:
        """What the task is there for, a key of SIDES."""
        return next(side for side, pairs in SIDES.items() if (self.data, self.model) in pairs)


def all_tasks() -> list[Task]:
    """Return every pair with every optimizer, the two batch sizes taking turns."""
    return [
        Task(data, model, optimizer, BATCH_SIZES[(k + pair) % 2])
        for k, optimizer in enumerate(OPTIMIZERS)
        for pair, (data, model) in enumerate(TUNED + REPORTED + AFTERWARDS)
    ]


def new_model(model: str, data: Data) -> keras.Model:
    """Return a model with fresh initial weights, not compiled."""
    inputs = keras.Input(data.train[0].shape[1:], dtype=data.train[0].dtype.name)
    return keras.Model(inputs, layers.Dense(data.classes or 1)(_BODIES[model](inputs, data)))


def new_loss(data: Data) -> keras.losses.Loss:
    if data.classes:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return keras.losses.MeanSquaredError()


def _linear(x: keras.KerasTensor, _data: Data) -> keras.KerasTensor:
    return x


def _mlp(x: keras.KerasTensor, _data: Data) -> keras.KerasTensor:
    return layers.Dense(32, "relu")(layers.Dense(32, "relu")(x))


def _mlp_bn(x: keras.KerasTensor, _data: Data) -> keras.KerasTensor:
    for _ in range(2):
        x = layers.Activation("relu")(layers.BatchNormalization(momentum=0.9)(layers.Dense(32)(x)))
    return x


def _cnn(x: keras.KerasTensor, _data: Data) -> keras.KerasTensor:
    x = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu")(x)
    return layers.Flatten()(layers.Conv2D(8, 3, activation="relu")(x))


def _transformer(x: keras.KerasTensor, data: Data) -> keras.KerasTensor:
    x = layers.Embedding(data.tokens, 8)(x) if data.tokens else layers.Dense(8)(x)
    x = x + layers.Embedding(8, 8)(keras.ops.arange(8))
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(1, 8)(x, x))
    x = layers.LayerNormalization()(x + layers.Dense(8)(layers.Dense(16, "relu")(x)))
    return layers.GlobalAveragePooling1D()(x)


def _rnn(x: keras.KerasTensor, data: Data) -> keras.KerasTensor:
    x = layers.Embedding(data.tokens, 8)(x) if data.tokens else x
    return layers.GRU(12, unroll=True)(x)


_BODIES: dict[str, Callable[[keras.KerasTensor, Data], keras.KerasTensor]] = {
    "linear": _linear,
    "mlp": _mlp,
    "mlp_bn": _mlp_bn,
    "cnn": _cnn,
    "transformer": _transformer,
    "rnn": _rnn,
}
