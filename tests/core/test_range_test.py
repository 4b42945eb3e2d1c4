"""The range test on real models: what it measures, when it ends, what it refuses."""

import itertools
import threading
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import lrwidget
from lrwidget.core.data.source import source_of
from lrwidget.core.engine.choice import engine_for
from lrwidget.core.model.rate_choice import rate_of
from lrwidget.core.range_test.range_test import RangeTest
from lrwidget.core.range_test.settings import RangeTestConfig
from lrwidget.errors import BusyError, DataError, LRWidgetError
from tests.core.battery import MODELS, OwnTrainStep, batches, compiled, features, labels


def test_the_ladder_of_a_finished_test_is_exact():
    result = lrwidget.range_test(compiled(), batches(), min_lr=1e-6, max_lr=1e-3, steps=20)
    assert result.stop_reason == "finished"
    np.testing.assert_array_equal(result.lrs, lrwidget.lr_ladder(1e-6, 1e-3, 20, "exponential"))
    assert result.losses.shape == (20,)
    assert result.sweep_losses.shape == (1, 20)


def test_each_loss_is_the_loss_of_its_own_batch():
    model, data = compiled("sgd", layers.Dense(4, kernel_regularizer="l2")), batches()
    expected = [float(model.evaluate(x, y, verbose=0)) for x, y in data]
    result = lrwidget.range_test(model, data, min_lr=1e-12, max_lr=1e-11, steps=len(expected))
    np.testing.assert_allclose(result.losses, expected, rtol=1e-6)


WITHOUT_NOISE = [
    "linear_sgd",
    "several_inputs_and_outputs",
    "dict_inputs_with_sample_weight",
    "own_train_step_and_metrics",
    "add_loss_and_regularizers",
    "small_cnn",
    "frozen_layers",
    "compiled_by_xla",
    "steps_per_execution",
    "gradient_accumulation",
]


@pytest.mark.parametrize("name", WITHOUT_NOISE)
def test_each_loss_is_what_keras_computes_for_that_batch_alone(name):
    keras.utils.set_random_seed(2)
    model, data = MODELS[name]()
    updates = 6
    result = lrwidget.range_test(
        model, data, min_lr=1e-12, max_lr=1e-11, steps=updates, batch_size=10, seed=1
    )
    gathered = model.optimizer.gradient_accumulation_steps or 1
    stream = iter(source_of(data, batch_size=10).stream(seed=1).dataset)
    losses = []
    for x, y, *weights in itertools.islice(stream, updates * gathered):
        model.reset_metrics()
        predicted = model(x, training=False)
        if isinstance(model, OwnTrainStep):
            losses.append(float(keras.ops.mean(keras.ops.square(y - predicted))))
        else:
            losses.append(float(model.compute_loss(x, y, predicted, *weights, training=False)))
    expected = np.mean(np.reshape(losses, (updates, gathered)), axis=1)
    np.testing.assert_allclose(result.losses, expected, rtol=2e-6)


def test_metrics_are_those_of_each_batch():
    model, data = compiled("sgd", metrics=["accuracy"]), batches()
    expected = [model.evaluate(x, y, verbose=0)[1] for x, y in data]
    result = lrwidget.range_test(model, data, min_lr=1e-12, max_lr=1e-11, steps=len(expected))
    np.testing.assert_allclose(result.metrics["accuracy"], expected, rtol=1e-6)


def test_every_step_trains_at_its_own_learning_rate():
    """Plain SGD on a loss whose gradient is 1 moves its weight by the sum of the rates."""
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(), loss=lambda y, predicted: predicted)
    start = float(model.layers[0].kernel.numpy()[0, 0])
    ones = (np.ones((8, 1), "float32"), np.zeros((8, 1), "float32"))
    result = lrwidget.range_test(
        model, ones, min_lr=0.01, max_lr=1.0, steps=30, batch_size=8, stop_factor=np.inf
    )
    moved = np.concatenate([[0.0], np.cumsum(result.lrs)[:-1]])
    np.testing.assert_allclose(result.losses, start - moved, rtol=1e-5, atol=1e-5)


def test_data_shorter_than_the_test_is_repeated():
    result = lrwidget.range_test(compiled(), batches().take(2), max_lr=1e-3, steps=25)
    assert len(result.losses) == 25


