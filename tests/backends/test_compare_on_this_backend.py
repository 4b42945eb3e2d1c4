"""compare on every backend: one start, the same batches, and the model restored."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import lrwidget
from lrwidget.core.compare.comparison import Comparison
from tests.core.battery import MODELS, compiled, features, in_batches, labels

X, Y = features(), labels()
BATCHES = [(X[start : start + 8], Y[start : start + 8]) for start in range(0, 48, 8)]
NAMES = [
    "batch_normalization_and_dropout",
    "in_the_middle_of_training",
    "schedule_assigned_later",
    "own_train_step_and_metrics",
    "several_inputs_and_outputs",
    "mixed_precision_in_the_middle_of_training",
    "accumulation_begun",
    "run_eagerly",
]


def state_of(model: keras.Model) -> list[bytes]:
    metrics = [variable for metric in model.metrics for variable in metric.variables]
    held = [*model.variables, *model.optimizer.variables, *metrics]
    values = [keras.ops.convert_to_numpy(each).tobytes() for each in held]
    return [*values, np.random.get_state()[1].tobytes(), sorted(vars(model))]


def losses_of(comparison: Comparison) -> dict[str, np.ndarray]:
    return {run.name: run.losses for run in comparison.runs}


def variants() -> dict[str, Any]:
    return {
        "a": 0.01,
        "far": {"learning_rate": 3.0, "clipnorm": 1.0},
        "b": {"learning_rate": 0.01},
        "copy": {"learning_rate": 0.01, "clipnorm": None},
        "sgd": keras.optimizers.SGD(0.01, momentum=0.5),
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_model_of_the_battery_is_compared_without_a_trace(name):
    keras.utils.set_random_seed(7)
    model, data = MODELS[name]()
    lrwidget.range_test(model, data, steps=2)  # builds what `fit` would build
    before = state_of(model)
    comparison = lrwidget.compare(model, data, variants(), steps=5, stop_early=False)
    assert comparison.restored
    assert state_of(model) == before
    found = losses_of(comparison)
    np.testing.assert_array_equal(found["a"], found["b"])
    np.testing.assert_allclose(found["a"], found["copy"], rtol=1e-5)
    if name != "accumulation_begun":  # there an update of SGD sees one batch
        assert found["sgd"][0] == pytest.approx(found["a"][0], rel=1e-6)
    assert not np.array_equal(found["sgd"], found["a"])


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(5)
    model = compiled(keras.optimizers.Adam(0.01), layers.Dense(6), layers.Dropout(0.3))
    model.fit(X, Y, batch_size=8, verbose=0)
    return model


def test_the_losses_are_those_of_a_fit():
    keras.utils.set_random_seed(5)
    model = compiled(keras.optimizers.Adam(0.01), layers.Dense(6), layers.Dropout(0.3))
    model.fit(X, Y, batch_size=8, verbose=0)
    comparison = lrwidget.compare(model, BATCHES, {"as it is": {}}, steps=len(BATCHES))
    losses = [
        model.fit(x, y, batch_size=8, verbose=0, shuffle=False).history["loss"][0]
        for x, y in BATCHES
    ]
    np.testing.assert_allclose(comparison.runs[0].losses, losses, rtol=1e-5)


def drawn_at_random() -> Iterator[Any]:
    for _ in range(3):
        rows = np.random.permutation(48)[:12]
        yield X[rows], Y[rows]


@pytest.mark.parametrize(
    "data", [(X, Y), BATCHES, drawn_at_random, in_batches(X, Y)], ids=lambda each: str(type(each))
)
def test_every_variant_sees_the_same_batches(unchanged, data):
    found = losses_of(
        lrwidget.compare(
            unchanged, data, {"a": 1e-30, "b": keras.optimizers.SGD(1e-30), "c": 1e-30}, steps=7
        )
    )
    np.testing.assert_array_equal(found["a"], found["c"])
    np.testing.assert_allclose(found["a"], found["b"], rtol=1e-5)


def test_seeds_change_the_order_and_validation_gives_the_score(unchanged):
    comparison = lrwidget.compare(
        unchanged, (X, Y), [0.01, 0.02], steps=12, seeds=2, seed=0, validation_data=(X, Y)
    )
    first, second = comparison.runs[:2]
    assert not np.array_equal(first.losses, second.losses)
    ends = [run.validation_losses[-2:].mean() for run in comparison.runs]
    by_name = {row.name: row.score for row in comparison.ranking}
    assert by_name[first.name] == pytest.approx(np.mean(ends[:2]), rel=1e-6)


def test_bad_variants_are_marked_and_rounds_keep_the_better_half(unchanged):
    rates = {"nan": 1e38, "a": 0.01, "b": 0.001, "c": 1e-5, "sgd": keras.optimizers.SGD(1e30)}
    comparison = lrwidget.compare(unchanged, (X, Y), rates, steps=12, rounds=(4,), seed=1)
    assert comparison.best in ("a", "b", "c")
    ends = {run.name: run.stop_reason for run in comparison.runs}
    assert ends["nan"] == ends["sgd"] == "non_finite"


def test_a_stop_and_errors_restore_the_model(unchanged):
    stop = threading.Event()
    comparison = lrwidget.compare(
        unchanged, (X, Y), [0.01, 0.02], steps=50_000, stop=stop, on_update=lambda _: stop.set()
    )
    assert comparison.restored
    assert {run.stop_reason for run in comparison.runs} == {"stopped"}

    def failing(update: Any) -> None:
        if update.step > 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lrwidget.compare(
            unchanged, (X, Y), [0.1, keras.optimizers.SGD(0.1)], steps=4, on_update=failing
        )


def test_threads_give_the_same_numbers_as_this_one(unchanged):
    settings = {"steps": 6, "seed": 2, "validation_data": (X, Y)}
    compared = [0.01, {"weight_decay": 0.1}, keras.optimizers.SGD(0.1)]
    here = lrwidget.compare(unchanged, (X, Y), compared, **settings)
    with ThreadPoolExecutor(2) as executor:
        there = lrwidget.compare(unchanged, (X, Y), compared, executor=executor, **settings)
    for mine, theirs in zip(here.runs, there.runs, strict=True):
        np.testing.assert_array_equal(mine.losses, theirs.losses)
        np.testing.assert_array_equal(mine.validation_losses, theirs.validation_losses)
    assert there.restored
