"""Whatever happens in a `fit` with LRRangeTest, the model is restored and the user learns of it."""

import gc
import pathlib
import sys
import weakref

import keras
import numpy as np
import pytest
from keras import layers, ops

import lrwidget
from lrwidget.core.model.learning_rate import optimizers_of
from lrwidget.errors import ConfigError, LRWidgetError, ModelError
from tests.core.faults import BACKEND, Fault, Faulty, moments_of_fit, raising, state_of
from tests.quick_models import without_a_trace

X = np.random.default_rng(0).normal(size=(40, 5)).astype("float32")
Y = X[:, :2].sum(axis=1, keepdims=True)
STEPS = 12  # of five batches each epoch
# Keras' own second `fit` with `use_ema` fails on JAX ('NoneType' object is not callable, 3.15).
AVERAGES = BACKEND != "jax"


def make_model(rate=0.003, **options):
    keras.utils.set_random_seed(0)
    hidden = [layers.Dense(4), layers.BatchNormalization(), layers.Dropout(0.2, seed=3)]
    model = keras.Sequential([keras.Input((5,)), *hidden, layers.Dense(1)])
    model.compile(keras.optimizers.Adam(rate), "mse", metrics=["mae"], **options)
    return model


def fit(model, *callbacks, **options):
    settings = {"batch_size": 8, "epochs": 4, "verbose": 0, "shuffle": False}
    return model.fit(X, Y, callbacks=list(callbacks), **(settings | options))


def finder(**options):
    return lrwidget.LRRangeTest(**({"min_lr": 1e-4, "max_lr": 1.0, "steps": STEPS} | options))


def trained_model(rate=0.003, **options):
    model = make_model(rate, **options)
    with without_a_trace(model):
        fit(model, epochs=1, batch_size=20)
    return model


def schedule():
    return keras.optimizers.schedules.ExponentialDecay(0.01, 5, 0.5)


def weights_after(model, **options):
    keras.utils.set_random_seed(5)
    fit(model, epochs=2, **options)
    return [weight.tobytes() for weight in model.get_weights()]


ERRORS = [ValueError("a fault"), SystemExit(3), KeyboardInterrupt()]
PHASES = moments_of_fit(STEPS)
each_error = pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
each_rate = pytest.mark.parametrize("rate", [lambda: 0.003, schedule], ids=["constant", "schedule"])


@pytest.mark.parametrize(
    ("error", "rate"), list(zip(ERRORS, [lambda: 0.003, schedule, lambda: 0.003], strict=True))
)
def test_a_fault_in_another_callback_restores_the_model_at_once(error, rate):
    model = trained_model(rate())
    fit(model, epochs=1)
    before = state_of(model)
    for index, (hook, number) in enumerate(PHASES.values()):
        test = finder()
        callbacks = [test, Fault(hook, number, raising(error))]
        with pytest.raises(type(error)):
            fit(model, *callbacks[:: -1 if index % 2 else 1], validation_data=(X, Y))
        assert state_of(model) == before, (hook, number)
        if hook != "on_train_begin":
            assert test.result.restored
    untouched = trained_model(rate())
    fit(untouched, epochs=1)
    assert weights_after(model) == weights_after(untouched)


@each_error
@pytest.mark.parametrize("eager", [False, True], ids=["while tracing", "in a late step"])
def test_a_fault_in_a_step_restores_the_model_at_once(error, eager):
    keras.utils.set_random_seed(0)
    layer = Faulty()
    model = keras.Sequential([keras.Input((5,)), layers.Dense(4), layer, layers.Dense(1)])
    average = keras.optimizers.SGD(0.1, use_ema=AVERAGES, ema_momentum=0.5)
    model.compile(average, "mse", run_eagerly=eager)
    fit(model, epochs=1)
    before = state_of(model)
    layer.calls_left, layer.act = 8 if eager else 0, raising(error)
    if not eager:
        model.train_function = None
    test = finder()
    with pytest.raises(type(error)):
        fit(model, test)
    assert state_of(model)["variables"] == before["variables"]
    assert test.result.restored
    layer.act = None
    fit(model, epochs=1)
    assert state_of(model)["variables"] != before["variables"]


