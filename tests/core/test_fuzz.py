"""Whatever a public function is called with, it answers rightly or says what is wrong.

The suite tries 500 calls of each function that needs numpy alone, and fewer where a model trains.
`LRWIDGET_FUZZ=20000 pytest tests/core/test_fuzz.py` tries more.
"""

import contextlib
import json
import math
import os
import warnings

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

import lrwidget
from lrwidget import schedules
from lrwidget.errors import LRWidgetError
from tests.core.battery import compiled, features, labels

EXAMPLES = int(os.environ.get("LRWIDGET_FUZZ", "500"))
WITH_A_MODEL = max(30, EXAMPLES // 20)


def fuzzed(examples: int = EXAMPLES):
    checks = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    return settings(max_examples=examples, deadline=None, suppress_health_check=checks)


NUMBERS = st.one_of(
    st.floats(),
    st.integers(),
    st.floats(1e-9, 10.0),
    st.integers(0, 300),
    st.floats(width=32).map(np.float32),
    st.integers(-5, 200).map(np.int64),
    st.floats(0.0, 1.0).map(np.array),
)
ODDITIES = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=5),
    st.complex_numbers(),
    st.binary(max_size=3),
    st.sampled_from([[], {}, (1.0,), object(), np.array([1.0, 2.0]), np.array("a"), math.pi.hex]),
)
ANYTHING = st.one_of(NUMBERS, ODDITIES)
LOSSES = st.one_of(
    st.lists(st.floats(-1e3, 1e3), max_size=60),
    st.lists(st.floats(), max_size=20),
    st.lists(ANYTHING, max_size=5),
    ANYTHING,
)


