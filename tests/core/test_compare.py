"""compare: variants trained from the same start on the same batches, and the model restored."""

import math
import random
import threading
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import lrwidget
from lrwidget.core.compare.comparison import Comparison
from lrwidget.core.compare.settings import CompareUpdate
from lrwidget.core.engine import borrowed
from lrwidget.core.engine.choice import engine_for
from lrwidget.errors import BusyError, ConfigError, DataError, LRWidgetError, ModelError
from lrwidget.schedules import OneCycle
from tests.core.battery import compiled, crossentropy, dense, features, labels
from tests.core.test_no_trace import raiser, state_of
from tests.quick_models import without_a_trace

Schedule = keras.optimizers.schedules.LearningRateSchedule
X, Y = features(), labels()
ARRAYS = (X, Y)
STEPS = 6
BATCHES = [(X[start : start + 8], Y[start : start + 8]) for start in range(0, 48, 8)]


class NoArrays(Schedule):
    """A schedule that takes single steps only, and cannot be serialized."""

    def __call__(self, step):
        return 0.1 if float(step) < 3 else 0.01


def trained_model(optimizer: Any = None) -> keras.Model:
    """Return a model in the middle of its training: slots and statistics are not zero."""
    keras.utils.set_random_seed(5)
    hidden = [layers.Dense(6), layers.BatchNormalization(), layers.Dropout(0.3)]
    model = compiled(optimizer or keras.optimizers.Adam(0.01), *hidden, metrics=["accuracy"])
    with without_a_trace(model):
        model.fit(X, Y, batch_size=24, verbose=0)
    return model


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return trained_model()


def losses_of(comparison: Comparison) -> dict[str, np.ndarray]:
    return {run.name: run.losses for run in comparison.runs}


def losses_of_fit(model: keras.Model, data: Any) -> list[float]:
    """Return the loss of each batch of a `fit`."""
    found = []
    for x, y in data:
        found += model.fit(x, y, batch_size=len(x), verbose=0, shuffle=False).history["loss"]
    return found


# The numbers


@pytest.mark.parametrize("make", [lambda: None, lambda: keras.optimizers.SGD(0.1, momentum=0.9)])
def test_the_losses_of_the_present_settings_are_those_of_the_fit_that_goes_on(make):
    model = trained_model(make())
    comparison = lrwidget.compare(model, BATCHES, {"as it is": {}}, steps=len(BATCHES))
    assert comparison.restored
    np.testing.assert_allclose(comparison.runs[0].losses, losses_of_fit(model, BATCHES), rtol=1e-6)


def test_the_losses_of_a_learning_rate_are_those_of_a_fit_with_it():
    model = trained_model()
    comparison = lrwidget.compare(model, BATCHES, [0.05], steps=len(BATCHES))
    model.optimizer.learning_rate = 0.05
    np.testing.assert_allclose(comparison.runs[0].losses, losses_of_fit(model, BATCHES), rtol=1e-6)


def test_the_losses_of_a_changed_setting_are_those_of_a_fit_with_it():
    model = trained_model(keras.optimizers.SGD(0.1, momentum=0.9))
    comparison = lrwidget.compare(model, BATCHES, {"m": {"momentum": 0.2}}, steps=len(BATCHES))
    model.optimizer.momentum = 0.2  # the slots stay, as they do in the comparison
    model.make_train_function(force=True)
    np.testing.assert_allclose(comparison.runs[0].losses, losses_of_fit(model, BATCHES), rtol=1e-6)


def test_the_losses_of_another_optimizer_are_those_of_a_fit_with_a_new_one():
    model = trained_model()
    optimizer = keras.optimizers.RMSprop(0.02)
    comparison = lrwidget.compare(model, BATCHES, [optimizer], steps=len(BATCHES))
    assert not optimizer.built
    model.compile(optimizer, model.loss)
    np.testing.assert_allclose(comparison.runs[0].losses, losses_of_fit(model, BATCHES), rtol=1e-6)


