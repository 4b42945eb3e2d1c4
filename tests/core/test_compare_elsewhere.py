"""Comparisons in an executor: the same numbers as here, and clear errors for what cannot travel."""

import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import lrwidget
from lrwidget.core.compare.comparison import Comparison
from lrwidget.errors import ConfigError, ModelError
from lrwidget.schedules import OneCycle
from tests.core.battery import crossentropy, features, labels
from tests.core.test_no_trace import state_of

X, Y = features(), labels()
STEPS = 24


def is_worker() -> bool:
    return multiprocessing.parent_process() is not None


class Scaled(layers.Layer):
    """A layer of the user's that is not registered."""

    def call(self, x):
        return 0.5 * x


class FailsInWorkers(keras.optimizers.SGD):
    def build(self, variables):
        if is_worker():
            raise RuntimeError("no memory left")
        super().build(variables)


class KillsWorkers(keras.optimizers.SGD):
    def build(self, variables):
        if is_worker():
            os._exit(1)
        super().build(variables)


class NotSerializable(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return 0.01


def own_loss(y, predicted):
    return keras.losses.sparse_categorical_crossentropy(y, predicted, from_logits=True)


def drawn_at_random() -> Iterator[Any]:
    for _ in range(5):
        rows = np.random.permutation(48)[:16]
        yield X[rows], Y[rows]


def made_model() -> keras.Model:
    keras.utils.set_random_seed(4)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(6),
            Scaled(),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dense(3),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), own_loss, metrics=["accuracy"])
    model.fit(X, Y, verbose=0)
    return model


VARIANTS = {
    "rate": 0.03,
    "one-cycle": lambda steps: OneCycle(0.1, steps),
    "own schedule": NotSerializable(),
    "setting": {"weight_decay": 0.1},
    "slow": 1e-7,
    "up": 1e30,
}
SETTINGS: dict[str, Any] = {
    "steps": STEPS,
    "rounds": (12,),
    "seeds": 2,
    "seed": 3,
    "validation_data": (X, Y),
}


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return made_model()


@pytest.fixture
def unchanged(model) -> Iterator[keras.Model]:
    np.random.seed(12)
    before = state_of(model)
    yield model
    assert state_of(model) == before


@pytest.fixture(scope="module")
def here(model) -> Comparison:
    return lrwidget.compare(model, (X, Y), VARIANTS, **SETTINGS)


@pytest.fixture(scope="module")
def processes() -> Iterator[Executor]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as executor:
        yield executor


def assert_same(elsewhere: Comparison, here: Comparison) -> None:
    assert [run.failure for run in elsewhere.runs] == [""] * len(here.runs)
    for there, mine in zip(elsewhere.runs, here.runs, strict=True):
        assert (there.name, there.seed, there.stop_reason, there.steps) == (
            mine.name,
            mine.seed,
            mine.stop_reason,
            mine.steps,
        )
        for name in ("lrs", "losses", "validation_losses", "validation_batches"):
            np.testing.assert_array_equal(getattr(there, name), getattr(mine, name))
        np.testing.assert_array_equal(there.metrics["accuracy"], mine.metrics["accuracy"])
    assert repr(elsewhere.ranking) == repr(here.ranking)
    assert elsewhere.steps == here.steps
    assert elsewhere.restored


def test_processes_give_the_same_numbers_as_this_one(unchanged, here, processes):
    updates = []
    there = lrwidget.compare(
        unchanged, (X, Y), VARIANTS, executor=processes, on_update=updates.append, **SETTINGS
    )
    assert_same(there, here)
    ends = {run.stop_reason for run in here.runs}
    assert ends == {"finished", "hopeless", "non_finite"}
    assert updates[-1].step == there.steps


@pytest.mark.parametrize("kind", ["processes", "threads"])
def test_data_that_are_drawn_at_random_give_the_same_batches(unchanged, request, kind):
    settings = {"steps": 8, "seed": 1}
    variants = [0.01, keras.optimizers.SGD(0.1)]
    mine = lrwidget.compare(unchanged, drawn_at_random, variants, **settings)
    executor = ThreadPoolExecutor(2) if kind == "threads" else request.getfixturevalue(kind)
    there = lrwidget.compare(unchanged, drawn_at_random, variants, executor=executor, **settings)
    assert_same(there, mine)
    if kind == "threads":
        executor.shutdown()


def test_a_worker_that_raises_marks_its_variant_and_the_others_are_kept(unchanged, processes):
    variants = {"fine": 0.01, "bad": FailsInWorkers(0.1), "too": keras.optimizers.SGD(0.1)}
    there = lrwidget.compare(unchanged, (X, Y), variants, steps=4, executor=processes)
    bad = there.ranking[-1]
    assert bad.name == "bad"
    assert bad.reason == "failed in its worker: RuntimeError: no memory left"
    assert {row.name for row in there.ranking if not row.reason} == {"fine", "too"}
    assert there.restored


def test_the_reason_of_a_failure_is_saved(unchanged, processes, tmp_path):
    variants = {"fine": 0.01, "bad": FailsInWorkers(0.1)}
    there = lrwidget.compare(unchanged, (X, Y), variants, steps=4, executor=processes)
    there.save(tmp_path / "a.json")
    loaded = Comparison.load(tmp_path / "a.json")
    assert loaded.ranking[-1].reason == there.ranking[-1].reason
    there.plot()