def test_its_own_error_restores_the_model_and_a_later_interrupt_undoes_no_training():
    model = trained_model()
    before = state_of(model)
    with pytest.raises(ModelError, match=r"\['loss', 'mae'\], not 'typo'"):
        fit(model, finder(monitor="typo"))
    assert state_of(model) == before
    fit(model)
    trained = state_of(model)["variables"]
    with pytest.raises(KeyboardInterrupt):
        fit(model, Fault("on_train_batch_begin", 3, raising(KeyboardInterrupt())))
    assert state_of(model)["variables"] != before["variables"]
    assert state_of(model)["variables"] != trained


def leave_unnoticed(model, test, number=3):
    """Let Keras' own code raise between two hooks, where no callback can see it."""
    own = model.reset_metrics
    calls = []

    def failing():
        own()
        calls.append(1)
        if sys._getframe(1).f_code.co_name == "fit" and len(calls) > number:
            raise KeyboardInterrupt

    vars(model)["reset_metrics"] = failing
    try:
        with pytest.raises(KeyboardInterrupt):
            fit(model, test)
    finally:
        del vars(model)["reset_metrics"]


USES = {
    "fit": lambda model: fit(model, epochs=1),
    "evaluate": lambda model: model.evaluate(X, Y, verbose=0),
    "predict": lambda model: model.predict(X, verbose=0),
    "train_on_batch": lambda model: model.train_on_batch(X, Y),
    "get_weights": lambda model: model.get_weights(),
    "compile": lambda model: model.compile("sgd", "mse"),
    "load_weights": lambda model: model.set_weights(model.get_weights()),
    "to_json": lambda model: model.to_json(),
}


@pytest.mark.parametrize(
    ("use", "rate"),
    [*((use, lambda: 0.003) for use in USES.values()), (USES["fit"], schedule)],
    ids=[*USES, "fit with a schedule"],
)
def test_what_a_callback_cannot_notice_is_undone_with_a_warning_by_the_next_use(use, rate):
    model, alone = trained_model(rate()), trained_model(rate())
    test = finder()
    leave_unnoticed(model, test)
    assert state_of(model)["variables"] != state_of(alone)["variables"]
    for each in (model, alone):
        keras.utils.set_random_seed(9)
        if each is model:
            with pytest.warns(UserWarning, match="restored only now"):
                use(each)
        else:
            use(each)
    after, expected = state_of(model), state_of(alone)
    assert {**after, "rate": 0} == {**expected, "rate": 0}
    assert test.result.stop_reason == "stopped"
    use(model)  # without another warning


