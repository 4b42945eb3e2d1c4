"""A schedule that is applied to a model that has trained starts at its step 0."""

import keras
import numpy as np
import pytest
from keras import layers

import lrwidget
from lrwidget.core.model.learning_rate import get_learning_rate
from lrwidget.schedules import OneCycle, RestartedSchedule

X, Y = np.ones((12, 2), "float32"), np.ones((12, 1), "float32")


def trained(optimizer=None, epochs=2):
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    model.compile(optimizer or keras.optimizers.Adam(0.001), "mse")
    fit(model, epochs)
    return model


def fit(model, epochs=1):
    """Train three steps an epoch; return their learning rates."""
    monitor = lrwidget.LRMonitor()
    model.fit(X, Y, batch_size=4, epochs=epochs, verbose=0, callbacks=[monitor])
    return monitor.lrs


def values(schedule, steps):
    return [float(schedule(step)) for step in range(steps)]


SCHEDULES = {
    "one-cycle": lambda: OneCycle(0.01, total_steps=9),
    "of Keras": lambda: keras.optimizers.schedules.ExponentialDecay(0.01, 3, 0.5),
}
each_schedule = pytest.mark.parametrize("make", SCHEDULES.values(), ids=SCHEDULES)


@each_schedule
def test_the_next_steps_are_the_first_of_the_schedule(make):
    model, schedule = trained(), make()
    old = get_learning_rate(model.optimizer)
    applied = lrwidget.apply_lr(model, schedule)
    assert fit(model, 3) == pytest.approx(values(schedule, 9), rel=1e-5)
    assert applied.current is schedule
    assert int(model.optimizer.iterations.numpy()) == 15
    applied.undo()
    assert get_learning_rate(model.optimizer) is old
    assert float(old) == pytest.approx(0.001)


def test_another_schedule_starts_again_and_undo_leads_back_into_the_first():
    model, first = trained(), OneCycle(0.01, total_steps=9)
    lrwidget.apply_lr(model, first)
    fit(model)
    second = lrwidget.apply_lr(model, OneCycle(0.02, total_steps=9))
    assert second.previous is first
    second.undo()
    assert fit(model, 2) == pytest.approx(values(first, 9)[3:], rel=1e-5)


@each_schedule
def test_the_start_is_saved_and_loaded_with_the_model(make, tmp_path):
    model, schedule = trained(), make()
    lrwidget.apply_lr(model, schedule)
    fit(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert fit(loaded, 2) == pytest.approx(values(schedule, 9)[3:], rel=1e-5)


def test_gradient_accumulation_counts_the_steps_of_a_schedule_as_keras_does():
    def accumulating():
        return keras.optimizers.SGD(0.001, gradient_accumulation_steps=3)

    schedule = keras.optimizers.schedules.ExponentialDecay(0.01, 3, 0.5)
    fresh = trained(keras.optimizers.SGD(schedule, gradient_accumulation_steps=3), epochs=0)
    model = trained(accumulating())
    lrwidget.apply_lr(model, schedule)
    assert fit(model, 2) == pytest.approx(fit(fresh, 2), rel=1e-5)


def test_a_range_test_runs_on_a_model_with_a_restarted_schedule():
    model, schedule = trained(), OneCycle(0.01, total_steps=9)
    lrwidget.apply_lr(model, schedule)
    result = lrwidget.range_test(model, (X, Y), steps=4, batch_size=4)
    assert result.restored
    assert fit(model) == pytest.approx(values(schedule, 3), rel=1e-5)


def test_a_schedule_can_be_seen_at_many_steps_at_once():
    restarted = RestartedSchedule(OneCycle(0.01, total_steps=9), start=5, factor=0.5)
    seen = keras.ops.convert_to_numpy(restarted(np.arange(3, 14)))
    expected = [0.0, 0.0, *np.arange(9)]
    schedule = OneCycle(0.01, total_steps=9)
    assert seen == pytest.approx([0.5 * float(schedule(int(step))) for step in expected], rel=1e-5)


@pytest.mark.parametrize(("restart", "start"), [(True, 6), (False, 2)])
def test_a_restarted_schedule_keeps_its_factor_and_without_restart_its_start(restart, start):
    model, schedule = trained(), OneCycle(0.01, total_steps=20)
    given = RestartedSchedule(schedule, start=2, factor=0.5)
    lrwidget.apply_lr(model, given, restart=restart)
    expected = [0.5 * float(schedule(step - start)) for step in range(6, 9)]
    assert fit(model) == pytest.approx(expected, rel=1e-5)
