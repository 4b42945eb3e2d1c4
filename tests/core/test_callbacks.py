"""The range test inside the user's own `fit`."""

import keras
import numpy as np
import pytest

import lrwidget
from lrwidget.core.model.learning_rate import get_learning_rate
from lrwidget.errors import LRWidgetError
from tests.core.battery import batches, compiled
from tests.core.test_no_trace import built, state_of, trained_on


def fit_with(finder, model, data, epochs=20, **options):
    options["shuffle"] = False
    if isinstance(data, tuple):
        options |= dict(zip(("x", "y", "sample_weight"), data, strict=False))
    else:
        options |= {"x": data}
    model.fit(epochs=epochs, verbose=0, callbacks=[finder], **options)


def test_the_callback_measures_what_range_test_measures():
    model = compiled("adam", keras.layers.Dense(8), metrics=["accuracy"])
    expected = lrwidget.range_test(model, batches(), min_lr=1e-7, max_lr=10.0)
    finder = lrwidget.LRRangeTest()
    fit_with(finder, model, batches())
    assert finder.result.stop_reason == expected.stop_reason
    np.testing.assert_array_equal(finder.result.lrs, expected.lrs)
    np.testing.assert_allclose(finder.result.losses, expected.losses, rtol=1e-4)
    np.testing.assert_allclose(finder.result.metrics["accuracy"], expected.metrics["accuracy"])


def test_fit_stops_by_itself_when_the_test_is_over():
    finder, epochs = lrwidget.LRRangeTest(steps=7, max_lr=1e-3), []
    count = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(epoch))
    compiled().fit(batches(), epochs=50, verbose=0, shuffle=False, callbacks=[finder, count])
    assert finder.result.stop_reason == "finished"
    assert len(epochs) == 2


def test_a_fit_that_ends_first_leaves_a_stopped_result():
    finder = lrwidget.LRRangeTest(steps=50, max_lr=1e-3)
    with pytest.warns(UserWarning, match="10 of 50"):
        fit_with(finder, compiled(), batches(), epochs=2)
    assert finder.result.stop_reason == "stopped"
    assert len(finder.result.lrs) == 10


ERRORS = [KeyboardInterrupt(), ValueError("no such file"), MemoryError()]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("name", ["adam_on_arrays", "built_with_a_schedule", "mixed_precision"])
def test_an_error_in_the_training_step_puts_the_model_back(name, error, monkeypatch):
    model, data = built(name)
    trained_on(model, data)
    before = state_of(model)
    rate = get_learning_rate(model.optimizer)
    steps = []

    def failing(iterator):
        steps.append(1)
        if len(steps) > 3:
            raise error
        return train_function(iterator)

    make = model.make_train_function

    def make_failing(force=False):
        nonlocal train_function
        make(force=force)
        train_function, model.train_function = model.train_function, failing

    train_function = None
    finder = lrwidget.LRRangeTest()
    with monkeypatch.context() as patch:
        patch.setitem(vars(model), "make_train_function", make_failing)
        with pytest.raises(type(error)):
            fit_with(finder, model, data)
    assert {**state_of(model), "attributes": None} == {**before, "attributes": None}
    assert get_learning_rate(model.optimizer) is rate
    assert finder.result.restored


def test_an_error_in_another_callback_is_mended_by_the_with_statement():
    model, data = built("adam_on_arrays")
    trained_on(model, data)
    before = state_of(model)

    def fail(batch, logs):
        if batch == 3:
            raise ZeroDivisionError

    other = keras.callbacks.LambdaCallback(on_train_batch_end=fail)
    with pytest.raises(ZeroDivisionError), lrwidget.LRRangeTest() as finder:
        model.fit(*data, batch_size=10, verbose=0, callbacks=[finder, other])
    assert state_of(model) == before
    assert finder.result.restored


def test_steps_that_fit_hides_are_refused():
    model, data = built("steps_per_execution")
    with pytest.raises(LRWidgetError, match=r"steps_per_execution=4.*lrwidget\.range_test"):
        fit_with(lrwidget.LRRangeTest(), model, data)


def test_a_missing_loss_is_named():
    finder = lrwidget.LRRangeTest(monitor="d_loss")
    with pytest.raises(LRWidgetError, match=r"\['loss'\], not 'd_loss'"), finder:
        fit_with(finder, compiled(), batches())
