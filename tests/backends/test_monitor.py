"""The monitor records the true loss and learning rate of every step, and changes no number."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest
from keras import layers, ops

from lrwidget.core.monitor.monitor import Monitor
from lrwidget.errors import ModelError
from lrwidget.schedules import OneCycle, OneCycleMomentum
from tests.core.own_steps import OwnLoss, OwnNames, OwnTrainStep

BACKEND = keras.backend.backend()
not_on_torch = pytest.mark.skipif(BACKEND == "torch", reason="PyTorch's steps are not compiled")
only_on_jax = pytest.mark.skipif(BACKEND != "jax", reason="runs where this file runs on JAX")

SAMPLES, BATCH = 44, 10  # the last batch is smaller
X = np.random.default_rng(0).normal(size=(SAMPLES, 5)).astype("float32")
Y = 100.0 * X[:, :2].sum(axis=1, keepdims=True)
WEIGHTS = np.linspace(0.1, 3.0, SAMPLES)
# PyTorch's data loader draws a random number, so that `train_on_batch` would drop others.
DROPOUT = 0.0 if BACKEND == "torch" else 0.2


def make_model(lr=0.05, **options):
    keras.utils.set_random_seed(0)
    hidden = layers.Dense(4, kernel_regularizer="l2")
    model = keras.Sequential([keras.Input((5,)), hidden, layers.Dropout(DROPOUT), layers.Dense(1)])
    model.compile(keras.optimizers.Adam(lr), "mse", metrics=["mae"], **options)
    return model


def fit(model, *callbacks, **options):
    keras.utils.set_random_seed(1)
    settings = {"batch_size": BATCH, "shuffle": False, "verbose": 0, "epochs": 2}
    weights = {"sample_weight": WEIGHTS}
    return model.fit(X, Y, callbacks=list(callbacks), **(settings | weights | options))


def losses_one_by_one(model, epochs=2):
    """The loss of every batch from `train_on_batch`, on metrics just reset."""
    keras.utils.set_random_seed(1)
    found = []
    for start in [*range(0, SAMPLES, BATCH)] * epochs:
        batch = slice(start, start + BATCH)
        model.reset_metrics()
        logs = model.train_on_batch(X[batch], Y[batch], WEIGHTS[batch], return_dict=True)
        found.append(logs["loss"])
    return found


def numbers(variables):
    return [ops.convert_to_numpy(variable) for variable in variables]


def equal(some, others):
    return all(np.array_equal(one, other) for one, other in zip(some, others, strict=True))


def of_keras(history):
    """What a history holds without a monitor."""
    ours = {"learning_rate", "step_lr", "step_loss"}
    return {name: values for name, values in history.items() if name not in ours}


OPTIONS = {"as compiled": {}, "eager": {"run_eagerly": True}}
if BACKEND != "torch":
    OPTIONS["XLA"] = {"jit_compile": True}
    OPTIONS["three steps a call"] = {"steps_per_execution": 3}
each_option = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
FAST = {name: options for name, options in OPTIONS.items() if name != "XLA"}
each_fast_option = pytest.mark.parametrize("options", FAST.values(), ids=FAST)


@each_option
def test_every_step_has_the_loss_of_its_batch_alone(options):
    monitor = Monitor()
    fit(make_model(**options), monitor)
    # XLA draws other numbers for the dropout.
    other = make_model(jit_compile=options.get("jit_compile", False))
    np.testing.assert_allclose(monitor.losses, losses_one_by_one(other), rtol=1e-4)
    assert monitor.epochs.tolist() == [0] * 5 + [1] * 5


@each_option
def test_history_weights_and_metrics_are_the_same_as_without_it(options):
    watched, alone = make_model(**options), make_model(**options)
    history = fit(watched, Monitor(), validation_split=0.2).history
    expected = fit(alone, validation_split=0.2).history
    assert of_keras(history) == expected
    assert history["learning_rate"] == pytest.approx([0.05, 0.05])
    assert equal(numbers(watched.variables), numbers(alone.variables))


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
    schedule = OneCycle(0.1, 5000)
    model.compile(keras.optimizers.SGD(schedule), loss=given_loss)
    losses = np.arange(5000.0)
    monitor = Monitor()
    model.fit(losses[:, None], losses, batch_size=1, shuffle=False, verbose=0, callbacks=[monitor])
    assert np.array_equal(monitor.losses, losses)
    assert monitor.lrs == pytest.approx(numbers([schedule(np.arange(5000))])[0], rel=1e-5)


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
    assert equal(together, alone)
    assert monitor.lrs == pytest.approx(numbers([OneCycle(0.05, 10)(np.arange(10))])[0])


class Logs(keras.callbacks.Callback):
    """Notes all that other callbacks are told."""

    def __init__(self):
        super().__init__()
        self.of_batches, self.of_epochs = [], []

    def on_train_batch_end(self, batch, logs=None):
        self.of_batches.append(dict(logs))

    def on_epoch_end(self, epoch, logs=None):
        self.of_epochs.append(dict(logs))


BOOKS = {
    "running mean": lambda: OwnTrainStep(True, True, "running mean"),
    "running mean beside Keras'": lambda: OwnTrainStep(False, True, "running mean"),
    "loss without a running mean": lambda: OwnTrainStep(False, False, "loss"),
    "loss beside a running mean": lambda: OwnTrainStep(True, True, "loss"),
    "own loss in Keras' step": OwnLoss,
    "running mean of another name": lambda: OwnNames(True),
    "running mean of another name beside Keras'": lambda: OwnNames(False),
}


def trained_on_own_step(make, *callbacks, **options):
    keras.utils.set_random_seed(0)
    model, logs = make(), Logs()
    model.compile("sgd", "mse", **options)
    settings = {"batch_size": BATCH, "shuffle": False, "verbose": 0, "epochs": 2}
    history = model.fit(X, Y, callbacks=[*callbacks, logs], **settings).history
    return of_keras(history), logs.of_batches, numbers(model.variables)


@each_fast_option
@pytest.mark.parametrize("make", BOOKS.values(), ids=BOOKS)
def test_an_own_step_is_recorded_and_reports_what_it_does_without_a_monitor(make, options):
    monitor = Monitor()
    *reports, weights = trained_on_own_step(make, monitor, **options)
    *expected, expected_weights = trained_on_own_step(make, **options)
    assert reports == expected
    assert equal(weights, expected_weights)
    plain = trained_on_own_step(lambda: OwnTrainStep(False, False, "loss"))[1]
    assert monitor.losses == pytest.approx([logs["loss"] for logs in plain], rel=1e-5)


def test_the_loss_can_have_any_name():
    named, plain = Monitor(monitor="d_loss"), Monitor()
    trained_on_own_step(lambda: OwnNames(True, "d_loss", "d_loss"), named)
    trained_on_own_step(lambda: OwnTrainStep(False, False, "loss"), plain)
    assert named.losses == pytest.approx(plain.losses, rel=1e-5)


@pytest.mark.parametrize("make", [make_model, lambda: trained(OwnNames(True))])
def test_a_loss_that_is_not_reported_is_refused(make):
    model = make()
    with pytest.raises(ModelError, match="'g_loss'"):
        model.fit(X, Y, verbose=0, callbacks=[Monitor(monitor="g_loss")])
    if BACKEND != "jax":  # there, Keras leaves a model whose step raised without its weights
        model.fit(X, Y, verbose=0)


def trained(model):
    keras.utils.set_random_seed(0)
    model.compile("sgd", "mse")
    return model


def with_two_optimizers():
    model = trained(OwnTrainStep(True, True, "running mean"))
    model.second_optimizer = keras.optimizers.SGD(0.5)
    return model


def test_of_several_optimizers_one_has_to_be_chosen():
    model = with_two_optimizers()
    with pytest.raises(ModelError, match=r"2 optimizer.*optimizer=model\.optimizer"):
        model.fit(X, Y, verbose=0, callbacks=[Monitor()])
    with pytest.raises(ModelError, match="got optimizer="):
        model.fit(X, Y, verbose=0, callbacks=[Monitor(keras.optimizers.SGD(0.5))])
    chosen = Monitor(model.optimizer)
    model.fit(X, Y, verbose=0, callbacks=[chosen])
    assert chosen.lrs == pytest.approx([0.01, 0.01])


@pytest.mark.skipif(BACKEND == "jax", reason="a step of JAX is given the model's optimizer alone")
def test_two_monitors_record_an_optimizer_each():
    model = with_two_optimizers()
    monitors = [Monitor(model.optimizer), Monitor(model.second_optimizer)]
    for epochs in (1, 2):
        model.fit(X, Y, batch_size=BATCH, verbose=0, epochs=epochs, callbacks=monitors)
    assert monitors[0].lrs == pytest.approx(np.full(15, 0.01))
    assert monitors[1].lrs == pytest.approx(np.full(15, 0.5))
    assert equal([monitors[0].losses], [monitors[1].losses])


def test_two_monitors_record_a_loss_each_and_the_logs_stay_the_same():
    monitors = Monitor(), Monitor(monitor="penalty")
    *reports, _ = trained_on_own_step(lambda: OwnNames(True), *monitors)
    assert reports == list(trained_on_own_step(lambda: OwnNames(True))[:2])
    assert monitors[1].losses == pytest.approx(np.sqrt(monitors[0].losses), rel=1e-5)


@only_on_jax
def test_another_optimizer_is_refused_on_jax():
    model = with_two_optimizers()
    with pytest.raises(ModelError, match="Pass one of these"):
        model.fit(X, Y, verbose=0, callbacks=[Monitor(model.second_optimizer)])


class OfTheUsers(keras.metrics.Mean):
    def __init__(self):
        super().__init__(name="loss")


class Doubled(OfTheUsers):
    def update_state(self, values, sample_weight=None):
        super().update_state(2 * values, sample_weight)


class DoubledByName(Doubled):
    def __init__(self, name="loss", dtype=None):
        super().__init__()


@pytest.mark.parametrize(("kind", "factor"), [(OfTheUsers, 1), (DoubledByName, 2)])
def test_a_running_mean_of_the_users_own_kind_is_listened_to(kind, factor):
    def make():
        model = OwnTrainStep(True, True, "running mean")
        model.tracker = kind()
        return model

    monitor, plain = Monitor(), Monitor()
    reports = trained_on_own_step(make, monitor)[:2]
    assert reports == trained_on_own_step(make)[:2]
    trained_on_own_step(lambda: OwnTrainStep(True, True, "running mean"), plain)
    assert monitor.losses == pytest.approx(factor * plain.losses)


@pytest.mark.skipif(BACKEND == "jax", reason="JAX needs no second one")
def test_a_running_mean_of_which_there_is_no_second_is_refused():
    model = OwnTrainStep(True, True, "running mean")
    model.tracker = Doubled()
    with pytest.raises(ModelError, match=r"cannot copy Doubled.*get_config"):
        trained_on_own_step(lambda: model, Monitor())


def test_a_model_without_a_loss_in_its_logs_gets_no_invented_one():
    monitor = Monitor()
    trained_on_own_step(lambda: OwnTrainStep(True, False, "nothing"), monitor)
    assert np.isnan(monitor.losses).all()
    assert monitor.lrs == pytest.approx(np.full(10, 0.01))


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
    def __init__(self, error, hook, at):
        super().__init__()
        setattr(self, hook, self.stumble)
        self.error, self.at = error, at

    def stumble(self, number, logs=None):
        if number == self.at:
            raise self.error


ENDS = {
    "another callback": lambda: Stumble(RuntimeError("stumbled"), "on_train_batch_begin", 3),
    "interrupted": lambda: Stumble(KeyboardInterrupt("stumbled"), "on_train_batch_begin", 3),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_fit_left_early_leaves_its_steps_and_a_model_that_trains_as_before(end):
    model, alone = make_model(), make_model()
    monitor = Monitor()
    for each in ([monitor], []):
        with pytest.raises((RuntimeError, KeyboardInterrupt), match="stumbled"):
            fit(model if each else alone, *each, end())
    assert len(monitor.losses) == 3
    later = Monitor()
    assert fit(model).history == fit(alone).history
    fit(model, later)
    assert (len(monitor.losses), len(later.losses)) == (3, 10)
    assert vars(model).keys() == vars(alone).keys()


@pytest.mark.parametrize(
    ("callback", "at"), [(Monitor(), 1), (OneCycleMomentum(10), 0)], ids=["monitor", "momentum"]
)
def test_steps_by_hand_after_an_interrupted_fit_are_made_as_ever_and_not_recorded(callback, at):
    watched, alone = make_model(), make_model()
    for model, callbacks in ((watched, [callback]), (alone, [])):
        with pytest.raises(KeyboardInterrupt):
            fit(model, *callbacks, Stumble(KeyboardInterrupt(), "on_epoch_begin", at))
        losses_one_by_one(model)
    assert equal(watched.get_weights(), alone.get_weights())
    assert len(getattr(callback, "losses", [])) == 5 * at


def test_a_fit_that_ended_leaves_nothing_on_the_model():
    watched, alone = make_model(), make_model()
    fit(watched, Monitor())
    fit(alone)
    assert type(watched.train_function) is type(alone.train_function)
    for one, other in zip([watched, *watched.metrics], [alone, *alone.metrics], strict=True):
        assert vars(one).keys() == vars(other).keys()


def four_batches(error=None):
    for start in range(0, 4 * BATCH, BATCH):
        yield X[start : start + BATCH], Y[start : start + BATCH]
    if error is not None:
        raise error


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@each_fast_option
def test_data_that_end_unforeseen_or_fail_leave_the_steps_before_and_no_other(options):
    monitor = Monitor()
    settings = {"shuffle": False, "verbose": 0, "callbacks": [monitor]}
    make_model(**options).fit(four_batches(), **settings)
    with pytest.raises(Exception, match="no more data"):
        make_model(**options).fit(four_batches(RuntimeError("no more data")), **settings)
    assert len(monitor.to_frame()) == 8
    assert (monitor.losses > 0).all()


@each_fast_option
def test_history_has_the_steps_of_every_epoch(options):
    monitor = Monitor()
    history = fit(make_model(OneCycle(0.05, 10), **options), monitor, validation_split=0.2).history
    frame = monitor.to_frame()
    for name, column in (("step_lr", "lr"), ("step_loss", "loss")):
        assert history[name] == [group.tolist() for _, group in frame.groupby("epoch")[column]]
        assert [len(values) for values in history[name]] == [4, 4]
    assert len(pd.DataFrame(history)) == 2
    assert json.loads(json.dumps(history)) == history


def test_other_callbacks_are_told_numbers_only(tmp_path):
    logs, table = Logs(), keras.callbacks.CSVLogger(tmp_path / "log.csv")
    fit(make_model(), table, Monitor(), logs, plateau(), keras.callbacks.EarlyStopping("loss"))
    told = [value for each in logs.of_batches + logs.of_epochs for value in each.values()]
    assert all(np.ndim(value) == 0 for value in told)
    assert not {"step_lr", "step_loss"} & set().union(*logs.of_batches, *logs.of_epochs)
    assert "step_" not in (tmp_path / "log.csv").read_text()


@pytest.mark.parametrize(
    ("hook", "at", "first"),
    [
        ("on_train_batch_end", 2, True),
        ("on_train_batch_end", 2, False),
        ("on_epoch_begin", 1, True),
        ("on_epoch_end", 1, True),
        ("on_epoch_end", 1, False),
    ],
)
def test_the_history_of_an_interrupted_fit_has_its_finished_epochs(hook, at, first):
    class FromTheSecondEpochOn(Stumble):
        def stumble(self, number, logs=None):
            if self.model.history.history:
                super().stumble(number, logs)

    model, monitor = make_model(), Monitor()
    end = FromTheSecondEpochOn(KeyboardInterrupt(), hook, at)
    with pytest.raises(KeyboardInterrupt):
        fit(model, *([monitor, end] if first else [end, monitor]))
    assert model.history.history["step_loss"] == [monitor.losses[:5].tolist()]
    assert len(pd.DataFrame(model.history.history)) == 1


def test_a_history_of_the_users_own_goes_on_from_one_fit_to_the_next():
    history, monitor, model = keras.callbacks.History(), Monitor(), make_model()
    for _ in range(2):
        fit(model, monitor, Monitor(), history, epochs=1)
    assert history.history["step_loss"] == [part.tolist() for part in np.split(monitor.losses, 2)]
    assert len(pd.DataFrame(history.history)) == 2


@not_on_torch
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


@only_on_jax
def test_steps_that_nothing_can_be_added_to_are_refused_before_training(monkeypatch):
    monkeypatch.setattr(keras.config, "is_nnx_enabled", lambda: True)
    model = make_model()
    before = model.get_weights()
    with pytest.raises(ModelError, match="KERAS_NNX_ENABLED=false"):
        fit(model, Monitor())
    assert equal(model.get_weights(), before)


ON_TWO_DEVICES = """
import keras, jax, numpy as np
from tests.backends.test_monitor import Monitor, equal, fit, make_model, of_keras

