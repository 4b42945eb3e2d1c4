"""The monitor records the true loss and learning rate of every step, and changes no number."""

import keras
import numpy as np
import pandas as pd
import pytest
from keras import layers

from lrwidget.core.monitor import Monitor
from lrwidget.schedules import OneCycle, OneCycleMomentum
from tests.core.battery import OwnTrainStep, features

SAMPLES, BATCH = 44, 10  # the last batch is smaller
X = np.random.default_rng(0).normal(size=(SAMPLES, 5)).astype("float32")
Y = 100.0 * X[:, :2].sum(axis=1, keepdims=True)
WEIGHTS = np.linspace(0.1, 3.0, SAMPLES)


def make_model(lr=0.05, **options):
    keras.utils.set_random_seed(0)
    hidden = layers.Dense(4, kernel_regularizer="l2")
    model = keras.Sequential([keras.Input((5,)), hidden, layers.Dropout(0.2), layers.Dense(1)])
    model.compile(keras.optimizers.Adam(lr), "mse", metrics=["mae"], **options)
    return model


def fit(model, *callbacks, **options):
    settings = {"batch_size": BATCH, "shuffle": False, "verbose": 0, "epochs": 2}
    weights = {"sample_weight": WEIGHTS}
    return model.fit(X, Y, callbacks=list(callbacks), **(settings | weights | options))


def losses_one_by_one(model, epochs=2):
    """The loss of every batch from `train_on_batch`, on metrics just reset."""
    found = []
    for start in [*range(0, SAMPLES, BATCH)] * epochs:
        batch = slice(start, start + BATCH)
        model.reset_metrics()
        logs = model.train_on_batch(X[batch], Y[batch], WEIGHTS[batch], return_dict=True)
        found.append(logs["loss"])
    return found


OPTIONS = {
    "graph": {},
    "XLA": {"jit_compile": True},
    "eager": {"run_eagerly": True},
    "three steps a call": {"steps_per_execution": 3},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_every_step_has_the_loss_of_its_batch_alone(options):
    monitor = Monitor()
    fit(make_model(**options), monitor)
    # XLA draws other numbers for the dropout.
    other = make_model(jit_compile=options.get("jit_compile", False))
    assert monitor.losses == pytest.approx(losses_one_by_one(other), rel=1e-4)
    assert monitor.epochs.tolist() == [0] * 5 + [1] * 5


@pytest.mark.parametrize("options", [{}, {"steps_per_execution": 3}], ids=["graph", "three steps"])
def test_history_weights_and_metrics_are_the_same_as_without_it(options):
    watched, alone = make_model(**options), make_model(**options)
    history = fit(watched, Monitor(), validation_split=0.2).history
    expected = fit(alone, validation_split=0.2).history
    rates = history.pop("learning_rate")
    assert history == expected
    assert rates == pytest.approx([0.05, 0.05])
    for one, other in zip(watched.variables, alone.variables, strict=True):
        assert np.array_equal(one.numpy(), other.numpy())


def given_loss(y, predicted):
    return y + 0.0 * predicted


def test_a_small_loss_after_a_large_one_keeps_its_digits():
    """The running mean would have lost it: it is a hundred-millionth of the sum."""
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(1e-30), loss=given_loss)
    losses = np.array([1e6] * 4 + [1e-2, 3e-3])
    monitor = Monitor()
    model.fit(losses[:, None], losses, batch_size=1, shuffle=False, verbose=0, callbacks=[monitor])
    assert monitor.losses == pytest.approx(losses, rel=1e-6)


def test_more_steps_than_fit_into_the_buffer_are_all_there():
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, use_bias=False)])
    schedule = OneCycle(0.1, 1500)
    model.compile(keras.optimizers.SGD(schedule), loss=given_loss)
    losses = np.arange(1500.0)
    monitor = Monitor()
    model.fit(losses[:, None], losses, batch_size=1, shuffle=False, verbose=0, callbacks=[monitor])
    assert np.array_equal(monitor.losses, losses)
    assert monitor.lrs == pytest.approx(np.asarray(schedule(np.arange(1500))), rel=1e-5)


class Halving(keras.callbacks.Callback):
    """User code that moves the learning rate after every batch."""

    def on_train_batch_end(self, batch, logs=None):
        self.model.optimizer.learning_rate = self.model.optimizer.learning_rate * 0.5


def plateau():
    return keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=0, min_delta=1e9)


MOVERS = {
    "user code": ([Halving()], 0.5 ** np.arange(10)),
    "scheduler": (
        [keras.callbacks.LearningRateScheduler(lambda epoch: 0.05 * (epoch + 1))],
        [1] * 5 + [2] * 5,
    ),
    "plateau": ([plateau()], [1] * 5 + [1] * 5),
}


