"""The next `fit` really trains at the learning rate that was applied."""

import keras
import numpy as np
import pytest
from keras import layers

import lrwidget
from lrwidget.core.model.learning_rate import get_learning_rate
from lrwidget.errors import BusyError, LRWidgetError
from tests.core.battery import batches, compiled


def decay(start=0.5):
    return keras.optimizers.schedules.ExponentialDecay(start, 1, 0.5)


RATES = {"float": lambda: 0.25, "schedule": decay, "callable": lambda: lambda: 0.125}
HISTORIES = {"before a first fit": 0, "after a fit": 1}


def unit_gradient_model(rate, **settings):
    """A model whose one weight falls by the learning rate at every step of plain SGD."""
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(rate), loss=lambda y, predicted: predicted, **settings)
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
    applied = lrwidget.apply_lr(model, schedule)
    assert trained_rates(model) == pytest.approx([0.5, 0.25], rel=1e-4)
    assert applied.current is schedule


def test_without_restart_a_schedule_goes_on_where_the_optimizer_is():
    model = unit_gradient_model(0.25)
    trained_rates(model, 1)
    lrwidget.apply_lr(model, decay(0.5), restart=False)
    assert trained_rates(model) == pytest.approx([0.25, 0.125], rel=1e-4)


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


class InTheMiddle(keras.callbacks.Callback):
    """Does something before the third step, and notes the weight before each."""

    def __init__(self, act):
        super().__init__()
        self.act, self.weights = act, []

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 2:
            self.act(self.model)
        self.weights.append(float(self.model.layers[0].kernel.numpy()[0, 0]))


def rates_with(model, act):
    """Return the learning rates of a `fit` of four steps, and those that LRMonitor saw."""
    middle, monitor = InTheMiddle(act), lrwidget.LRMonitor()
    x, y = np.ones((5, 1)), np.zeros((5, 1))
    model.fit(x, y, batch_size=1, verbose=0, callbacks=[monitor, middle])
    return -np.diff(middle.weights), monitor.lrs[:4]


@pytest.mark.parametrize("settings", [{}, {"run_eagerly": True}, {"jit_compile": True}], ids=str)
@pytest.mark.parametrize("new", [0.0625, decay(1.0)], ids=["float", "schedule"])
@pytest.mark.parametrize("old", RATES)
def test_a_callback_changes_the_rate_of_the_running_fit(old, new, settings):
    model = unit_gradient_model(RATES[old](), **settings)
    trained, seen = rates_with(model, lambda model: lrwidget.apply_lr(model, new))
    before = {"float": [0.25, 0.25], "schedule": [0.5, 0.25], "callable": [0.125, 0.125]}[old]
    after = [new, new] if isinstance(new, float) else [1.0, 0.5]
    assert trained == pytest.approx([*before, *after], rel=1e-4)
    assert seen == pytest.approx([*before, *after], rel=1e-4)


def test_a_callback_takes_back_what_was_applied():
    model = unit_gradient_model(0.25)
    applied = lrwidget.apply_lr(model, decay())
    trained, _ = rates_with(model, lambda _model: applied.undo())
    assert trained == pytest.approx([0.5, 0.25, 0.25, 0.25], rel=1e-4)


def act_apply_float(model):
    lrwidget.apply_lr(model, 0.1)


def act_apply_and_undo(model):
    lrwidget.apply_lr(model, decay()).undo()


def act_range_test(model):
    lrwidget.range_test(model, (np.ones((8, 1)), np.zeros((8, 1))), steps=3)


def act_callback(model):
    finder = lrwidget.LRRangeTest(steps=3)
    model.fit(np.ones((8, 1)), np.zeros((8, 1)), verbose=0, epochs=3, callbacks=[finder])


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="formats of TensorFlow's")
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("act", [act_apply_float, act_apply_and_undo, act_range_test, act_callback])
def test_a_model_can_be_exported_and_checkpointed_afterwards(act, rate, tmp_path):
    import tensorflow as tf

    model = unit_gradient_model(RATES[rate]())
    trained_rates(model, 1)
    act(model)
    model.export(tmp_path / "exported", verbose=False)
    path = tf.train.Checkpoint(model=model).save(tmp_path / "checkpoint")
    saved = model.optimizer.iterations.numpy()
    trained_rates(model, 1)
    tf.train.Checkpoint(model=model).restore(path).assert_existing_objects_matched()
    assert model.optimizer.iterations.numpy() == saved


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


def test_undo_on_a_model_that_was_compiled_anew_says_so_and_changes_nothing():
    model = unit_gradient_model(0.25)
    applied = lrwidget.apply_lr(model, decay())
    model.compile(keras.optimizers.SGD(0.5), loss=lambda y, predicted: predicted)
    with pytest.raises(LRWidgetError, match="compiled again"):
        applied.undo()
    assert trained_rates(model, 1) == pytest.approx([0.5], rel=1e-4)


def test_what_was_applied_reads_as_a_sentence():
    model = compiled(keras.optimizers.SGD(0.5))
    assert str(lrwidget.apply_lr(model, 0.25)) == "Learning rate was 0.5, now 0.25."
    assert "ExponentialDecay schedule" in str(lrwidget.apply_lr(model, decay()))


@pytest.mark.parametrize("rate", [np.float32(0.25), np.array(0.25), np.float16(0.25), 0.25])
def test_any_number_is_welcome_as_a_rate(rate):
    assert lrwidget.apply_lr(compiled(), rate).current == 0.25


BAD_RATES = [
    0.0,
    -1.0,
    1e-50,
    1e39,
    10**400,
    float("nan"),
    float("inf"),
    "fast",
    None,
    True,
    1j,
    [0.1],
]


@pytest.mark.parametrize("bad", BAD_RATES, ids=lambda bad: repr(bad)[:9])
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


def test_applied_rate_is_a_sentence_in_a_notebook():
    applied = lrwidget.apply_lr(unit_gradient_model(0.5), 0.0625)
    assert applied._repr_html_() == "<p>Learning rate was 0.5, now 0.0625.</p>"
