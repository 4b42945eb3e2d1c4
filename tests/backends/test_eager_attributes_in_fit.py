"""What the Python code of an eager step changes comes back after LRRangeTest, on every backend."""

import keras
import numpy as np
import pytest

import lrwidget

X = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")


class Counting(keras.Model):
    """A model whose layer counts its calls in training, in several plain attributes."""

    def __init__(self):
        super().__init__()
        self.head = keras.layers.Dense(1)
        self.count, self.seen, self.options = 0, [], {"a": 1}
        self.buffer, self.noise = np.zeros(2), np.random.default_rng(1)

    def call(self, x, training=False):
        if training:
            self.count += 1
            self.seen.append(self.count)
            self.options["b"] = self.count
            self.buffer += 1
            self.noise.random()
        return self.head(x)

    def plain(self):
        state = self.noise.bit_generator.state["state"]["state"]
        return self.count, list(self.seen), dict(self.options), self.buffer.tolist(), state


class Failing(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 3:
            raise ZeroDivisionError


@pytest.mark.parametrize("fails", [False, True])
def test_plain_attributes_of_an_eager_model_come_back(fails):
    model = Counting()
    model.compile("sgd", "mse", run_eagerly=True)
    model.fit(X, X[:, :1], verbose=0)
    before = model.plain()
    finder = lrwidget.LRRangeTest(steps=6, max_lr=1e-3)
    callbacks = [finder, *([Failing()] if fails else [])]
    try:
        model.fit(X, X[:, :1], batch_size=8, epochs=3, verbose=0, callbacks=callbacks)
    except ZeroDivisionError:
        assert fails
    assert model.plain() == before


def test_what_a_callback_collects_meanwhile_is_kept():
    model = Counting()
    model.compile("sgd", "mse", run_eagerly=True)
    losses = []
    collect = keras.callbacks.LambdaCallback(on_train_batch_end=lambda b, logs: losses.append(b))
    finder = lrwidget.LRRangeTest(steps=6, max_lr=1e-3)
    model.fit(X, X[:, :1], batch_size=8, epochs=3, verbose=0, callbacks=[finder, collect])
    assert len(losses) == 6