def test_a_schedule_in_force_goes_on_and_a_new_one_starts_at_its_first_step():
    decay = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    model = trained_model(keras.optimizers.SGD(decay))
    done = int(model.optimizer.iterations)
    comparison = lrwidget.compare(model, BATCHES, {"go on": {}, "new": decay}, steps=STEPS)
    by_name = {run.name: run.lrs for run in comparison.runs}
    steps = np.arange(STEPS)
    np.testing.assert_allclose(by_name["go on"], 0.1 * 0.5 ** ((steps + done) / 10), rtol=1e-5)
    np.testing.assert_allclose(by_name["new"], 0.1 * 0.5 ** (steps / 10), rtol=1e-5)
    assert model.optimizer._learning_rate is decay


KINDS = {
    "int": (1, 1.0),
    "numpy": (np.float32(0.5), 0.5),
    "zero": (0, 0.0),
    "array": (np.array(0.5), 0.5),
    "schedule": (keras.optimizers.schedules.CosineDecay(0.5, 100), 0.5),
    "schedule without arrays": (NoArrays(), 0.1),
    "number of steps": (lambda steps: 1 / steps, 1 / STEPS),
    "schedule of steps": (lambda steps: OneCycle(0.5, steps), 0.02),
    "dict of steps": (lambda steps: {"learning_rate": 1 / steps}, 1 / STEPS),
    "optimizer of steps": (lambda steps: keras.optimizers.SGD(1 / steps), 1 / STEPS),
    "optimizer": (keras.optimizers.AdamW(0.3), 0.3),
    "optimizer with a schedule": (keras.optimizers.SGD(NoArrays()), 0.1),
    "optimizer with a function": (keras.optimizers.SGD(lambda: 0.25), 0.25),
    "baseline": ({}, 0.01),
    "all in one": (
        {"optimizer": keras.optimizers.SGD(), "learning_rate": NoArrays(), "momentum": 0.5},
        0.1,
    ),
    "function in a dict": ({"learning_rate": lambda steps: 1 / steps, "beta_1": 0.8}, 1 / STEPS),
    "batch size": ({"batch_size": np.int64(16)}, 0.01),
    "clipping": ({"clipnorm": 1}, 0.01),
    "none": ({"weight_decay": None}, 0.01),
    "flag": ({"amsgrad": True}, 0.01),
}


@pytest.fixture(scope="module")
def of_all_kinds(model) -> Comparison:
    before = state_of(model)
    variants = {name: value for name, (value, _) in KINDS.items()}
    comparison = lrwidget.compare(model, ARRAYS, variants, steps=STEPS, seed=1, stop_early=False)
    assert state_of(model) == before
    return comparison


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_variant_trains_with_its_learning_rate(of_all_kinds, name):
    run = next(each for each in of_all_kinds.runs if each.name == name)
    assert run.stop_reason == "finished"
    assert len(run.losses) == len(run.lrs) == STEPS
    assert run.lrs[0] == pytest.approx(KINDS[name][1])
    assert set(run.metrics) == {"accuracy"}


def test_all_variants_start_from_the_same_weights_and_see_the_same_first_batch(of_all_kinds):
    assert of_all_kinds.restored
    firsts = {run.losses[0] for run in of_all_kinds.runs if run.name != "batch size"}
    assert len(firsts) == 1


@pytest.mark.parametrize(
    "variants",
    [
        {"a": 0.02, "b": 0.02, "c": {"learning_rate": 0.02}},
        {"a": 0.02, "other": keras.optimizers.SGD(0.5), "b": {"learning_rate": 0.02}},
        # The copy of the model's own optimizer has its slots as they were at the start.
        {"a": 0.02, "b": {"learning_rate": 0.02, "clipnorm": None}},
        {"far": 3.0, "a": {"clipnorm": None}, "b": {}},
        {"a": keras.optimizers.Adam(0.02), "far": 3.0, "b": keras.optimizers.Adam(0.02)},
    ],
)
def test_identical_variants_have_bit_equal_losses(unchanged, variants):
    found = losses_of(lrwidget.compare(unchanged, ARRAYS, variants, steps=STEPS, stop_early=False))
    np.testing.assert_array_equal(found["a"], found["b"])
    if "far" in found:
        assert not np.array_equal(found["far"], found["a"])


