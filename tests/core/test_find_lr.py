"""find_lr: a range test, and short trainings only where its curve does not decide."""

import threading
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import lrwidget
from lrwidget.core.advice.spread import ROUNDS
from lrwidget.errors import LRWidgetError
from tests.core.test_no_trace import raiser

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(512, 8)).astype("float32")
CLEAR = (X, (X @ RANDOM.normal(size=(8, 1)) > 0).astype("float32"))
NOISE = (X, RANDOM.integers(0, 2, (512, 1)).astype("float32"))


def classifier() -> keras.Model:
    keras.utils.set_random_seed(1)
    hidden = layers.Dense(16, activation="relu")
    model = keras.Sequential([keras.Input((8,)), hidden, layers.Dense(1, activation="sigmoid")])
    model.compile("adam", "binary_crossentropy")
    return model


def recurrent() -> keras.Model:
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Reshape((4, 2)),
            layers.SimpleRNN(4),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy")
    return model


@pytest.fixture(scope="module")
def model() -> keras.Model:
    model = classifier()
    model.fit(*CLEAR, verbose=0)
    return model


@pytest.fixture(scope="module")
def clear() -> lrwidget.FoundLR:
    return lrwidget.find_lr(classifier(), CLEAR, seed=0, steps=130)


@pytest.fixture(scope="module")
def doubtful(model) -> lrwidget.FoundLR:
    return lrwidget.find_lr(model, NOISE, seed=0, target="one_cycle")


def test_a_clear_curve_needs_no_comparison(clear):
    assert clear.comparison is None
    assert clear.lr == clear.range_test.suggest("auto").lr
    assert clear.reliable
    assert clear.low <= clear.lr <= clear.high
    assert clear.steps == 30 + len(clear.range_test.lrs)
    assert clear.target == "constant"


def test_a_doubtful_curve_is_decided_by_trials(doubtful):
    comparison = doubtful.comparison
    assert comparison is not None
    tested = 100 - doubtful.range_test.config.steps + len(doubtful.range_test.lrs)
    assert doubtful.steps == tested + comparison.steps
    assert "rates were trained" in doubtful.reason
    assert doubtful.confidence in ("medium", "low")
    assert doubtful.low <= doubtful.lr <= doubtful.high
    assert comparison.settings["rounds"] == list(ROUNDS)


def test_the_present_learning_rate_is_always_among_those_tried(doubtful):
    assert len(doubtful.comparison.settings["variants"]) >= 5
    present = [run for run in doubtful.comparison.runs if run.name == "present"]
    rates = [run.lrs.max() for run in present] or [
        run.lrs.max() for run in doubtful.comparison.runs
    ]
    assert any(rate == pytest.approx(1e-3, rel=0.06) for rate in rates)


def test_the_trials_train_with_the_schedule_of_the_target(doubtful):
    run = max(doubtful.comparison.runs, key=lambda run: len(run.losses))
    assert run.lrs.max() > 5 * run.lrs[0]
    assert run.lrs.argmax() == pytest.approx(run.steps / 4, abs=2)


def test_the_answer_lies_between_the_best_of_the_trials_and_the_suggestion(doubtful):
    comparison = doubtful.comparison
    best = next(run for run in comparison.runs if run.name == comparison.best).lrs.max()
    suggested = doubtful.range_test.suggest("auto", "one_cycle").lr
    ends = sorted([best, best if suggested is None else suggested])
    assert 0.999 * ends[0] <= doubtful.lr <= 1.001 * ends[1]


def test_a_model_with_recurrent_layers_is_always_tried():
    model = recurrent()
    found = lrwidget.find_lr(model, CLEAR, seed=0)
    assert found.comparison is not None
    assert found.comparison.restored
    assert not model.optimizer.built


def test_data_that_can_be_read_only_once_allow_no_trials(unchanged):
    batches = ((NOISE[0][:32], NOISE[1][:32]) for _ in range(500))
    found = lrwidget.find_lr(unchanged, batches)
    assert found.comparison is None
    assert found.lr is None or found.confidence in ("low", "medium", "high")


def test_a_stop_in_the_range_test_ends_everything(unchanged):
    stop = threading.Event()
    found = lrwidget.find_lr(
        unchanged, NOISE, steps=50_000, stop=stop, on_update=lambda update: stop.set()
    )
    assert found.comparison is None
    assert found.range_test.stop_reason == "stopped"


def test_a_stop_during_the_trials_keeps_what_the_curve_says(unchanged):
    stop = threading.Event()

    def stop_trials(update: Any) -> None:
        if hasattr(update, "runs"):
            stop.set()

    found = lrwidget.find_lr(unchanged, NOISE, seed=0, stop=stop, on_update=stop_trials)
    assert found.comparison is not None
    assert found.comparison.best is None
    assert "None of the trials finished" in found.reason


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ZeroDivisionError()])
def test_an_error_on_the_way_restores_the_model(unchanged, error):
    with pytest.raises(type(error)):
        lrwidget.find_lr(unchanged, NOISE, on_update=raiser(error))


def test_an_error_during_the_trials_restores_the_model(unchanged):
    def failing(update: Any) -> None:
        if hasattr(update, "runs"):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        lrwidget.find_lr(unchanged, NOISE, seed=0, on_update=failing)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": "both"}, "target"),
        ({"train_steps": 0}, "train_steps"),
        ({"steps": 1}, "steps"),
        ({"seed": -1}, "seed"),
        ({"validation_data": 3}, "Data of type int"),
        ({"optimizer": 3}, "optimizer=3"),
    ],
)
def test_what_cannot_be_used_is_refused(unchanged, settings, message):
    with pytest.raises(LRWidgetError, match=message):
        lrwidget.find_lr(unchanged, NOISE, **settings)


def test_it_says_what_it_found_in_words(clear, doubtful):
    assert "high confidence" in repr(clear) or "medium confidence" in repr(clear)
    assert f"{doubtful.steps} steps" in repr(doubtful)
    assert doubtful._repr_html_().startswith("<p>")