@pytest.mark.parametrize("save", [lambda model, path: model.save(path), keras.saving.save_model])
def test_a_model_that_is_saved_after_an_unnoticed_exit_is_the_restored_one(save, tmp_path):
    model = trained_model()
    before = model.get_weights()
    leave_unnoticed(model, finder())
    with pytest.warns(UserWarning, match="restored only now"):
        save(model, tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert all(np.array_equal(*pair) for pair in zip(before, loaded.get_weights(), strict=True))
    assert float(loaded.optimizer.learning_rate) == pytest.approx(0.003)


def test_a_learning_rate_that_the_user_sets_after_an_unnoticed_exit_is_kept():
    model = trained_model()
    leave_unnoticed(model, finder())
    model.optimizer.learning_rate = 0.25
    with pytest.warns(UserWarning, match="set since is kept"):
        fit(model, epochs=1)
    assert float(model.optimizer.learning_rate) == 0.25


def test_what_the_user_trains_by_hand_after_an_unnoticed_exit_is_kept():
    model = trained_model()
    leave_unnoticed(model, finder())
    for variable in model.trainable_variables:
        variable.assign(variable + 1.0)
    weights = [ops.convert_to_numpy(each) for each in model.trainable_variables]
    with pytest.warns(UserWarning, match=r"weights are kept.*one before"):
        model.evaluate(X, Y, verbose=0)
    after = [ops.convert_to_numpy(each) for each in model.trainable_variables]
    assert all(np.array_equal(*pair) for pair in zip(weights, after, strict=True))
    assert float(model.optimizer.learning_rate) == pytest.approx(0.003)


def test_the_with_statement_undoes_at_once_what_a_callback_cannot_notice():
    model = trained_model()
    before = state_of(model)
    with finder() as test:
        leave_unnoticed(model, test)
    assert state_of(model) == before
    assert test.result.restored


def test_a_finder_left_unnoticed_can_be_used_for_another_model():
    first, second, test = trained_model(), trained_model(), finder()
    before = state_of(first)
    leave_unnoticed(first, test)
    fit(second, test)
    result = test.result
    assert result.stop_reason == "finished"
    with pytest.warns(UserWarning, match="restored only now"):
        first.evaluate(X, Y, verbose=0)
    assert state_of(first)["variables"][:6] == before["variables"][:6]
    assert test.result is result


def test_a_model_left_unnoticed_can_be_collected():
    model, test = trained_model(), finder()
    leave_unnoticed(model, test)
    gone = weakref.ref(test)
    del model, test
    keras.backend.clear_session()
    gc.collect()
    assert gone() is None


def test_the_finder_may_be_dropped_by_its_owner():
    model = trained_model()
    before = state_of(model)
    fit(model, finder(), Fault("on_train_batch_end", 3, gc.collect))
    assert state_of(model) == before


@pytest.mark.parametrize("twice", [lambda one: [one, one], lambda one: [one, finder()]])
def test_two_range_tests_in_one_fit_are_refused_before_anything_changes(twice):
    model, one = trained_model(), finder()
    before = state_of(model)
    with pytest.raises(LRWidgetError, match="2 times"):
        fit(model, *twice(one))
    assert state_of(model) == before
    fit(model, one)
    assert one.result.stop_reason == "finished"


def test_a_range_test_that_still_runs_is_refused_in_another_fit():
    model, other, one = trained_model(), trained_model(), finder()
    before = state_of(model)
    nested = Fault("on_train_batch_end", 3, lambda: fit(other, one))
    with pytest.raises(LRWidgetError, match="another `fit` that is still running"):
        fit(model, one, nested)
    assert state_of(model) == before


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize("hook", ["on_train_batch_begin", "on_train_batch_end"])
def test_a_callback_that_ends_each_epoch_early_is_no_fault(hook):
    def end_epoch(batch, logs=None):
        if batch == 3:
            raise StopIteration

    model = trained_model()
    before = state_of(model)
    ends_epochs, test = keras.callbacks.Callback(), finder()
    setattr(ends_epochs, hook, end_epoch)
    fit(model, ends_epochs, test, epochs=9)
    assert state_of(model) == before
    assert len(test.result.losses) == STEPS


def test_outside_of_fit_it_says_where_it_belongs():
    with pytest.raises(LRWidgetError, match="inside `fit` only"):
        finder().on_train_begin()


@pytest.mark.parametrize(("number", "count"), [(1, 1), (8, 8)])
def test_a_fit_that_another_callback_stops_says_so(number, count):
    model = trained_model()
    before = state_of(model)
    stop = Fault("on_train_batch_end", number, lambda: setattr(model, "stop_training", True))
    with pytest.warns(UserWarning, match=rf"Another callback stopped .* {count} of {STEPS}"):
        fit(model, finder(), stop)
    assert state_of(model) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 2}, r"after 10 of 12 learning rates\. Pass epochs=3 to `fit`, or steps=10"),
        ({"epochs": 3, "initial_epoch": 1}, r"10 of 12 .* epochs=4 to `fit`, or steps=10"),
        ({"epochs": 1, "batch_size": 40}, r"after 1 of 12 learning rates\. Pass epochs=12 to"),
    ],
)
def test_a_fit_that_is_too_short_says_how_long_it_has_to_be(options, message):
    model = trained_model()
    with pytest.warns(UserWarning, match=message):
        fit(model, finder(), **options)


def test_accumulated_gradients_count_once_for_the_length_of_a_fit():
    model = make_model()
    model.compile(keras.optimizers.SGD(0.1, gradient_accumulation_steps=2), "mse")
    with pytest.warns(UserWarning, match=r"5 of 12 learning rates\. Pass epochs=5 to"):
        fit(model, finder(), epochs=2)
    test = finder()
    fit(model, test, epochs=5)
    assert test.result.stop_reason == "finished"


def test_a_loss_that_is_not_finite_ends_the_test_and_restores_the_model():
    model = trained_model()
    before = state_of(model)
    spoilt = X.copy()
    spoilt[20] = np.nan
    test = finder()
    settings = {"batch_size": 8, "shuffle": False, "verbose": 0, "epochs": 4}
    model.fit(spoilt, Y, callbacks=[test], **settings)
    assert (test.result.stop_reason, len(test.result.lrs)) == ("non_finite", 2)
    assert state_of(model) == before