class ShuffledAtTheEnd(keras.utils.PyDataset):
    def __init__(self):
        super().__init__()
        self.order = np.arange(48)

    def __len__(self):
        return 3

    def __getitem__(self, index):
        rows = self.order[16 * index : 16 * index + 16]
        return X[rows], Y[rows]

    def on_epoch_end(self):
        np.random.shuffle(self.order)


def drawn_at_random():
    for _ in range(3):
        rows = np.random.permutation(48)[: random.randint(12, 14)]
        yield X[rows], Y[rows]


def pipeline():
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(ARRAYS).shuffle(48).batch(10)


DATA = {
    "arrays": lambda: ARRAYS,
    "weighted": lambda: (X, Y, np.linspace(0, 2, 48)),
    "pipeline": pipeline,
    "shuffled at the end": ShuffledAtTheEnd,
    "drawn at random": lambda: drawn_at_random,
    "list": lambda: BATCHES,
}


@pytest.mark.parametrize("name", DATA)
def test_every_variant_sees_the_same_batches_in_any_data(unchanged, name):
    same, same_too = 1e-30, keras.optimizers.SGD(1e-30)  # learning rates too small to matter
    comparison = lrwidget.compare(
        unchanged, DATA[name](), {"a": same, "b": same_too, "c": same}, steps=7, seeds=2, seed=3
    )
    assert comparison.restored
    by_seed = [[run.losses for run in comparison.runs if run.seed == seed] for seed in (0, 1)]
    for runs in by_seed:
        np.testing.assert_allclose(runs[0], runs[1], rtol=1e-5)
        np.testing.assert_array_equal(runs[0], runs[2])
    orders_differ = not np.array_equal(by_seed[0][0], by_seed[1][0])
    assert orders_differ == (name in ("arrays", "weighted", "pipeline"))
    assert ("keep their own order" in comparison.basis) != orders_differ


def test_the_same_seed_gives_the_same_comparison(unchanged):
    first, second = (
        lrwidget.compare(unchanged, ARRAYS, [0.1, 0.2], steps=STEPS, seed=8) for _ in range(2)
    )
    for name, losses in losses_of(first).items():
        np.testing.assert_array_equal(losses, losses_of(second)[name])
    assert first.settings["seed"] == 8


def test_class_weights_and_validation_are_those_of_keras():
    model = trained_model()
    weights = {0: 1.0, 1: 2.0, 2: 0.5}
    comparison = lrwidget.compare(
        model,
        BATCHES,
        {"as it is": {}},
        steps=len(BATCHES),
        class_weight=weights,
        validation_data=(X[:33], Y[:33]),
    )
    run = comparison.runs[0]
    for number, (x, y) in enumerate(BATCHES):
        loss = model.train_on_batch(x, y, class_weight=weights)[0]
        assert run.losses[number] == pytest.approx(float(loss), rel=1e-5)
    expected = model.evaluate(X[:33], Y[:33], verbose=0)[0]
    assert run.validation_losses[-1] == pytest.approx(expected, rel=1e-5)
    assert np.isfinite(run.validation_losses).all()  # ten measurements, of six steps
    assert comparison.ranking[0].score == pytest.approx(run.validation_losses[-2:].mean())


def test_validation_is_measured_about_ten_times_and_at_the_end(unchanged):
    comparison = lrwidget.compare(
        unchanged, ARRAYS, [0.01], steps=43, validation_data=iter(BATCHES[:3])
    )
    measured = np.flatnonzero(np.isfinite(comparison.runs[0].validation_losses))
    np.testing.assert_array_equal(measured, [*range(3, 40, 4), 42])


def test_a_functional_model_with_several_outputs_is_compared():
    inputs = keras.Input((6,))
    hidden = layers.Dense(4)(inputs)
    outputs = {"kind": layers.Dense(3, name="kind")(hidden), "size": layers.Dense(1)(hidden)}
    model = keras.Model(inputs, outputs)
    model.compile("adam", {"kind": crossentropy(), "size": "mse"})
    data = (X, {"kind": Y, "size": X[:, :1]}, {"kind": np.ones(48), "size": np.linspace(0, 1, 48)})
    comparison = lrwidget.compare(model, data, [0.1, keras.optimizers.SGD(0.1)], steps=4)
    assert comparison.restored
    assert comparison.best is not None


