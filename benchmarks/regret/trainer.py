"""Trainer: trains a model in one compiled call, again and again, with any of the optimizers.

Compiling takes longer than all trainings of a small model, so that one compiled loop serves all
optimizers and all lengths. The optimizers are therefore written again from Keras' formulas.
"""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from benchmarks.regret.split import Data

# As many batches of the training data are the fixed sample as a range test reads.
SAMPLE_BATCHES = 8
# Steps of the longest training; shorter ones run in the same compiled call.
_LONGEST = 3000


class Update(NamedTuple):
    """An optimizer as numbers.

    With g the gradient, u = momentum u - lr g for `scaled` = 0; else m = beta_1 m + (1 - beta_1) g,
    v = beta_2 v + (1 - beta_2) g^2, c the ratio of sqrt(1 - beta_2^step) and 1 - beta_1^step for
    `corrected` = 1 and else 1, and u = -lr c m / (sqrt(v + inside) + outside). Weights p become
    p (1 - lr decay) + u.
    """

    momentum: float = 0.0
    scaled: float = 0.0
    beta_1: float = 0.0
    beta_2: float = 0.0
    corrected: float = 0.0
    decay: float = 0.0
    inside: float = 0.0
    outside: float = 1e-7


UPDATES = {
    "sgd": Update(),
    "momentum": Update(momentum=0.9),
    "adam": Update(scaled=1, beta_1=0.9, beta_2=0.999, corrected=1),
    "adamw": Update(scaled=1, beta_1=0.9, beta_2=0.999, corrected=1, decay=0.01),
    "rmsprop": Update(scaled=1, beta_2=0.9, inside=1e-7, outside=0),
}


class Trainer:
    """Trains a model with one learning rate for each step.

    Args:
        model: With weights; they are not changed.
        loss: What is trained to be low.
        data: What to train on, and what to measure the held-back loss on.
        batch_size: Samples in a batch.
    """

    def __init__(
        self, model: keras.Model, loss: keras.losses.Loss, data: Data, batch_size: int
    ) -> None:
        self._size = min(batch_size, len(data.train[0]))
        self._model, self._loss_of, self._data = model, loss, data
        self._x, self._y = (tf.constant(part) for part in data.train)
        self._shapes = [tuple(v.shape) for v in model.trainable_variables]
        self._run = tf.function(self._trained, jit_compile=True)
        self._held_back = tf.function(self._loss_after, jit_compile=True)

    def weights(self, model: keras.Model) -> list[tf.Tensor]:
        """Return where to start: a model's trainable weights as one row, and its others."""
        trained = [tf.reshape(v.value, [-1]) for v in model.trainable_variables]
        others = [tf.constant(v.numpy()) for v in model.non_trainable_variables]
        return [tf.concat(trained, 0), *others]

    def train(
        self,
        start: list[tf.Tensor],
        update: Update,
        lrs: np.ndarray,
        batches: tf.Tensor,
        looks: int = 0,
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """Train from a start.

        Args:
            start: From `weights`.
            update: The optimizer.
            lrs: The learning rate of each step, shape (n,).
            batches: From `batches`.
            looks: How often the loss of the fixed sample is measured.

        Returns:
            The loss of each batch before its step, shape (n,), the loss of the fixed sample after
            it, NaN where it was not measured, shape (n,), and the held-back loss after training.
        """
        n = len(lrs)
        every = max(1, n // looks) if looks else n + 1
        padded = np.pad(lrs, (0, _LONGEST - n)).astype("float32")
        losses, sample, held_back = self._run(
            start,
            tf.constant(update, tf.float32),
            tf.constant(padded),
            batches,
            tf.constant(n),
            tf.constant(every),
        )
        found = (part.numpy()[:n].astype(np.float64) for part in (losses, sample))
        return (*found, float(held_back))  # type: ignore[return-value]

    def held_back_loss(self, start: list[tf.Tensor]) -> float:
        """Return the held-back loss before training."""
        return float(self._held_back(start))

    def batches(self, seed: list[int]) -> tf.Tensor:
        """Return the indices of every batch: epoch after epoch, whole batches only."""
        random, samples = np.random.default_rng(seed), len(self._data.train[0])
        whole = samples // self._size
        order = [
            random.permutation(samples)[: whole * self._size] for _ in range(-(-_LONGEST // whole))
        ]
        picked = np.concatenate(order).reshape(-1, self._size)[:_LONGEST]
        return tf.constant(picked.astype("int32"))

    def _trained(
        self,
        start: list[tf.Tensor],
        update: tf.Tensor,
        lrs: tf.Tensor,
        batches: tf.Tensor,
        n: tf.Tensor,
        every: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        losses = tf.TensorArray(tf.float32, _LONGEST)
        sample = tf.TensorArray(tf.float32, _LONGEST)
        flat, others = start[0], start[1:]
        slots = [tf.zeros_like(flat)] * 3
        end, k = SAMPLE_BATCHES * self._size, tf.constant(0)
        # Not a loop over a range: XLA would compile each length again.
        while k < n:
            x, y = tf.gather(self._x, batches[k]), tf.gather(self._y, batches[k])
            with tf.GradientTape() as tape:
                tape.watch(flat)
                predicted, others = self._called(flat, others, x, training=True)
                loss = tf.reduce_mean(self._loss_of(y, predicted))
            flat, slots = _stepped(update, flat, slots, tape.gradient(loss, flat), lrs[k], k)
            losses = losses.write(k, loss)
            seen = tf.constant(np.nan, tf.float32)
            if (k + 1) % every == 0:
                seen = self._loss(flat, others, self._x[:end], self._y[:end])
            sample = sample.write(k, seen)
            k += 1
        return losses.stack(), sample.stack(), self._loss_after([flat, *others])

    def _loss_after(self, state: list[tf.Tensor]) -> tf.Tensor:
        return self._loss(state[0], state[1:], *self._data.validation)

    def _loss(
        self, flat: tf.Tensor, others: list[tf.Tensor], x: tf.Tensor, y: tf.Tensor
    ) -> tf.Tensor:
        predicted, _ = self._called(flat, others, x, training=False)
        return tf.reduce_mean(self._loss_of(y, predicted))

    def _called(
        self, flat: tf.Tensor, others: list[tf.Tensor], x: tf.Tensor, training: bool
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        parts = tf.split(flat, [int(np.prod(shape)) for shape in self._shapes])
        weights = [tf.reshape(p, shape) for p, shape in zip(parts, self._shapes, strict=True)]
        return self._model.stateless_call(weights, others, x, training=training)


def _stepped(
    update: tf.Tensor,
    flat: tf.Tensor,
    slots: list[tf.Tensor],
    gradient: tf.Tensor,
    lr: tf.Tensor,
    k: tf.Tensor,
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Return the weights and what the optimizer remembers after step k."""
    momentum, scaled, beta_1, beta_2, corrected, decay, inside, outside = tf.unstack(update)
    step = tf.cast(k + 1, tf.float32)
    velocity = momentum * slots[0] - lr * gradient
    mean = beta_1 * slots[1] + (1 - beta_1) * gradient
    square = beta_2 * slots[2] + (1 - beta_2) * gradient**2
    correction = tf.where(corrected > 0, tf.sqrt(1 - beta_2**step) / (1 - beta_1**step), 1.0)
    adaptive = -lr * correction * mean / (tf.sqrt(square + inside) + outside)
    moved = tf.where(scaled > 0, adaptive, velocity)
    return flat * (1 - lr * decay) + moved, [velocity, mean, square]