@contextlib.contextmanager
def refusals_are_fine():
    """Let a call be refused, by an error that says something."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    except LRWidgetError as error:
        assert len(str(error)) > 20  # noqa: PT017


@fuzzed()
@given(
    ANYTHING, ANYTHING, ANYTHING, st.one_of(st.sampled_from(["exponential", "linear"]), ODDITIES)
)
def test_a_ladder_is_right_or_refused(min_lr, max_lr, steps, mode):
    with refusals_are_fine():
        ladder = lrwidget.lr_ladder(min_lr, max_lr, steps, mode)
        assert ladder.shape == (int(steps),)
        assert ladder.dtype == np.float64
        assert ladder[0] == pytest.approx(float(min_lr))
        assert ladder[-1] == pytest.approx(float(max_lr))
        assert (np.diff(ladder) >= 0).all()


@fuzzed()
@given(LOSSES, ANYTHING, st.one_of(st.sampled_from(["centered", "ema"]), ODDITIES))
def test_a_smoothed_curve_lies_within_the_raw_one_or_is_refused(losses, amount, method):
    with refusals_are_fine():
        smoothed = lrwidget.smooth(losses, amount, method)
        values = np.asarray(losses, dtype=float)
        assert smoothed.shape == values.shape
        finite = values[np.isfinite(values)]
        if len(finite) == len(values) > 0:
            with np.errstate(over="ignore"):
                slack = 1e-9 * (1 + np.abs(values).max())
                low, high = values.min() - slack, values.max() + slack
            assert low <= smoothed.min()
            assert smoothed.max() <= high


@st.composite
def curves(draw):
    count = draw(st.integers(2, 120))
    lrs = np.geomspace(10.0 ** draw(st.integers(-8, -3)), 10.0 ** draw(st.integers(-2, 2)), count)
    losses = draw(st.lists(st.floats(-1e6, 1e6), min_size=count, max_size=count))
    return lrs, losses


CURVES = st.one_of(curves(), st.tuples(LOSSES, LOSSES))


@fuzzed()
@given(
    CURVES,
    st.one_of(
        st.sampled_from(["auto", "minimum", "steepest", "valley", "slide", "edge"]), ODDITIES
    ),
    st.one_of(st.sampled_from(["constant", "one_cycle"]), ODDITIES),
    st.one_of(st.sampled_from(["sgd", "momentum", "rmsprop", "other"]), ODDITIES),
)
def test_a_suggestion_lies_on_the_curve_or_is_refused(curve, rule, target, optimizer):
    with refusals_are_fine():
        suggestion = lrwidget.suggest(*curve, rule, target, optimizer=optimizer)
        assert suggestion.rule == rule
        assert suggestion.reason
        if suggestion.lr is not None:
            assert math.isfinite(suggestion.lr)
            assert suggestion.lr > 0


@fuzzed()
@given(CURVES, st.one_of(st.none(), LOSSES), st.one_of(st.sampled_from(["sgd", "other"]), ODDITIES))
def test_losses_measured_elsewhere_become_a_result_or_are_refused(curve, metric, optimizer):
    metrics = None if metric is None else {"accuracy": metric}
    with refusals_are_fine():
        result = lrwidget.RangeTestResult.from_losses(*curve, metrics=metrics, optimizer=optimizer)
        assert np.isfinite(result.losses).all()
        assert len(result.lrs) == len(result.losses)
        for name in result.series():
            bounds = lrwidget.suggest_bounds(result, metric=name)
            found = [lr for lr in (bounds.low, bounds.high) if lr is not None]
            assert len(found) == 2 or bounds.reason
            assert found == sorted(found)
            assert all(result.lrs[0] <= lr <= result.lrs[-1] for lr in found)


@fuzzed()
@given(ANYTHING, ANYTHING)
def test_bounds_are_of_a_result_or_refused(result, metric):
    with pytest.raises(LRWidgetError):
        lrwidget.suggest_bounds(result, metric=metric)


@fuzzed()
@given(
    st.fixed_dictionaries(
        {"min_lr": ANYTHING, "max_lr": ANYTHING},
        optional={
            "steps": st.one_of(st.integers(2, 40), ODDITIES),
            "mode": st.one_of(st.sampled_from(["exponential", "linear"]), ODDITIES),
            "stop_factor": ANYTHING,
            "sweeps": st.one_of(st.integers(1, 3), ODDITIES),
            "optimizer": st.one_of(st.sampled_from(["sgd", "momentum"]), ODDITIES),
            "on_update": st.one_of(st.none(), ANYTHING),
            "stop": st.one_of(st.none(), ANYTHING),
        },
    ),
    st.booleans(),
    st.lists(ANYTHING, min_size=1, max_size=4),
)
def test_a_loop_is_tested_and_restored_or_refused(settings, restores, losses):
    weight = np.array([4.0])

    def step(lr):
        weight[0] -= 0.1
        return losses[int(10 * weight[0]) % len(losses)]

    if restores:
        settings["get_state"] = lambda: weight
        settings["set_state"] = lambda state: np.copyto(weight, state)
    with refusals_are_fine():
        result = lrwidget.range_test_loop(step, **settings)
        assert np.isfinite(result.losses).all()
        assert result.restored if restores else result.restored is None
    assert weight[0] == 4.0 or not restores


@fuzzed(WITH_A_MODEL)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "show": st.one_of(st.just("accuracy"), ODDITIES),
            "rules": st.one_of(st.lists(st.just("auto"), max_size=2), ANYTHING),
            "target": st.one_of(st.just("one_cycle"), ODDITIES),
            "smoothing": ANYTHING,
            "method": st.one_of(st.just("ema"), ODDITIES),
            "picked": ANYTHING,
            "bounds": ANYTHING,
            "sweeps": ANYTHING,
        },
    )
)
def test_a_result_is_drawn_or_refused(options):
    lrs = lrwidget.lr_ladder(1e-5, 1.0, 30)
    losses = 2.3 - 2 / (1 + (0.001 / lrs) ** 2) + lrs
    result = lrwidget.RangeTestResult.from_losses(lrs, losses, metrics={"accuracy": -losses})
    axes = Figure().subplots()
    with refusals_are_fine():
        assert result.plot(axes, **options) is axes


@fuzzed(WITH_A_MODEL)
@given(
    st.one_of(ANYTHING, st.dictionaries(st.one_of(st.text(max_size=3), st.integers()), ANYTHING)),
    ANYTHING,
)
def test_schedules_are_drawn_or_refused(named, steps):
    axes = Figure().subplots()
    with refusals_are_fine():
        assert lrwidget.plot_schedules(named, steps, axes) is axes
    with refusals_are_fine():
        lrwidget.plot_monitors(named, axes)


SCHEDULES = {
    "OneCycle": lambda a, b, c: schedules.OneCycle(a, b, warmup_fraction=c),
    "WarmupHoldCosine": lambda a, b, c: schedules.WarmupHoldCosine(a, b, c, b),
    "WarmupStableDecay": lambda a, b, c: schedules.WarmupStableDecay(a, b, b, b, c, decay="1-sqrt"),
    "LinearDecay": lambda a, b, c: schedules.LinearDecay(a, b),
    "Triangular": lambda a, b, c: schedules.TriangularCyclicalLearningRate(a, b, c),
    "Exponential": lambda a, b, c: schedules.ExponentialCyclicalLearningRate(a, b, c, gamma=0.9),
}


@pytest.mark.parametrize("name", SCHEDULES)
@fuzzed()
@given(ANYTHING, ANYTHING, ANYTHING)
def test_a_schedule_gives_learning_rates_or_is_refused(name, a, b, c):
    with refusals_are_fine():
        schedule = SCHEDULES[name](a, b, c)
        rates = keras.ops.convert_to_numpy(schedule(np.array([0.0, 1.0, 7.0, 1000.0])))
        assert np.isfinite(rates).all()
        assert (rates >= 0).all()
        again = type(schedule).from_config(schedule.get_config())
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(again(np.array([0.0, 1.0, 7.0, 1000.0]))), rates
        )


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("fuzz") / "result.json"
    lrwidget.range_test(compiled(), (features(), labels()), steps=12, max_lr=1e-3).save(path)
    return path


@fuzzed()
@given(st.data())
def test_a_changed_result_file_is_read_rightly_or_refused(saved, data):
    content = json.loads(saved.read_text())
    inside = data.draw(st.sampled_from([content, content["config"], content["restored"]]))
    key = data.draw(st.one_of(st.sampled_from(sorted(inside)), st.text(max_size=3)))
    values = st.recursive(
        st.one_of(st.none(), st.booleans(), st.floats(allow_nan=False), st.integers(), st.text()),
        lambda each: st.one_of(st.lists(each, max_size=3), st.dictionaries(st.text(), each)),
        max_leaves=5,
    )
    if data.draw(st.booleans()):
        inside[key] = data.draw(values)
    else:
        inside.pop(key, None)
    changed = saved.with_name("changed.json")
    changed.write_text(json.dumps(content))
    with refusals_are_fine():
        result = lrwidget.RangeTestResult.load(changed)
        assert np.isfinite(result.lrs).all()
        assert np.isfinite(result.losses).all()
        assert len(result.lrs) == len(result.losses)


@fuzzed()
@given(st.text(max_size=40))
def test_a_file_of_any_text_is_refused(saved, text):
    other = saved.with_name("other.json")
    other.write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(LRWidgetError):
        lrwidget.RangeTestResult.load(other)


SMALL = {
    "min_lr": st.one_of(st.floats(1e-9, 1e-6), ANYTHING),
    "max_lr": st.one_of(st.floats(1e-5, 1e-2), ANYTHING),
    "steps": st.one_of(st.integers(2, 12), ODDITIES, st.integers(max_value=1)),
    "mode": st.one_of(st.sampled_from(["exponential", "linear"]), ODDITIES),
    "batch_size": st.one_of(st.integers(1, 60), ODDITIES, st.floats()),
    "stop_factor": ANYTHING,
    "sweeps": st.one_of(st.integers(1, 2), ODDITIES, st.integers(max_value=0)),
    "seed": st.one_of(st.integers(0, 100), ANYTHING),
    "monitor": st.one_of(st.just("loss"), ODDITIES),
}


@pytest.fixture(scope="module")
def model():
    return compiled()


@fuzzed(WITH_A_MODEL)
@given(st.sampled_from(sorted(SMALL)), st.data())
def test_a_range_test_runs_and_restores_or_is_refused(model, name, data):
    options = {"steps": 5, "min_lr": 1e-6, "max_lr": 1e-3, name: data.draw(SMALL[name])}
    before = [weights.copy() for weights in model.get_weights()]
    with refusals_are_fine():
        result = lrwidget.range_test(model, (features(), labels()), **options)
        assert result.restored
        assert np.isfinite(result.losses).all()
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


@fuzzed(WITH_A_MODEL)
@given(ANYTHING)
def test_a_learning_rate_is_applied_and_taken_back_or_refused(model, lr):
    before = float(model.optimizer.learning_rate.numpy())
    with refusals_are_fine():
        applied = lrwidget.apply_lr(model, lr)
        assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(float(lr), rel=1e-6)
        applied.undo()
    assert float(model.optimizer.learning_rate.numpy()) == before


@fuzzed()
@given(ANYTHING, ANYTHING, ANYTHING, ANYTHING)
def test_the_callback_is_made_or_refused(min_lr, max_lr, steps, stop_factor):
    with refusals_are_fine():
        lrwidget.LRRangeTest(min_lr, max_lr, steps, stop_factor=stop_factor)