# Traces


def test_learning_rates_share_one_trace_and_an_optimizer_costs_one_more(model, monkeypatch):
    engines = []

    def watched(*given: Any, **settings: Any) -> Any:
        engines.append(engine_for(*given, **settings))
        return engines[-1]

    monkeypatch.setattr(borrowed, "engine_for", watched)
    model(X)  # `fit` traces twice where it has to build the model first

    def traces_of(variants: Any, **settings: Any) -> int:
        engines.clear()
        before = known.traces
        lrwidget.compare(model, ARRAYS, variants, steps=STEPS, **settings)
        new = {id(engine): engine.traces for engine in engines if engine is not known}
        return known.traces - before + sum(new.values())

    lrwidget.compare(model, ARRAYS, {"first": 0.1}, steps=2)
    known = engines[0]
    rates = {"a": 0.1, "b": 0.2, "c": OneCycle(0.1, STEPS), "d": {}}
    once = known.traces  # TensorFlow itself sometimes traces a first step twice
    assert traces_of(rates, seeds=2, rounds=(3,)) == 0
    assert 1 <= traces_of({**rates, "e": keras.optimizers.SGD(0.1)}) <= once
    assert 2 <= traces_of({**rates, "e": {"beta_1": 0.5}, "f": {"beta_2": 0.5}}) <= 2 * once


# Ends


def test_nan_and_divergence_are_marked_and_the_others_are_ranked(unchanged):
    variants = {"nan": 1e38, "sgd": keras.optimizers.SGD(1e30), "fine": 0.01}
    comparison = lrwidget.compare(
        unchanged, ARRAYS, variants, steps=30, validation_data=ARRAYS, stop_early=False
    )
    assert comparison.best == "fine"
    assert comparison.restored
    ends = {run.name: run.stop_reason for run in comparison.runs}
    assert ends == {"nan": "non_finite", "sgd": "non_finite", "fine": "finished"}
    for run in comparison.runs:
        assert np.isfinite(run.losses).all()
        assert np.isfinite(run.lrs).all()
    assert [row.name for row in comparison.ranking if row.reason] == ["nan", "sgd"]


def test_a_diverging_variant_is_marked():
    keras.utils.set_random_seed(2)
    model = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.01), "mse")
    comparison = lrwidget.compare(model, (X, X[:, :1]), {"up": 1.2, "down": 0.05}, steps=60)
    ends = {run.name: run.stop_reason for run in comparison.runs}
    assert ends == {"up": "diverged", "down": "finished"}
    assert comparison.ranking[1].reason == "the loss rose far above its lowest level"


def test_only_bad_variants_leave_no_best(unchanged):
    comparison = lrwidget.compare(unchanged, ARRAYS, {"a": 1e38, "b": 1e37}, steps=STEPS)
    assert comparison.best is None
    assert "No variant finished" in comparison.summary


def test_a_stop_ends_everything_and_marks_what_is_not_complete(unchanged):
    stop = threading.Event()
    comparison = lrwidget.compare(
        unchanged,
        ARRAYS,
        {"a": 0.01, "b": 0.02, "other": keras.optimizers.SGD(0.1)},
        steps=50_000,
        stop=stop,
        on_update=lambda update: stop.set(),
    )
    assert comparison.restored
    assert {run.stop_reason for run in comparison.runs} == {"stopped"}
    assert sum(len(run.losses) > 0 for run in comparison.runs) == 1
    assert comparison.best is None
    assert all(row.reason == "stopped before the end" for row in comparison.ranking)


def test_a_stop_that_is_set_before_runs_nothing(unchanged):
    stop = threading.Event()
    stop.set()
    comparison = lrwidget.compare(unchanged, ARRAYS, [0.1, 0.2], steps=STEPS, stop=stop)
    assert comparison.steps == 0
    assert {run.stop_reason for run in comparison.runs} == {"stopped"}
    comparison.to_frame()