@pytest.mark.parametrize("seed", [3, 4])
def test_the_same_seed_gives_the_same_curve(seed):
    model = compiled("adam", layers.Dropout(0.5))
    data = features(), labels()
    first, second = (lrwidget.range_test(model, data, seed=seed) for _ in range(2))
    np.testing.assert_array_equal(first.losses, second.losses)


def test_another_seed_gives_another_curve_and_the_result_tells_its_seed():
    model, data = compiled(), (features(), labels())
    first, second = (lrwidget.range_test(model, data) for _ in range(2))
    assert not np.array_equal(first.losses, second.losses)
    again = lrwidget.range_test(model, data, seed=first.config.seed)
    np.testing.assert_array_equal(again.losses, first.losses)


def test_watching_a_test_changes_no_number():
    model, data = compiled("adam"), (features(), labels())
    quiet = lrwidget.range_test(model, data, seed=1, steps=500)
    updates = []
    watched = lrwidget.range_test(model, data, seed=1, steps=500, on_update=updates.append)
    np.testing.assert_array_equal(watched.losses, quiet.losses)
    assert updates[-1].step == len(watched.losses)
    np.testing.assert_array_equal(updates[-1].losses, watched.losses)


def test_updates_grow_from_the_start_of_the_curve():
    updates = []
    result = lrwidget.range_test(
        compiled(), batches(), max_lr=1e-3, steps=5000, on_update=updates.append
    )
    steps = [update.step for update in updates]
    assert len(steps) > 3
    assert steps == sorted(set(steps))
    for update in updates:
        np.testing.assert_array_equal(update.losses, result.losses[: update.step])
        np.testing.assert_array_equal(update.lrs, result.lrs[: update.step])
        assert update.steps_per_second > 0


def test_a_stop_flag_that_is_set_ends_the_test_at_once():
    stop = threading.Event()
    stop.set()
    result = lrwidget.range_test(compiled(), batches(), stop=stop)
    assert result.stop_reason == "stopped"
    assert result.lrs.shape == result.losses.shape == (0,)


def test_a_stop_is_heeded_soon_where_the_data_are_slow():
    def slow():
        for x, y in batches():
            time.sleep(0.02)
            yield x.numpy(), y.numpy()

    stop = threading.Event()
    result = lrwidget.range_test(
        compiled(), slow, max_lr=1e-3, stop=stop, on_update=lambda _: stop.set()
    )
    assert result.stop_reason == "stopped"
    assert len(result.lrs) < 20


def test_a_rising_rate_ends_in_divergence_with_finite_values_only():
    result = lrwidget.range_test(compiled(), (features(), labels()), max_lr=1e6, steps=200, seed=0)
    assert result.stop_reason in ("diverged", "non_finite")
    assert 10 < len(result.lrs) == len(result.losses) < 200
    assert np.isfinite(result.losses).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_not_finite_ends_the_curve_just_before_it(bad):
    x = features(40)
    x[25] = bad
    data = tf.data.Dataset.from_tensor_slices((x, labels(40))).batch(10)
    result = lrwidget.range_test(compiled(), data, max_lr=1e-3)
    assert result.stop_reason == "non_finite"
    assert len(result.lrs) == 2
    assert np.isfinite(result.losses).all()


def test_changed_settings_and_a_second_test_do_not_trace_again():
    model, kept = compiled("adam"), []
    for steps, max_lr, mode in [(20, 1.0, "exponential"), (300, 0.1, "linear")]:
        settings = {"min_lr": max_lr / 50, "max_lr": max_lr, "mode": mode}
        lrwidget.range_test(model, batches(), steps=steps, **settings)
        kept.append(engine_for(model, rate_of(model, None)))
    assert kept[0] is kept[1]
    assert kept[0].traces == 1


def test_compiling_anew_is_noticed():
    model = compiled("adam")
    lrwidget.range_test(model, batches(), steps=5)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=False))
    model.fit(batches(), verbose=0, shuffle=False)
    x, y = next(iter(batches()))
    result = lrwidget.range_test(model, batches(), steps=2, min_lr=1e-12, max_lr=1e-11)
    assert result.losses[0] == pytest.approx(model.evaluate(x, y, verbose=0))