def others(tmp_path):
    stopping = keras.callbacks.EarlyStopping("loss", patience=0, restore_best_weights=True)
    lasting = keras.callbacks.EarlyStopping("loss", patience=99, restore_best_weights=True)
    return {
        "early stopping": stopping,
        "best weights": lasting,
        "checkpoint": keras.callbacks.ModelCheckpoint(tmp_path / "model.keras"),
        "averaged weights": keras.callbacks.SwapEMAWeights(),
        "learning rates": keras.callbacks.LearningRateScheduler(lambda epoch: 0.1),
    }


@pytest.mark.filterwarnings("ignore:Another callback stopped:UserWarning")
@pytest.mark.parametrize("first", [True, False], ids=["finder first", "finder last"])
@pytest.mark.parametrize("name", others(pathlib.Path()))
def test_beside_other_callbacks_the_model_ends_as_it_was(name, first, tmp_path):
    model = make_model()
    if name == "averaged weights" and not AVERAGES:
        pytest.skip("Keras' own second `fit` with averaged weights fails on JAX")
    if name == "averaged weights":
        model.compile(keras.optimizers.SGD(0.1, use_ema=True), "mse")
    fit(model, epochs=1)
    before = state_of(model)
    test, other = finder(), others(tmp_path)[name]
    fit(model, *([test, other] if first else [other, test]))
    assert state_of(model) == before
    assert test.result.restored


class RateOfEachStep(keras.callbacks.Callback):
    """User code that sets the learning rate before each step."""

    def on_train_batch_begin(self, batch, logs=None):
        self.model.optimizer.learning_rate = 0.5


@pytest.mark.parametrize("first", [True, False], ids=["finder first", "finder last"])
@each_rate
def test_a_monitor_in_the_same_fit_records_the_learning_rates_and_losses_of_the_test(first, rate):
    model, test, monitor = trained_model(rate()), finder(), lrwidget.LRMonitor()
    others = [monitor] if callable(rate) and rate is schedule else [monitor, RateOfEachStep()]
    fit(model, *([test, *others] if first else [*others, test]))
    assert monitor.lrs == pytest.approx(test.result.lrs, rel=1e-5)
    assert monitor.losses == pytest.approx(test.result.losses, rel=1e-4)


def test_the_chosen_optimizer_must_be_one_of_the_model():
    with pytest.raises(ConfigError, match=r"`optimizer`.*'adam'"):
        finder(optimizer="adam")
    model = trained_model()
    before = state_of(model)
    with pytest.raises(ModelError, match="got optimizer="):
        fit(model, finder(optimizer=keras.optimizers.SGD()))
    model.second = keras.optimizers.SGD(0.5)
    for test in (finder(optimizer=model.optimizer), finder()):  # the other one is never used
        fit(model, test)
        assert test.result.stop_reason == "finished"
        assert state_of(model)["variables"] == before["variables"]
    assert len(optimizers_of(model)) == 2


def test_the_curve_is_that_of_training_by_hand():
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((5,)), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.01), "mse")
    kernel, bias = (weight.astype(float) for weight in model.get_weights())
    test = finder(min_lr=1e-2, max_lr=0.3)
    expected = []
    for step, lr in enumerate(lrwidget.lr_ladder(1e-2, 0.3, STEPS, "exponential")):
        batch = slice(8 * (step % 5), 8 * (step % 5) + 8)
        error = X[batch] @ kernel + bias - Y[batch]
        expected.append(np.mean(error**2))
        kernel = kernel - lr * 2 * X[batch].T @ error / 8
        bias = bias - lr * 2 * error.mean(axis=0)
    fit(model, test)
    assert test.result.losses == pytest.approx(expected, rel=1e-4)


def test_a_generator_of_unknown_length_is_no_end_of_the_test():
    class Endless(keras.utils.PyDataset):
        def __len__(self):
            return 5

        def __getitem__(self, index):
            return X[8 * index : 8 * index + 8], Y[8 * index : 8 * index + 8]

    model, test = trained_model(), finder()
    before = state_of(model)
    model.fit(Endless(), callbacks=[test], epochs=4, verbose=0, shuffle=False)
    assert test.result.stop_reason == "finished"
    assert state_of(model) == before
