"""A second test sees what a first `fit` would see, whatever was changed in between."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import lrwidget
from lrwidget.core.engine import choice
from lrwidget.core.model import fingerprint

X = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
Y = X.sum(axis=1, keepdims=True)
FACTOR = 1.0
SETTINGS = {"by key": [1.0]}


def data():
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(8)


class Scaled(layers.Layer):
    """A layer whose output depends on plain attributes, its own and two levels down."""

    def __init__(self):
        super().__init__()
        self.scale = 1.0
        self.nested = SimpleNamespace(inner={"scales": [1.0, 1.0]})
        self.inside = layers.Dropout(0.1, seed=1)

    def call(self, x):
        return self.inside(x, training=True) * self.scale * self.nested.inner["scales"][1]


class ScaledError(keras.losses.Loss):
    def __init__(self):
        super().__init__()
        self.weight = 1.0

    def call(self, y, predicted):
        return self.weight * keras.ops.mean(keras.ops.square(y - predicted), axis=-1)


class Annealed(keras.Model):
    """A model with plain attributes of many kinds, each of which its loss reads."""

    unit = 1.0

    def __init__(self):
        super().__init__()
        self.scaled = Scaled()
        self.before = layers.Dense(4, kernel_initializer="ones")
        self.dense = layers.Dense(1, kernel_initializer="ones")
        self.beta = 1.0
        self.betas = {"first": {"second": 1.0}}
        self.listed = [1.0, 1.0]
        self.array = np.ones(3)
        self.penalty = lambda: FACTOR
        self.anneal = SimpleNamespace(steps=[0], value=lambda: self.beta)

    def call(self, x):
        return self.dense(self.before(self.scaled(x)))

    def compute_loss(self, *args, **kwargs):
        weight = self.beta * self.betas["first"]["second"] * self.listed[1]
        weight = weight * float(self.array.mean()) * self.unit * self.penalty() * hidden_factor()
        return weight * super().compute_loss(*args, **kwargs)


def hidden_factor():
    return SETTINGS["by key"][0]


def model():
    model = Annealed()
    model.compile(keras.optimizers.SGD(0.01, momentum=0.0), ScaledError())
    model(X)
    return model


def change_attribute(model, _monkeypatch):
    model.beta = 10.0


def change_nested_dict(model, _monkeypatch):
    model.betas["first"]["second"] = 10.0


def change_list_element(model, _monkeypatch):
    model.listed[1] = 10.0


def change_array_in_place(model, _monkeypatch):
    model.array[:] = 10.0


def change_class_attribute(_model, monkeypatch):
    monkeypatch.setattr(Annealed, "unit", 10.0)


def change_function(model, _monkeypatch):
    model.penalty = lambda: 10.0


def change_global(_model, monkeypatch):
    monkeypatch.setitem(globals(), "FACTOR", 10.0)


def change_container_of_a_called_function(_model, monkeypatch):
    monkeypatch.setitem(SETTINGS, "by key", [10.0])


def change_called_function(_model, monkeypatch):
    monkeypatch.setitem(globals(), "hidden_factor", lambda: 10.0)


def change_attribute_of_the_loss(model, _monkeypatch):
    model.loss.weight = 10.0


def change_attribute_of_a_layer(model, _monkeypatch):
    model.scaled.scale = 0.0


def change_two_levels_down(model, _monkeypatch):
    model.scaled.nested.inner["scales"][1] = 0.0


def change_dropout(model, _monkeypatch):
    model.scaled.inside.rate = 0.9


def change_method(model, monkeypatch):
    own = Annealed.compute_loss
    monkeypatch.setattr(Annealed, "compute_loss", lambda *a, **k: 10.0 * own(*a, **k))


CHANGES = [value for name, value in globals().items() if name.startswith("change_")]


def first_loss(model):
    return lrwidget.range_test(model, data(), steps=4, min_lr=1e-9, max_lr=1e-8).losses[0]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_the_second_test_sees_a_change(change, monkeypatch):
    tested, fresh = model(), model()
    before = first_loss(tested)
    change(tested, monkeypatch)
    change(fresh, monkeypatch)
    after = first_loss(tested)
    assert abs(after - before) > 0.01 * before
    assert after == pytest.approx(first_loss(fresh), rel=1e-5)


HYPERPARAMETERS = {"momentum": 0.9, "weight_decay": 0.5, "clipnorm": 1e-3, "clipvalue": 1e-3}


@pytest.mark.parametrize("name", HYPERPARAMETERS)
def test_the_second_test_sees_a_changed_hyperparameter(name):
    def curve(model):
        return lrwidget.range_test(model, data(), steps=8, min_lr=0.01, max_lr=0.05, seed=0).losses

    tested, fresh = model(), model()
    if name == "momentum":  # a plain SGD has no slots for it
        for each in (tested, fresh):
            each.compile(keras.optimizers.SGD(0.01, momentum=0.1), ScaledError())
    before = curve(tested)
    for each in (tested, fresh):
        setattr(each.optimizer, name, HYPERPARAMETERS[name])
    after = curve(tested)
    assert not np.allclose(before, after, rtol=1e-3)
    assert after == pytest.approx(curve(fresh), rel=1e-4)


def test_the_second_test_sees_frozen_and_thawed_layers():
    tested = model()
    settings = {"steps": 8, "min_lr": 0.01, "max_lr": 0.05, "seed": 0}
    free = lrwidget.range_test(tested, data(), **settings).losses
    tested.dense.trainable = False
    frozen = lrwidget.range_test(tested, data(), **settings).losses
    tested.dense.trainable = True
    again = lrwidget.range_test(tested, data(), **settings).losses
    assert not np.allclose(free, frozen, rtol=1e-3)
    np.testing.assert_array_equal(free, again)


def test_what_a_fit_and_other_calls_note_down_does_not_trace_again():
    tested = model()
    tested.fit(data(), verbose=0, shuffle=False)  # builds the optimizer's slots
    first_loss(tested)
    kept = choice._kept[tested][1]
    tested.fit(data(), verbose=0, shuffle=False)
    tested.evaluate(data(), verbose=0)
    tested.predict(X, verbose=0)
    lrwidget.apply_lr(tested, 0.02)
    first_loss(tested)
    assert choice._kept[tested][1] is kept
    assert kept.traces == 1


def test_a_second_test_of_an_optimizer_that_is_not_built_does_not_trace_again():
    tested = model()
    first_loss(tested)
    kept = choice._kept[tested][1]
    first_loss(tested)
    assert not tested.optimizer.built
    assert choice._kept[tested][1] is kept
    assert kept.traces == 1


@pytest.mark.parametrize("limit", ["_MOST_OBJECTS", "_MOST_BYTES"])
def test_more_in_reach_of_the_model_than_can_be_compared_is_traced_again(limit, monkeypatch):
    monkeypatch.setattr(fingerprint, limit, 4_000)
    tested = model()
    tested.all_numbers = {str(number): [number] for number in range(5_000)}
    tested.all_bytes = np.zeros(5_000, "uint8")
    before = first_loss(tested)
    tested.beta = 10.0
    assert first_loss(tested) > 2 * before


class CountsPythonSteps(keras.Model):
    """Counts how often the Python code of its step runs."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)
        self.python_steps = []

    def call(self, x):
        self.python_steps.append(1)
        return self.dense(x)