assert len(jax.devices()) == 2
alone = Monitor()
fit(make_model(), alone, batch_size=4)
mesh = keras.distribution.DeviceMesh((1, 2), ["batch", "model"])
layout = keras.distribution.LayoutMap(mesh)
layout["dense.*kernel"] = ("model", None)
for distribution in (
    keras.distribution.DataParallel(),
    keras.distribution.ModelParallel(layout_map=layout, batch_dim_name="batch"),
):
    keras.distribution.set_distribution(distribution)
    watched, other, monitor = make_model(), make_model(), Monitor()
    history = fit(watched, monitor, batch_size=4).history
    assert of_keras(history) == fit(other, batch_size=4).history
    assert equal(watched.get_weights(), other.get_weights())
    np.testing.assert_allclose(monitor.losses, alone.losses, rtol=1e-4)
"""


@pytest.mark.skipif(BACKEND != "tensorflow", reason="starts JAX itself")
def test_several_devices_of_jax_are_recorded_as_one():
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    environment = os.environ | flags | {"KERAS_BACKEND": "jax", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-c", ON_TWO_DEVICES]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_notebook_shows_a_monitor_as_a_picture_and_a_script_as_one_line():
    monitor = Monitor()
    assert repr(monitor) == "Monitor(no steps yet)"
    assert monitor._repr_png_() is None
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.25), "mse")
    model.fit(np.zeros((8, 1)), np.zeros((8, 1)), batch_size=2, verbose=0, callbacks=[monitor])
    assert repr(monitor) == "Monitor(4 steps, last learning rate 2.50e-1, loss 0)"
    assert monitor._repr_png_().startswith(b"\x89PNG")
