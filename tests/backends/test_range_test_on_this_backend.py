"""A range test on the backend that Keras runs on: true losses, and a model that comes back.

Written with Keras alone: `make test` runs this folder on TensorFlow and on JAX.
"""

import threading
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import lrwidget
from lrwidget.core.model.random_state import RandomState
from lrwidget.core.model.snapshot import state_variables

SAMPLES, FEATURES, CLASSES, BATCH = 60, 6, 3, 10
STEPS = 9
MODELS: dict[str, Callable[[], keras.Model]] = {}


def model(make):
    MODELS[make.__name__] = make
    return make


def compiled(model_: keras.Model, optimizer: Any = "adam", **settings: Any) -> keras.Model:
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model_.compile(optimizer, loss, metrics=["accuracy"], **settings)
    return model_


def dense(*between: keras.Layer) -> keras.Model:
    return keras.Sequential(
        [keras.Input((FEATURES,)), layers.Dense(8, "relu"), *between, layers.Dense(CLASSES)]
    )


@model
def plain():
    return compiled(dense())


@model
def not_built():
    return compiled(keras.Sequential([layers.Dense(8, "relu"), layers.Dense(CLASSES)]))


@model
def with_dropout_and_batch_statistics():
    return compiled(dense(layers.Dropout(0.3), layers.BatchNormalization()))


@model
def with_momentum():
    return compiled(dense(), keras.optimizers.SGD(0.01, momentum=0.9))


@model
def with_a_schedule():
    schedule = keras.optimizers.schedules.CosineDecay(0.01, decay_steps=40)
    return compiled(dense(), keras.optimizers.Adam(schedule))


@model
def with_gradient_accumulation():
    return compiled(dense(), keras.optimizers.Adam(gradient_accumulation_steps=2))


@model
def in_half_precision():
    policy = keras.mixed_precision.DTypePolicy("mixed_bfloat16")
    inputs = keras.Input((FEATURES,))
    hidden = layers.Dense(8, "relu", dtype=policy)(inputs)
    return compiled(keras.Model(inputs, layers.Dense(CLASSES, dtype="float32")(hidden)))


@model
def run_eagerly():
    return compiled(dense(), run_eagerly=True)


@model
def trained_before():
    trained = compiled(dense(layers.Dropout(0.3)))
    trained.fit(*arrays(), epochs=1, verbose=0)
    return trained


def arrays() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(SAMPLES, FEATURES)).astype("float32")
    return x, rng.integers(0, CLASSES, SAMPLES)


def batches() -> list[tuple[np.ndarray, np.ndarray]]:
    x, y = arrays()
    return [(x[i : i + BATCH], y[i : i + BATCH]) for i in range(0, SAMPLES, BATCH)]


def made(name: str) -> keras.Model:
    keras.utils.set_random_seed(3)
    return MODELS[name]()


def state_of(model_: keras.Model) -> list[tuple[Any, np.ndarray]]:
    return [(each, value_of(each)) for each in state_variables(model_)]


def value_of(variable: Any) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(variable.value))


def assert_unchanged(before: list[tuple[Any, np.ndarray]]) -> None:
    for variable, value in before:
        np.testing.assert_array_equal(value_of(variable), value)


def interrupted(update: Any) -> None:
    raise KeyboardInterrupt


WAYS_OUT: dict[str, Callable[[keras.Model], None]] = {}


def way_out(function):
    WAYS_OUT[function.__name__] = function
    return function


@way_out
def finished(model_):
    result = lrwidget.range_test(model_, arrays(), steps=STEPS, max_lr=1e-3, batch_size=BATCH)
    assert result.stop_reason == "finished"
    assert result.restored


@way_out
def in_two_sweeps_with_a_probe(model_):
    result = lrwidget.range_test(
        model_, arrays(), min_lr=None, max_lr=None, steps=40, sweeps=2, validation_data=arrays()
    )
    assert result.sweep_losses.shape[0] == 2
    assert result.restored


@way_out
def blown_up(model_):
    result = lrwidget.range_test(model_, batches(), steps=40, min_lr=1e2, max_lr=1e38)
    assert result.stop_reason in ("diverged", "non_finite")
    assert result.restored


@way_out
def stopped(model_):
    stop = threading.Event()
    result = lrwidget.range_test(
        model_, arrays(), steps=100_000, stop=stop, on_update=lambda _update: stop.set()
    )
    assert result.stop_reason == "stopped"


@way_out
def left_by_an_interrupt(model_):
    with pytest.raises(KeyboardInterrupt):
        lrwidget.range_test(model_, arrays(), steps=STEPS, on_update=interrupted)


@way_out
def left_by_an_error_of_the_data(model_):
    def data():
        yield from batches()[:3]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        lrwidget.range_test(model_, data, steps=STEPS)


@way_out
def refused_for_data_of_a_wrong_shape(model_):
    with pytest.raises(Exception, match=r"\S"):
        lrwidget.range_test(model_, (np.zeros((20, 2, 7, 3)), np.zeros(20)), steps=STEPS)


@pytest.mark.parametrize("leave", WAYS_OUT)
@pytest.mark.parametrize("name", ["with_dropout_and_batch_statistics", "with_a_schedule"])
def test_model_and_random_state_come_back_on_every_way_out(name, leave):
    tested = made(name)
    before, random = state_of(tested), RandomState()
    WAYS_OUT[leave](tested)
    assert random.checksum() == random.checksum_now()
    assert_unchanged(before)


@pytest.mark.parametrize("name", MODELS)
def test_training_after_a_test_equals_training_without(name):
    tested = made(name)
    before, random = state_of(tested), RandomState()
    finished(tested)
    assert random.checksum() == random.checksum_now()
    assert_unchanged(before)
    losses = fit_losses(tested)
    untouched = made(name)
    random.restore()
    assert losses == fit_losses(untouched)