def test_rounds_keep_the_better_half_and_count_their_steps(unchanged):
    rates = {f"1e-{k}": 10.0**-k for k in (1, 2, 3, 4, 5, 6, 7)}
    comparison = lrwidget.compare(
        unchanged, ARRAYS, rates, steps=16, rounds=(4, 8), seed=2, stop_early=False
    )
    steps = sorted((run.steps for run in comparison.runs), reverse=True)
    assert steps == [16, 16, 8, 8, 4, 4, 4]
    assert comparison.steps == 7 * 4 + 4 * 8 + 2 * 16
    assert comparison.settings["rounds"] == [4, 8, 16]
    # Who goes on is who is better after the steps of the round.
    short = lrwidget.compare(unchanged, ARRAYS, rates, steps=4, seed=2, stop_early=False)
    better = {row.name for row in short.ranking[:4]}
    assert {run.name for run in comparison.runs if run.steps > 4} == better
    out = [row for row in comparison.ranking if row.reason]
    assert {row.reason for row in out} == {
        "not in the better half after 4 steps",
        "not in the better half after 8 steps",
    }


def test_functions_of_the_steps_get_those_of_the_round(unchanged):
    asked = []

    def made(steps):
        asked.append(steps)
        return {"learning_rate": OneCycle(0.01, steps), "weight_decay": 0.01}

    comparison = lrwidget.compare(
        unchanged, ARRAYS, {"made": made, "other": OneCycle(0.01, 4)}, steps=8, rounds=(4,)
    )
    assert set(asked) == {4, 8}
    run = next(each for each in comparison.runs if each.name == "made")
    np.testing.assert_allclose(run.lrs, OneCycle(0.01, run.steps)(np.arange(run.steps)), rtol=1e-5)


def test_updates_count_the_steps_and_grow(unchanged):
    updates: list[CompareUpdate] = []
    comparison = lrwidget.compare(
        unchanged, ARRAYS, [0.1, keras.optimizers.SGD(0.1)], steps=STEPS, on_update=updates.append
    )
    steps = [update.step for update in updates]
    assert steps == sorted(steps)
    assert steps[-1] == updates[-1].steps == comparison.steps == 2 * STEPS
    assert [len(run.losses) for run in updates[-1].runs] == [STEPS, STEPS]


# Ways out


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ZeroDivisionError(), MemoryError()])
@pytest.mark.parametrize("after", [0, STEPS + 1])
def test_an_error_in_on_update_restores_the_model(unchanged, error, after):
    def late(update: CompareUpdate) -> None:
        if update.step > after:
            raise error

    optimizer = keras.optimizers.SGD(0.1)
    attributes = sorted(vars(unchanged))
    with pytest.raises(type(error)):
        lrwidget.compare(unchanged, ARRAYS, [0.1, optimizer], steps=STEPS, on_update=late)
    assert not optimizer.built
    assert sorted(vars(unchanged)) == attributes


@pytest.mark.parametrize("at", [0, 1, 4, 9])
def test_an_error_in_the_data_is_raised_as_it_is(unchanged, at):
    def failing():
        for number in range(100):
            if number == at:
                np.random.random()
                raise KeyError("mine")
            yield BATCHES[0]

    with pytest.raises(KeyError, match="mine"):
        lrwidget.compare(unchanged, failing, [0.1, keras.optimizers.SGD(0.1)], steps=12)


def test_an_error_in_the_training_step_restores_the_model(monkeypatch):
    model = trained_model()
    before = state_of(model)

    def failing(batch: Any) -> Any:
        raise ValueError("bad layer")

    with monkeypatch.context() as patch:
        patch.setitem(vars(model), "train_step", failing)
        with pytest.raises(ValueError, match="bad layer"):
            lrwidget.compare(model, ARRAYS, [0.1], steps=STEPS)
    assert state_of(model) == before
    assert lrwidget.compare(model, ARRAYS, [0.1], steps=STEPS).restored