def test_a_worker_that_dies_marks_what_it_did_not_finish(unchanged, processes):
    # The last test with these processes, because a pool is broken then.
    dying = {"fine": 0.01, "deadly": KillsWorkers(0.1)}
    there = lrwidget.compare(unchanged, (X, Y), dying, steps=4, executor=processes)
    assert "BrokenProcessPool" in there.ranking[-1].reason
    assert there.restored
    again = lrwidget.compare(unchanged, (X, Y), {"a": 0.1, "b": 0.2}, steps=4, executor=processes)
    assert again.best is None
    assert all("failed in its worker: BrokenProcessPool" in row.reason for row in again.ranking)


def test_a_model_with_a_schedule_and_one_that_is_not_built_travel():
    def made() -> keras.Model:
        keras.utils.set_random_seed(9)
        model = keras.Sequential([layers.Dense(4, activation="relu"), layers.Dense(3)])
        model.compile(keras.optimizers.Adam(NotSerializable()), crossentropy())
        return model

    variants = {"as it is": {}, "rate": 0.1}
    mine = lrwidget.compare(made(), (X, Y), variants, steps=6, seed=0)
    model = made()
    with ThreadPoolExecutor(1) as executor:
        there = lrwidget.compare(model, (X, Y), variants, steps=6, seed=0, executor=executor)
    for run, other in zip(there.runs, mine.runs, strict=True):
        np.testing.assert_array_equal(run.losses, other.losses)
    assert there.restored
    assert not model.optimizer.built
    assert isinstance(model.optimizer._learning_rate, NotSerializable)


def test_a_stop_ends_the_comparison_and_its_threads(unchanged):
    stop = threading.Event()
    with ThreadPoolExecutor(1) as executor:
        there = lrwidget.compare(
            unchanged,
            (X, Y),
            {"a": 0.01, "b": 0.02, "c": 0.03},
            steps=20,
            stop=stop,
            on_update=lambda update: stop.set(),
            executor=executor,
        )
        ends = [run.stop_reason for run in there.runs]
        assert sorted(ends) == ["finished", "stopped", "stopped"]
        assert there.restored
        assert executor.submit(int).result(timeout=5) == 0  # nothing else runs there


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ZeroDivisionError()])
def test_an_error_in_on_update_ends_the_comparison(unchanged, error):
    def failing(_update: Any) -> None:
        raise error

    with ThreadPoolExecutor(1) as executor, pytest.raises(type(error)):
        lrwidget.compare(
            unchanged, (X, Y), [0.1, 0.2, 0.3], steps=6, executor=executor, on_update=failing
        )


class NeverCalled(Executor):
    """An executor that refuses everything."""

    def submit(self, *_task: Any, **_settings: Any) -> "Future[Any]":
        raise AssertionError


class WithoutConfig(layers.Layer):
    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def call(self, x):
        return self.scale * x


def test_data_that_cannot_travel_are_refused_before_anything_starts(unchanged):
    with pytest.raises(
        ConfigError, match=r"The data, .* cannot be sent to a worker: .* Pass arrays"
    ):
        lrwidget.compare(
            unchanged, ((x, y) for x, y in [(X, Y)]), [0.1], steps=1 + 1, executor=NeverCalled()
        )
    with pytest.raises(ConfigError, match=r"The validation data, .* cannot be sent"):
        lrwidget.compare(
            unchanged,
            (X, Y),
            [0.1],
            steps=2,
            validation_data=iter((x, y) for x, y in [(X, Y)]),
            executor=NeverCalled(),
        )


def test_a_model_that_keras_cannot_load_is_refused_before_anything_starts():
    model = keras.Sequential([keras.Input((6,)), WithoutConfig(2.0), layers.Dense(3)])
    model.compile("sgd", crossentropy())
    before = state_of(model)
    with pytest.raises(ModelError, match=r"cannot be trained elsewhere|Keras cannot save it"):
        lrwidget.compare(model, (X, Y), [0.1], steps=2, executor=NeverCalled())
    assert state_of(model) == before


def test_something_that_is_no_executor_is_refused(unchanged):
    with pytest.raises(ConfigError, match=r"`executor\.submit` must be a function"):
        lrwidget.compare(unchanged, (X, Y), [0.1], steps=2, executor=3)


def test_an_executor_that_takes_nothing_marks_all_variants(unchanged):
    with ThreadPoolExecutor(1) as executor:
        pass
    there = lrwidget.compare(unchanged, (X, Y), [0.1, 0.2], steps=2, executor=executor)
    assert there.best is None
    assert "cannot schedule new futures after shutdown" in there.ranking[0].reason


def test_the_executor_of_a_dask_client_gives_the_same_numbers(unchanged):
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    )
    variants = {"rate": 0.02, "sgd": keras.optimizers.SGD(0.1)}
    mine = lrwidget.compare(unchanged, (X, Y), variants, steps=4, seed=0)
    with cluster, distributed.Client(cluster) as client, client.get_executor() as executor:
        there = lrwidget.compare(unchanged, (X, Y), variants, steps=4, seed=0, executor=executor)
    assert_same(there, mine)