@pytest.mark.parametrize(("callbacks", "factors"), MOVERS.values(), ids=MOVERS)
@pytest.mark.parametrize("first", [True, False], ids=["monitor first", "monitor last"])
def test_whatever_moves_the_learning_rate_is_seen(callbacks, factors, first):
    monitor = Monitor()
    order = [monitor, *callbacks] if first else [*callbacks, monitor]
    history = fit(make_model(), *order).history
    assert monitor.lrs == pytest.approx(0.05 * np.array(factors), rel=1e-5)
    assert history["learning_rate"] == pytest.approx(monitor.lrs[[4, 9]])


@pytest.mark.parametrize("first", [True, False], ids=["monitor first", "monitor last"])
def test_it_works_beside_a_moving_momentum(first):
    def trained(*callbacks):
        model = make_model(OneCycle(0.05, 10))
        fit(model, *callbacks)
        return model.get_weights()

    monitor = Monitor()
    callbacks = [monitor, OneCycleMomentum(10)]
    together = trained(*(callbacks if first else callbacks[::-1]))
    alone = trained(OneCycleMomentum(10))
    assert all(np.array_equal(a, b) for a, b in zip(together, alone, strict=True))
    assert monitor.lrs == pytest.approx(np.asarray(OneCycle(0.05, 10)(np.arange(10))))


def test_an_own_train_step_is_recorded_too():
    x, y = features(), features()[:, :1]
    keras.utils.set_random_seed(0)
    model, other = OwnTrainStep(), OwnTrainStep()
    for each in (model, other):
        each.compile("sgd")
        each(x[:1])
    other.set_weights(model.get_weights())
    monitor = Monitor()
    watched = model.fit(x, y, batch_size=30, shuffle=False, verbose=0, callbacks=[monitor])
    expected = other.fit(x, y, batch_size=30, shuffle=False, verbose=0).history
    assert {name: watched.history[name] for name in expected} == expected
    sizes = [min(30, len(x) - start) for start in range(0, len(x), 30)]
    assert len(monitor.losses) == len(sizes)
    # This step tells its tracker the loss without the size of the batch.
    assert monitor.losses.mean() == pytest.approx(expected["loss"][0], rel=1e-5)


def test_several_fits_follow_one_another_in_one_frame():
    model, monitor = make_model(), Monitor()
    fit(model, monitor, validation_data=(X, Y))
    fit(model, monitor, epochs=1)
    frame = monitor.to_frame()
    assert list(frame) == ["step", "epoch", "lr", "loss", "validation_loss"]
    assert frame["step"].tolist() == list(range(15))
    assert frame["epoch"].tolist() == [0] * 5 + [1] * 5 + [0] * 5
    assert frame.index[frame["validation_loss"].notna()].tolist() == [4, 9]


def test_without_validation_there_is_no_column_for_it():
    monitor = Monitor()
    assert isinstance(monitor.to_frame(), pd.DataFrame)
    fit(make_model(), monitor)
    assert list(monitor.to_frame()) == ["step", "epoch", "lr", "loss"]


class Stumble(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 2:
            raise RuntimeError("stumbled")


def test_a_fit_that_fails_leaves_its_steps_and_a_model_that_trains_as_before():
    model, alone = make_model(), make_model()
    monitor = Monitor()
    for each in ([monitor], []):
        with pytest.raises(RuntimeError, match="stumbled"):
            fit(model if each else alone, *each, Stumble())
    assert len(monitor.losses) == 3
    later = Monitor()
    assert fit(model).history == fit(alone).history
    fit(model, later)
    assert (len(monitor.losses), len(later.losses)) == (3, 10)


def test_a_compiled_model_is_traced_once_for_all_monitors():
    traces = []

    class Traced(layers.Layer):
        def call(self, x):
            traces.append(1)
            return x

    model = keras.Sequential([keras.Input((5,)), Traced(), layers.Dense(1)])
    model.compile("sgd", "mse")
    fit(model, Monitor())
    before = len(traces)
    for _ in range(3):
        fit(model, Monitor())
    assert len(traces) == before


def test_two_monitors_on_one_fit_record_the_same():
    one, other = Monitor(), Monitor()
    fit(make_model(), one, other)
    assert len(one.losses) == 10
    assert np.array_equal(one.losses, other.losses)


def test_a_model_without_a_loss_in_its_logs_gets_no_invented_one():
    class Silent(OwnTrainStep):
        def train_step(self, data):
            logs = super().train_step(data)
            return {"error": logs["error"]}

        @property
        def metrics(self):
            return [self.error]

    model = Silent()
    model.compile("sgd")
    monitor = Monitor()
    model.fit(features(), features()[:, :1], batch_size=30, verbose=0, callbacks=[monitor])
    assert np.isnan(monitor.losses).all()
    assert monitor.lrs == pytest.approx(np.full(len(monitor.lrs), 0.01))