def test_training_afterwards_equals_training_without():
    def trained(between: bool) -> list[bytes]:
        model = trained_model()
        if between:
            variants = [0.1, keras.optimizers.SGD(0.1), {"beta_1": 0.5}]
            lrwidget.compare(model, ARRAYS, variants, steps=STEPS, validation_data=ARRAYS)
        model.fit(X, Y, verbose=0)
        return [each.numpy().tobytes() for each in model.variables + model.optimizer.variables]

    assert trained(between=True) == trained(between=False)


def test_a_model_that_is_not_built_trains_afterwards_as_without():
    def trained(between: bool) -> list[bytes]:
        keras.utils.set_random_seed(3)
        model = keras.Sequential([layers.Dense(4), layers.Dropout(0.2), layers.Dense(3)])
        model.compile("adam", crossentropy())
        if between:
            lrwidget.compare(model, ARRAYS, [0.1, keras.optimizers.SGD(0.1)], steps=STEPS)
            assert not model.optimizer.built
        model.fit(X, Y, verbose=0)
        return [each.numpy().tobytes() for each in model.variables + model.optimizer.variables]

    assert trained(between=True) == trained(between=False)


def test_the_model_is_busy_during_a_comparison(unchanged):
    refused = []

    def use(_update: CompareUpdate) -> None:
        for act in (
            lambda: unchanged.fit(X, Y),
            lambda: lrwidget.compare(unchanged, ARRAYS, [0.1], steps=2),
            lambda: lrwidget.range_test(unchanged, ARRAYS, steps=2),
        ):
            with pytest.raises(BusyError):
                act()
            refused.append(act)

    assert lrwidget.compare(unchanged, ARRAYS, [0.1], steps=2, on_update=use).restored
    assert len(refused) >= 3


def test_a_comparison_and_a_range_test_share_the_model_without_a_trace(unchanged):
    first = lrwidget.compare(unchanged, ARRAYS, [0.1], steps=STEPS, seed=0)
    test = lrwidget.range_test(unchanged, ARRAYS, steps=12, max_lr=1e-3, seed=0)
    again = lrwidget.compare(unchanged, ARRAYS, [0.1], steps=STEPS, seed=0)
    np.testing.assert_array_equal(first.runs[0].losses, again.runs[0].losses)
    assert test.restored


# Models with several optimizers


def test_the_chosen_optimizer_of_a_gan_is_the_one_that_variants_change():
    from tests.core.test_range_test_options import Gan, images

    keras.utils.set_random_seed(1)
    gan = Gan()
    gan.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3))
    gan.fit(images(), verbose=0, shuffle=False)
    optimizers = [gan.d_optimizer, gan.g_optimizer]

    def state() -> list[bytes]:
        held = gan.variables + gan.d_optimizer.variables + gan.g_optimizer.variables
        return [each.numpy().tobytes() for each in held]

    before = state()
    settings = {"steps": 6, "monitor": "g_loss", "stop_early": False}
    with pytest.raises(ModelError, match="optimizer="):
        lrwidget.compare(gan, images(), [1e-3], **settings)
    assert state() == before
    variants = {"a": 1e-3, "b": {"learning_rate": 1e-3}, "sgd": keras.optimizers.SGD(0.1)}
    comparison = lrwidget.compare(gan, images(), variants, optimizer=gan.g_optimizer, **settings)
    found = losses_of(comparison)
    np.testing.assert_array_equal(found["a"], found["b"])
    assert not np.array_equal(found["a"], found["sgd"])
    assert comparison.restored
    assert state() == before
    assert [gan.d_optimizer, gan.g_optimizer] == optimizers


def test_mixed_precision_wraps_an_optimizer_in_loss_scaling():
    inputs = keras.Input((6,))
    hidden = layers.Dense(8, dtype="mixed_float16")(inputs)
    model = keras.Model(inputs, layers.Dense(3, dtype="float32")(hidden))
    model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()), crossentropy())
    model.fit(X, Y, verbose=0)
    before = state_of(model)
    variants = {
        "rate": 0.01,
        "setting": {"learning_rate": 0.01, "clipnorm": None},
        "sgd": keras.optimizers.SGD(0.1),
    }
    comparison = lrwidget.compare(model, ARRAYS, variants, steps=STEPS)
    assert state_of(model) == before
    found = losses_of(comparison)
    np.testing.assert_array_equal(found["rate"], found["setting"])
    assert {run.stop_reason for run in comparison.runs} == {"finished"}


