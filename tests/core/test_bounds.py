"""Bounds for cyclical learning rates, on curves whose answer is known and on real ones."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

import lrwidget
from lrwidget import RangeTestResult, suggest_bounds
from lrwidget.errors import ConfigError
from tests.core import curves


def result_of(losses, lrs=None, **more):
    lrs = curves.ladder(100) if lrs is None else lrs
    return RangeTestResult.from_losses(lrs[: len(losses)], losses, **more)


def measured(steps=100, share=0.03, seed=0, **shape):
    return curves.as_measured(curves.good(curves.ladder(steps), **shape), share, seed)


# With a fall of 2 / (1 + exp(-(x - center) / width)), a tenth is done 2.2 widths before the center.
@pytest.mark.parametrize("steps", [50, 100, 400, 1600])
@pytest.mark.parametrize("center", [-4.0, -3.0, -2.0])
def test_the_loss_has_done_a_tenth_of_its_fall_at_the_lower_bound_and_nine_at_the_upper(
    steps, center
):
    bounds = suggest_bounds(result_of(measured(steps, center=center), curves.ladder(steps)))
    assert np.log10(bounds.low) == pytest.approx(center - 2.2 * 0.35, abs=0.35)
    assert np.log10(bounds.high) == pytest.approx(center + 2.2 * 0.35, abs=0.35)
    assert bounds.reason == ""


def test_a_fall_that_becomes_ragged_ends_there():
    smooth_end = suggest_bounds(result_of(measured())).high
    lrs = curves.ladder(100)
    losses = curves.good(lrs)
    late = (lrs > 10**-2.7) & (lrs < 0.1)
    losses[late] += 0.9 * (np.arange(late.sum()) // 4 % 2)
    ragged = suggest_bounds(result_of(losses))
    assert ragged.high < smooth_end
    assert ragged.low < ragged.high < 10**-2.4


def test_an_accuracy_is_read_upside_down_and_an_error_is_not():
    losses = measured()
    quality = (2.3 - curves.good(curves.ladder(100)))[: len(losses)]
    result = result_of(losses, metrics={"accuracy": quality, "mae": 3 - quality})
    accuracy, error = (suggest_bounds(result, metric=name) for name in ("accuracy", "mae"))
    assert accuracy.low == pytest.approx(error.low)
    assert accuracy.high == pytest.approx(error.high)
    assert np.log10(accuracy.low) == pytest.approx(-3 - 2.2 * 0.35, abs=0.35)


def test_a_validation_loss_with_gaps_can_be_read():
    losses = measured()
    validation = np.full(len(losses), np.nan)
    validation[4::5] = curves.good(curves.ladder(100))[: len(losses)][4::5]
    bounds = suggest_bounds(
        result_of(losses, validation_losses=validation), metric="validation_loss"
    )
    assert np.log10(bounds.low) == pytest.approx(-3 - 2.2 * 0.35, abs=0.35)
    assert np.log10(bounds.high) == pytest.approx(-3 + 2.2 * 0.35, abs=0.35)


@pytest.mark.parametrize(
    ("losses", "reason"),
    [
        (curves.rising(curves.ladder(100)), "never improved: lower min_lr, now 1.00e-7"),
        (curves.noise(100, seed=0), "no more than its noise"),
        (measured()[:9], "Only 9 values"),
    ],
)
def test_without_a_fall_there_are_no_bounds_and_a_reason(losses, reason):
    bounds = suggest_bounds(result_of(losses))
    assert (bounds.low, bounds.high) == (None, None)
    assert reason in bounds.reason


def test_a_curve_that_is_cut_off_on_the_left_has_no_lower_bound():
    lrs, losses = curves.ladder(200), curves.good(curves.ladder(200))
    inside = lrs > 10**-3.2
    bounds = suggest_bounds(result_of(losses[inside], lrs[inside]))
    assert bounds.low is None
    assert bounds.high > 1e-3
    assert "lower min_lr, now " in bounds.reason


def test_a_curve_that_still_falls_at_its_end_has_no_upper_bound():
    lrs = curves.ladder(200)[:100]
    bounds = suggest_bounds(result_of(curves.good(lrs), lrs))
    assert bounds.high is None
    assert bounds.low < 1e-3
    assert "still improves at the last learning rate" in bounds.reason


def test_a_linear_ladder_that_skips_decades_is_named():
    lrs = lrwidget.lr_ladder(1e-7, 10.0, 100, "linear")
    assert 'mode="linear"' in suggest_bounds(result_of(curves.good(lrs), lrs)).reason


@settings(deadline=None, max_examples=30)
@given(st.floats(1e-3, 1e3), st.floats(-1e3, 1e3))
def test_the_unit_of_the_loss_does_not_move_the_bounds(scale, shift):
    plain = suggest_bounds(result_of(measured()))
    moved = suggest_bounds(result_of(scale * measured() + shift))
    assert moved.low == pytest.approx(plain.low, rel=1e-3)
    assert moved.high == pytest.approx(plain.high, rel=1e-3)


def test_losses_close_to_overflow_have_bounds():
    plain = suggest_bounds(result_of(measured()))
    assert suggest_bounds(result_of(measured() * 1e307)).low == pytest.approx(plain.low)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_bounds_of_a_real_test_hold_the_suggestion(optimizer):
    x, y = load_digits(return_X_y=True)
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((64,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(10)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"])
    result = lrwidget.range_test(model, (x / 16, y), seed=0)
    for metric in ("loss", "accuracy"):
        bounds = suggest_bounds(result, metric=metric)
        assert bounds.low < result.suggest().lr < bounds.high


def test_something_that_is_no_result_is_named():
    with pytest.raises(ConfigError, match=r"must be a RangeTestResult.*got list.*from_losses"):
        suggest_bounds([1.0, 2.0])


def test_an_unknown_metric_is_named_with_those_that_are_known():
    with pytest.raises(ConfigError, match=r'"loss".*got metric=\'recall\''):
        suggest_bounds(result_of(measured()), metric="recall")