def test_the_second_test_runs_eagerly_where_that_was_set_after_the_first():
    tested = CountsPythonSteps()
    tested.compile("sgd", "mse")
    settings = {"steps": 8, "min_lr": 1e-4, "max_lr": 1e-3, "seed": 0}
    lrwidget.range_test(tested, data(), **settings)
    tested.run_eagerly = True
    counts = []
    lrwidget.range_test(
        tested, data(), **settings, on_update=lambda _: counts.append(len(tested.python_steps))
    )
    assert counts[-1] >= 8


def test_the_second_test_compiles_by_xla_where_that_was_set_after_the_first():
    import tensorflow as tf

    def not_for_xla(x):
        return tf.ensure_shape(tf.py_function(lambda value: value, [x], tf.float32), x.shape)

    inputs = keras.Input((3,), batch_size=4)
    tested = keras.Model(inputs, layers.Dense(1)(layers.Lambda(not_for_xla)(inputs)))
    tested.compile("sgd", "mse", jit_compile=False)
    batches = [(np.zeros((4, 3), "float32"), np.zeros((4, 1), "float32"))]
    lrwidget.range_test(tested, batches, steps=4)
    tested.jit_compile = True
    with pytest.raises(tf.errors.InvalidArgumentError):
        lrwidget.range_test(tested, batches, steps=4)