def test_gradients_of_different_numbers_of_batches_are_not_compared_step_by_step():
    model = trained_model(keras.optimizers.SGD(0.05, gradient_accumulation_steps=2))
    before = state_of(model)
    variants = {"own": 0.05, "single": {"gradient_accumulation_steps": None, "learning_rate": 1e-9}}
    comparison = lrwidget.compare(model, ARRAYS, variants, steps=40)
    assert state_of(model) == before
    assert {run.stop_reason for run in comparison.runs} == {"finished"}


# Names


def test_names_are_kept_and_a_list_is_named_after_its_values(unchanged):
    odd = ["<b>x</b>", "$a_b$", "_x", "ü\n", "a" * 300]
    comparison = lrwidget.compare(unchanged, ARRAYS, dict.fromkeys(odd, 0.01), steps=2)
    assert [run.name for run in comparison.runs] == odd
    assert "<b>" not in comparison._repr_html_()
    comparison.plot().figure.canvas.draw()
    values = [3.2e-3, 3.2e-3, OneCycle(0.1, 2), keras.optimizers.AdamW(), {"clipnorm": 1.0}, {}]
    comparison = lrwidget.compare(unchanged, ARRAYS, values, steps=2)
    assert [run.name for run in comparison.runs] == [
        "3.20e-3",
        "3.20e-3 (2)",
        "OneCycle",
        "AdamW",
        "clipnorm=1",
        "as it is",
    ]


# What is refused, before anything has changed

BAD_VARIANTS = {
    "negative": ([-0.1], r"Variant number 1: `learning_rate` .*-0\.1"),
    "nan": ({"a": math.nan}, "Variant 'a': `learning_rate`"),
    "too small": ({"a": 1e-50}, "in float32"),
    "text": ({"a": "adam"}, "Variant 'a': got 'adam'. A variant is a learning rate"),
    "flag": ({"a": True}, "A variant is a learning rate"),
    "none": ({"a": None}, "A variant is a learning rate"),
    "class": ({"a": keras.optimizers.SGD}, "A variant is a learning rate"),
    "unknown key": ({"a": {"wd": 1}}, r"unknown changes \['wd'\]. Known are .*'weight_decay'"),
    "key of another optimizer": ({"a": {"momentum": 0.9}}, "unknown changes"),
    "setting as text": ({"a": {"weight_decay": "x"}}, "`weight_decay` must be a finite number"),
    "setting that is nan": ({"a": {"weight_decay": math.nan}}, "`weight_decay` must be a finite"),
    "number for a flag": ({"a": {"amsgrad": 3}}, "`amsgrad` must be True or False"),
    "rate as text": ({"a": {"learning_rate": "x"}}, "`learning_rate` must be a number or a sched"),
    "optimizer as text": ({"a": {"optimizer": "sgd"}}, "`optimizer` must be a Keras optimizer"),
    "two clippings": ({"a": {"clipnorm": 1.0, "clipvalue": 1.0}}, "Only one of `clipnorm`"),
    "batch size": ({"a": {"batch_size": 0}}, "`batch_size` must be a whole number of at least 1"),
    "failing function": ({"a": lambda steps: 1 / 0}, "number of steps, 6, raised ZeroDivision"),
    "function of nothing": ({"a": lambda: 0.1}, "raised TypeError"),
    "function of functions": ({"a": lambda steps: lambda step: 0.1}, "A variant is"),
    "nan schedule": (
        {"a": keras.optimizers.schedules.ExponentialDecay(math.nan, 3, 0.5)},
        "'a'.*finite number",
    ),
    "none at all": ({}, "`variants` must hold 1 to 1000 variants; got 0"),
    "one number": (0.1, "`variants` must be a dict of variants by name, or a list"),
    "empty name": ({"": 0.1}, "The names of variants must be strings"),
    "number as a name": ({3: 0.1}, "The names of variants must be strings; got 3"),
}


