"""The next `fit` really trains at the learning rate that was applied."""

import keras
import numpy as np
import pytest
from keras import layers

import lrwidget
from lrwidget.core.learning_rate import get_learning_rate
from lrwidget.errors import BusyError, LRWidgetError
from tests.core.battery import batches, compiled


def decay(start=0.5):
    return keras.optimizers.schedules.ExponentialDecay(start, 1, 0.5)


RATES = {"float": lambda: 0.25, "schedule": decay, "callable": lambda: lambda: 0.125}
HISTORIES = {"before a first fit": 0, "after a fit": 1}


def unit_gradient_model(rate):
    """A model whose one weight falls by the learning rate at every step of plain SGD."""
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(rate), loss=lambda y, predicted: predicted)
    return model


def trained_rates(model, steps=2):
    """Return the learning rates that `fit` really uses, from the change of the weight."""
    rates = []
    for _ in range(steps):
        before = float(model.layers[0].kernel.numpy()[0, 0])
        model.fit(np.ones((4, 1)), np.zeros((4, 1)), batch_size=4, verbose=0)
        rates.append(before - float(model.layers[0].kernel.numpy()[0, 0]))
    return rates


@pytest.mark.parametrize("fits", HISTORIES.values(), ids=HISTORIES)
@pytest.mark.parametrize("old", RATES)
def test_the_next_fit_trains_at_an_applied_number(old, fits):
    model = unit_gradient_model(RATES[old]())
    trained_rates(model, fits)
    applied = lrwidget.apply_lr(model, 0.0625)
    assert trained_rates(model) == pytest.approx([0.0625, 0.0625], rel=1e-4)
    assert applied.current == 0.0625


@pytest.mark.parametrize("fits", HISTORIES.values(), ids=HISTORIES)
@pytest.mark.parametrize("old", RATES)
def test_the_next_fit_trains_with_an_applied_schedule(old, fits):
    model = unit_gradient_model(RATES[old]())
    trained_rates(model, fits)
    schedule = decay(0.5)
    lrwidget.apply_lr(model, schedule)
    expected = [float(schedule(fits)), float(schedule(fits + 1))]
    assert trained_rates(model) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("new", [0.0625, decay()], ids=["float", "schedule"])
@pytest.mark.parametrize("old", RATES)
def test_undo_puts_back_the_same_object_and_the_next_fit_uses_it(old, new):
    model = unit_gradient_model(RATES[old]())
    before = get_learning_rate(model.optimizer)
    names = [variable.path for variable in model.optimizer.variables]
    applied = lrwidget.apply_lr(model, new)
    trained_rates(model, 1)
    applied.undo()
    assert get_learning_rate(model.optimizer) is before
    assert [variable.path for variable in model.optimizer.variables] == names
    expected = {"float": 0.25, "schedule": 0.25, "callable": 0.125}[old]
    assert trained_rates(model, 1) == pytest.approx([expected], rel=1e-4)


def test_keras_callbacks_move_an_applied_number():
    model = unit_gradient_model(decay())
    lrwidget.apply_lr(model, 0.5)
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch: 0.25)
    model.fit(np.ones((4, 1)), np.zeros((4, 1)), verbose=0, callbacks=[scheduler])
    assert float(model.optimizer.learning_rate) == 0.25


def test_reduce_on_plateau_lowers_an_applied_number():
    model = unit_gradient_model(decay())
    lrwidget.apply_lr(model, 0.5)
    plateau = keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=100.0)
    model.fit(np.ones((4, 1)), np.zeros((4, 1)), epochs=2, verbose=0, callbacks=[plateau])
    assert trained_rates(model, 1) == pytest.approx([0.25], rel=1e-4)


def test_the_loss_scale_optimizer_of_mixed_precision_gets_the_rate_too():
    model = compiled(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(decay())))
    lrwidget.apply_lr(model, 0.0625)
    assert float(model.optimizer.learning_rate) == 0.0625
    model.fit(batches(), verbose=0, shuffle=False)


def test_a_model_saved_after_apply_loads_with_the_same_optimizer(tmp_path):
    model = compiled(keras.optimizers.Adam(decay()))
    model.fit(batches(), verbose=0, shuffle=False)
    lrwidget.apply_lr(model, 0.0625)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert float(loaded.optimizer.learning_rate) == 0.0625
    for saved, own in zip(loaded.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(saved.numpy(), own.numpy())


def test_what_was_applied_reads_as_a_sentence():
    model = compiled(keras.optimizers.SGD(0.5))
    assert str(lrwidget.apply_lr(model, 0.25)) == "Learning rate was 0.5, now 0.25."
    assert "ExponentialDecay schedule" in str(lrwidget.apply_lr(model, decay()))


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf"), "fast", None, True])
def test_a_rate_that_cannot_be_used_is_refused_and_nothing_changed(bad):
    model = compiled(keras.optimizers.SGD(0.5))
    with pytest.raises(LRWidgetError, match="above 0"):
        lrwidget.apply_lr(model, bad)
    assert float(model.optimizer.learning_rate) == 0.5


def test_applying_during_a_range_test_is_refused():
    model = compiled()

    def apply(_update):
        with pytest.raises(BusyError):
            lrwidget.apply_lr(model, 0.1)

    lrwidget.range_test(model, batches(), steps=5, on_update=apply)
