"""The range test inside the user's own `fit`."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import lrwidget
from lrwidget.core.model.learning_rate import get_learning_rate
from lrwidget.errors import LRWidgetError
from tests.core.battery import MODELS, batches, compiled
from tests.core.test_no_trace import built, state_of, trained_on

# `fit` hides steps from callbacks in the one; the other's generator is replaced by the seeding
# that makes the shuffles of two fits comparable.
CASES = [name for name in MODELS if name not in ("steps_per_execution", "global_seed_generator")]


def fit_with(finder, model, data, epochs=20, **options):
    options["shuffle"] = False
    if isinstance(data, tuple):
        options |= dict(zip(("x", "y", "sample_weight"), data, strict=False))
    else:
        options |= {"x": data}
    model.fit(epochs=epochs, verbose=0, callbacks=[finder], **options)


@pytest.mark.parametrize("name", CASES)
def test_training_after_the_callback_equals_training_without(name):
    model, data = built(name)
    finder = lrwidget.LRRangeTest(steps=15, max_lr=0.1)
    random_state = np.random.get_state()[1].copy()
    fit_with(finder, model, data)
    assert finder.result.restored
    assert len(finder.result.lrs) == 15
    np.testing.assert_array_equal(np.random.get_state()[1], random_state)
    keras.utils.set_random_seed(8)  # `fit` itself draws the seed of its shuffle
    tested = trained_on(model, data)

    untouched, data = built(name)
    keras.utils.set_random_seed(8)
    assert trained_on(untouched, data) == tested


def test_the_callback_measures_what_range_test_measures():
    model = compiled("adam", keras.layers.Dense(8), metrics=["accuracy"])
    expected = lrwidget.range_test(model, batches())
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


OTHER_BACKEND = """
import keras
import numpy as np
import lrwidget

def model(rate):
    keras.utils.set_random_seed(0)
    hidden = keras.layers.Dense(8, activation="relu")
    net = keras.Sequential(
        [keras.Input((6,)), hidden, keras.layers.BatchNormalization(), keras.layers.Dense(3)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(keras.optimizers.Adam(rate), loss)
    return net

def trained(net):
    net.fit(x, y, epochs=2, verbose=0, shuffle=False)
    return [*net.get_weights(), *(np.array(v) for v in net.optimizer.variables)]

x = np.random.default_rng(0).normal(size=(48, 6)).astype("float32")
y = np.random.default_rng(1).integers(0, 3, 48)
for rate in (1e-3, keras.optimizers.schedules.ExponentialDecay(1e-2, 2, 0.5)):
    net = model(rate)
    weights = [weight.copy() for weight in net.get_weights()]
    finder = lrwidget.LRRangeTest(steps=80)
    net.fit(x, y, epochs=80, verbose=0, shuffle=False, callbacks=[finder])
    assert finder.result.restored
    assert finder.result.losses[0] > finder.result.losses.min()
    for old, new in zip(weights, net.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    for tested, untouched in zip(trained(net), trained(model(rate)), strict=True):
        np.testing.assert_array_equal(tested, untouched)
assert keras.backend.backend() == "{backend}"
"""


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_the_callback_works_on_other_backends(backend):
    pytest.importorskip(backend, reason=f"opt-in: pip install {backend}")
    run = subprocess.run(
        [sys.executable, "-c", OTHER_BACKEND.replace("{backend}", backend)],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-3000:]