def test_a_model_that_was_tested_can_be_freed():
    import gc
    import weakref

    model = compiled("adam")
    lrwidget.range_test(model, batches(), steps=5)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_lr": 0.1, "max_lr": 0.01}, r"min_lr=0\.1, max_lr=0\.01\. Swap them"),
        ({"steps": 1}, "steps"),
        ({"min_lr": 0.0}, "min_lr"),
        ({"max_lr": float("nan")}, "max_lr"),
        ({"batch_size": 0}, r"batch_size.*got batch_size=0"),
        ({"sweeps": 0}, r"sweeps.*got sweeps=0"),
        ({"stop_factor": -1.0}, r"stop_factor.*got stop_factor=-1\.0"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused(settings, message):
    with pytest.raises(ValueError, match=message) as caught:
        lrwidget.range_test(compiled(), batches(), **settings)
    assert isinstance(caught.value, LRWidgetError)


def test_a_model_that_is_not_compiled_is_refused():
    model = keras.Sequential([keras.Input((6,)), layers.Dense(3)])
    with pytest.raises(LRWidgetError, match=r"not compiled.*model\.compile"):
        lrwidget.range_test(model, batches())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (batches().take(0), "empty"),
        (batches().filter(lambda x, y: False), "empty"),
        (batches().unbatch(), r"not batched.*\.batch\(32\)"),
        (iter(batches()), "only once"),
        ([], "empty"),
        ((features(), labels()[:5]), "same number of samples.*48.*5"),
        ((features(),), r"no targets.*\(x, y\)"),
        (features(), r"no targets.*\(x, y\)"),
        ({"x": features(), "y": labels()}, r"no targets.*\(x, y\)"),
        ([features(), labels()], r"list of 2 arrays.*\(x, y\) as a tuple"),
        ((), "tuple of 0"),
        ((features(), labels(), None, None), "tuple of 4"),
        ((features(0), labels(0)), "empty"),
        (7, "Data of type int"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_data_that_cannot_be_used_is_refused_and_the_model_unchanged(data, message):
    model = compiled("adam")
    before = [weight.copy() for weight in model.get_weights()]
    with pytest.raises(DataError, match=message):
        lrwidget.range_test(model, data)
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


def test_labels_that_do_not_fit_raise_the_models_own_error():
    model = compiled("adam")
    before = [weight.copy() for weight in model.get_weights()]
    with pytest.raises(tf.errors.InvalidArgumentError, match="label"):
        lrwidget.range_test(model, (features(), labels() + 50))
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)
    assert lrwidget.range_test(model, batches(), max_lr=1e-3).stop_reason == "finished"


def test_an_error_of_the_users_generator_arrives_as_it_was_raised():
    def generator():
        yield features(10), labels(10)
        yield features(10), labels(10)
        raise KeyError("no such file")

    with pytest.raises(KeyError, match="no such file"):
        lrwidget.range_test(compiled(), generator)


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict", "train_on_batch", "save"])
def test_using_the_model_during_a_test_is_refused_and_works_afterwards(method):
    model = compiled()
    x, y = features(10), labels(10)
    errors = []

    def use_the_model(_update):
        with pytest.raises(BusyError, match=rf"`model\.{method}`.*range test is running") as caught:
            getattr(model, method)(x, y)
        errors.append(caught.value)

    lrwidget.range_test(model, batches(), steps=5, on_update=use_the_model)
    assert errors
    model.fit(x, y, verbose=0)
    model.predict(x, verbose=0)


def test_a_second_test_on_the_same_model_is_refused():
    model = compiled()

    def second(_update):
        with pytest.raises(BusyError, match="second range test"):
            lrwidget.range_test(model, batches())

    lrwidget.range_test(model, batches(), steps=5, on_update=second)


@pytest.mark.parametrize("name", ["adam_on_arrays", "global_seed_generator", "mixed_precision"])
def test_a_test_on_another_thread_gives_the_same_curve(name):
    def prepared() -> RangeTest:
        keras.utils.set_random_seed(3)
        return RangeTest(*MODELS[name](), RangeTestConfig(seed=5))

    expected = prepared().run()
    test, results = prepared(), []
    worker = threading.Thread(target=lambda: results.append(test.run()))
    worker.start()
    worker.join()
    np.testing.assert_array_equal(results[0].losses, expected.losses)