def fit_losses(model_: keras.Model) -> list[float]:
    history = model_.fit(*arrays(), batch_size=BATCH, epochs=2, shuffle=False, verbose=0)
    return history.history["loss"]


@pytest.mark.parametrize("name", [name for name in MODELS if name != "with_a_schedule"])
def test_losses_are_those_of_training_by_hand(name):
    result = lrwidget.range_test(made(name), batches(), steps=STEPS, min_lr=1e-4, max_lr=0.1)
    by_hand = made(name)
    gathered = by_hand.optimizer.gradient_accumulation_steps or 1
    data = batches() * 4
    expected = []
    for k, lr in enumerate(result.lrs):
        by_hand.optimizer.learning_rate.assign(lr)
        part = data[k * gathered : (k + 1) * gathered]
        expected.append(np.mean([loss_of_step(by_hand, batch) for batch in part]))
    np.testing.assert_allclose(result.losses, expected, rtol=2e-5)


def loss_of_step(model_: keras.Model, batch: tuple[np.ndarray, np.ndarray]) -> float:
    model_.reset_metrics()
    return float(model_.train_on_batch(*batch, return_dict=True)["loss"])


def test_a_schedule_is_back_on_the_optimizer():
    tested = made("with_a_schedule")
    schedule = tested.optimizer._learning_rate
    lrwidget.range_test(tested, arrays(), steps=STEPS)
    assert tested.optimizer._learning_rate is schedule


def test_validation_losses_are_those_of_evaluate():
    tested = made("with_dropout_and_batch_statistics")
    expected = tested.evaluate(*arrays(), batch_size=SAMPLES, verbose=0)[0]
    result = lrwidget.range_test(
        tested,
        arrays(),
        batch_size=SAMPLES,
        validation_data=arrays(),
        min_lr=1e-30,
        max_lr=1e-29,
        steps=20,
    )
    assert result.validation_losses[0] == pytest.approx(expected, rel=1e-2)


def test_a_batch_that_holds_nan_is_named():
    x, y = arrays()
    x[25] = np.nan
    data = [(x[i : i + BATCH], y[i : i + BATCH]) for i in range(0, SAMPLES, BATCH)]
    result = lrwidget.range_test(made("plain"), data, steps=STEPS)
    assert result.stop_reason == "non_finite"
    assert "Step 3's batch holds NaN" in result.notes[0]


def test_a_function_sets_the_learning_rate():
    tested = made("plain")
    rate = tested.optimizer.learning_rate
    expected = lrwidget.range_test(tested, batches(), steps=STEPS, min_lr=1e-4, max_lr=0.1)
    result = lrwidget.range_test(
        tested,
        batches(),
        steps=STEPS,
        min_lr=1e-4,
        max_lr=0.1,
        learning_rate=lambda lr: rate.assign(lr),
    )
    np.testing.assert_allclose(result.losses, expected.losses, rtol=1e-5)
    assert result.restored


def test_the_widget_runs_and_applies_a_pick():
    tested = made("plain")
    widget = lrwidget.LRFinderWidget(tested, arrays(), steps=30, batch_size=BATCH)
    widget.run(block=True)
    widget.pick(0.01)
    widget.apply()
    assert widget.status in ("finished", "diverged")
    assert float(keras.ops.convert_to_numpy(tested.optimizer.learning_rate)) == pytest.approx(
        0.01, rel=0.2
    )
    widget.close()


def test_the_result_names_the_backend():
    result = lrwidget.range_test(made("plain"), arrays(), steps=STEPS)
    assert keras.backend.backend() in result.versions


def test_a_sweep_that_was_stopped_does_not_count_beside_a_whole_one():
    tested, stop = made("plain"), threading.Event()
    settings = {"steps": 2000, "seed": 5, "batch_size": BATCH, "max_lr": 1e-3}
    alone = lrwidget.range_test(tested, arrays(), **settings)

    def stop_in_the_second(update):
        if update.sweep == 1:
            stop.set()

    stopped_ = lrwidget.range_test(
        tested, arrays(), sweeps=2, stop=stop, on_update=stop_in_the_second, **settings
    )
    assert stopped_.stop_reason == "stopped"
    np.testing.assert_array_equal(stopped_.losses, alone.losses)


def test_the_first_update_of_an_accumulating_optimizer_takes_what_its_group_lacks():
    def begun():
        model_ = compiled(dense(), keras.optimizers.SGD(0.01, gradient_accumulation_steps=3))
        model_.train_on_batch(*batches()[0])
        return model_

    keras.utils.set_random_seed(3)
    tested = begun()
    result = lrwidget.range_test(tested, batches(), steps=2, min_lr=1e-3, max_lr=1e-2)
    keras.utils.set_random_seed(3)
    by_hand, data, expected = begun(), batches(), []
    for lr, part in zip(result.lrs, (data[:2], data[2:5]), strict=True):
        by_hand.optimizer.learning_rate.assign(lr)
        expected.append(np.mean([loss_of_step(by_hand, batch) for batch in part]))
    np.testing.assert_allclose(result.losses, expected, rtol=2e-5)


def test_an_optimizer_setting_changed_between_tests_counts():
    tested = made("with_momentum")
    settings = {"steps": STEPS, "seed": 1, "min_lr": 0.01, "max_lr": 0.5, "batch_size": BATCH}
    first = lrwidget.range_test(tested, arrays(), **settings)
    tested.optimizer.momentum = 0.0
    second = lrwidget.range_test(tested, arrays(), **settings)
    assert not np.allclose(first.losses, second.losses, rtol=1e-4)