@pytest.mark.parametrize("name", BAD_VARIANTS)
def test_a_variant_that_cannot_be_used_is_refused_by_name(unchanged, name):
    variants, message = BAD_VARIANTS[name]
    with pytest.raises(ConfigError, match=message):
        lrwidget.compare(unchanged, ARRAYS, variants, steps=STEPS)


BAD_SETTINGS = [
    ({"steps": 1}, "`steps` must be a whole number of at least 2"),
    ({"steps": 2.5}, "`steps`"),
    ({"steps": 10**6}, "at most 100000"),
    ({"seeds": 0}, "`seeds` must be a whole number of at least 1"),
    ({"seeds": True}, "`seeds`"),
    ({"seed": -1}, "`seed`"),
    ({"batch_size": 0}, "`batch_size`"),
    ({"monitor": ""}, "`monitor`"),
    ({"stop_early": 1}, "`stop_early` must be True or False"),
    ({"rounds": (3, 3)}, r"`rounds` must increase up to `steps`; got rounds=\(3, 3\), steps=6"),
    ({"rounds": (7,)}, "`rounds` must increase"),
    ({"rounds": 3}, "`rounds` must be a list"),
    ({"rounds": (1,)}, "`rounds` must be a whole number of at least 2"),
    ({"on_update": 3}, "`on_update` must be a function"),
    ({"stop": 3}, r"`stop\.is_set` must be a function"),
    ({"optimizer": 3}, "optimizer=3"),
    ({"optimizer": keras.optimizers.SGD()}, "The model holds 1 optimizer"),
    ({"monitor": "speed"}, "'speed'"),
    ({"class_weight": [1]}, "`class_weight` is a dict"),
    ({"validation_data": 3}, "Data of type int"),
    ({"validation_data": []}, "The data are empty"),
]


@pytest.mark.parametrize(("settings", "message"), BAD_SETTINGS, ids=lambda each: str(each)[:40])
def test_a_setting_that_cannot_be_used_is_refused(unchanged, settings, message):
    with pytest.raises(LRWidgetError, match=message):
        lrwidget.compare(unchanged, ARRAYS, [0.1], **{"steps": STEPS, **settings})


def test_data_that_cannot_be_used_are_refused(unchanged):
    with pytest.raises(DataError, match="only once, and 2 runs"):
        lrwidget.compare(unchanged, iter(BATCHES), [0.1, 0.2], steps=2)
    with pytest.raises(DataError, match="only once, and 2 runs"):
        lrwidget.compare(unchanged, iter(BATCHES), [0.1], steps=3, rounds=(2,))
    with pytest.raises(ConfigError, match="`batch_size` in a variant needs arrays"):
        lrwidget.compare(unchanged, BATCHES, [{"batch_size": 8}], steps=2)
    with pytest.raises(DataError, match="ended before the test"):
        lrwidget.compare(unchanged, iter(BATCHES), [0.1], steps=50)
    assert lrwidget.compare(unchanged, iter(BATCHES), [0.1], steps=4).best == "1.00e-1"


def test_a_model_that_cannot_be_used_is_refused():
    with pytest.raises(ModelError, match="not compiled"):
        lrwidget.compare(dense(), ARRAYS, [0.1], steps=2)
    with pytest.raises(ModelError, match="model"):
        lrwidget.compare(3, ARRAYS, [0.1], steps=2)


class WithoutConfig(keras.optimizers.SGD):
    def __init__(self, secret):
        super().__init__(0.1)
        self.secret = secret


def test_an_optimizer_that_cannot_be_copied_is_refused(unchanged):
    with pytest.raises(ConfigError, match="needs a `get_config`"):
        lrwidget.compare(unchanged, ARRAYS, [WithoutConfig("x")], steps=2)


def test_an_error_in_on_update_is_that_of_the_user(unchanged):
    with pytest.raises(ZeroDivisionError):
        lrwidget.compare(unchanged, ARRAYS, [0.1], steps=2, on_update=raiser(ZeroDivisionError()))
