"""Smoothing: no lag, no bleeding, the same meaning at any length."""

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lrwidget.core.curve.smoothing import DEFAULT_SMOOTHING, finite_length, local_noise, smooth
from lrwidget.errors import ConfigError
from tests.core.curves import good, ladder, noise

METHODS = ["centered", "ema"]
losses_of_any_length = arrays(np.float64, st.integers(0, 60), elements=st.floats(-10, 10, width=16))
amounts = st.floats(0, 0.99)
methods = st.sampled_from(METHODS)


@settings(deadline=None)
@given(losses_of_any_length, amounts, methods)
def test_smoothing_keeps_the_shape_and_the_range_and_the_argument(losses, amount, method):
    before = losses.copy()
    smoothed = smooth(losses, amount, method)
    np.testing.assert_array_equal(losses, before)
    assert smoothed.shape == losses.shape
    assert smoothed is not losses
    if len(losses):
        assert losses.min() <= smoothed.min()
        assert smoothed.max() <= losses.max()


@settings(deadline=None)
@given(losses_of_any_length, methods)
def test_amount_zero_changes_nothing(losses, method):
    np.testing.assert_array_equal(smooth(losses, 0, method), losses)


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 300), amounts, methods)
def test_a_constant_stays_itself_to_the_bit(value, n, amount, method):
    losses = np.full(n, value)
    np.testing.assert_array_equal(smooth(losses, amount, method), losses)


@settings(deadline=None)
@given(losses_of_any_length, amounts, methods, st.integers(-8, 8))
def test_scaling_by_a_power_of_two_scales_to_the_bit(losses, amount, method, exponent):
    factor = 2.0**exponent
    np.testing.assert_array_equal(
        smooth(losses * factor, amount, method), smooth(losses, amount, method) * factor
    )


@settings(deadline=None)
@given(st.integers(0, 1000), amounts, methods, st.floats(0.01, 100), st.floats(-100, 100))
def test_scaling_and_shifting_do_the_same_to_the_smoothed(seed, amount, method, factor, shift):
    losses = noise(40, seed)
    np.testing.assert_allclose(
        smooth(factor * losses + shift, amount, method),
        factor * smooth(losses, amount, method) + shift,
        rtol=1e-9,
        atol=1e-9 * factor,
    )


@settings(deadline=None)
@given(arrays(np.float64, st.integers(0, 30), elements=st.floats(allow_nan=False)), amounts)
def test_any_numbers_can_be_smoothed(losses, amount):
    smoothed = smooth(losses, amount)
    assert np.isfinite(smoothed[: finite_length(losses)]).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_from_the_first_broken_loss_on_all_stay_as_they_are(method, broken):
    losses = noise(60, seed=1)
    tail = np.array([broken, 7.0, 8.0])
    smoothed = smooth(np.concatenate([losses, tail]), 0.5, method)
    np.testing.assert_array_equal(smoothed[:60], smooth(losses, 0.5, method))
    np.testing.assert_array_equal(smoothed[60:], tail)


@pytest.mark.parametrize("steps", [50, 71, 100, 300, 1000])
@pytest.mark.parametrize("end", [-1.0, 0.0])
@pytest.mark.parametrize("power", [1.0, 2.0, 4.0])
def test_an_explosion_of_decades_does_not_move_the_minimum(steps, end, power):
    lrs = ladder(steps)
    losses = good(lrs, power=power, end=end)
    moved = np.log10(lrs[smooth(losses, DEFAULT_SMOOTHING).argmin()] / lrs[losses.argmin()])
    assert abs(moved) < 0.1


def test_the_moving_average_of_the_articles_lags_where_the_centered_one_does_not():
    lrs = ladder(300)
    losses = good(lrs)
    lag = {
        m: np.log10(lrs[smooth(losses, 0.95, m).argmin()] / lrs[losses.argmin()]) for m in METHODS
    }
    assert lag["ema"] > 0.3
    assert abs(lag["centered"]) < 0.05


def test_the_explosion_stays_in_the_smoothed_curve():
    losses = good(ladder(100), power=4)
    assert smooth(losses, 0.5)[-1] > 0.5 * losses[-1]


@pytest.mark.parametrize("steps", [50, 100, 300, 1000])
@pytest.mark.parametrize("height", [1e3, -1e3, 1e12])
def test_single_spikes_vanish(steps, height):
    losses = good(ladder(steps))
    rung = steps // 3
    spiked = losses.copy()
    spiked[rung] += height
    np.testing.assert_allclose(
        smooth(spiked, DEFAULT_SMOOTHING)[: rung + 5], losses[: rung + 5], atol=0.03
    )


def test_single_spikes_vanish_among_noise():
    losses = noise(200, seed=2)
    spiked = losses.copy()
    spiked[[50, 120]] += 40
    assert np.abs(smooth(spiked, 0.25) - smooth(losses, 0.25)).max() < 0.2


@pytest.mark.parametrize(("amount", "left"), [(0.1, 0.75), (0.25, 0.5), (0.6, 0.4)])
def test_more_smoothing_leaves_less_noise(amount, left):
    spread = [np.std(smooth(noise(100, seed), amount)) / 0.2 for seed in range(20)]
    assert np.mean(spread) < left


def test_an_amount_means_the_same_at_any_number_of_steps():
    """The noise left falls with the root of the points in a window, so of all points."""
    left = {
        n: np.mean([np.std(smooth(noise(n, seed), 0.4)[n // 5 : -n // 5]) for seed in range(20)])
        for n in (100, 400, 1600)
    }
    assert left[100] / left[400] == pytest.approx(2, rel=0.35)
    assert left[400] / left[1600] == pytest.approx(2, rel=0.35)


@pytest.mark.parametrize("n", [2, 3, 5, 20, 100, 1000])
@pytest.mark.parametrize("amount", [0.1, 0.5, 0.95])
def test_a_straight_line_stays_straight_up_to_its_ends(n, amount):
    line = 3 - 0.5 * np.arange(n)
    np.testing.assert_allclose(smooth(line, amount), line, atol=1e-9 * n)


@pytest.mark.parametrize("slope", [0.0, -0.01, 0.01])
def test_the_ends_of_a_noisy_line_keep_their_height(slope):
    line = slope * np.arange(200)
    off = [
        smooth(line + noise(200, seed), 0.6)[[0, -1]] - 2.3 - line[[0, -1]] for seed in range(60)
    ]
    assert np.abs(np.mean(off, axis=0)).max() < 0.04


@pytest.mark.parametrize("sd", [0.001, 0.5])
@pytest.mark.parametrize(("n", "low"), [(50, 0.5), (1000, 0.8)])
def test_local_noise_is_close_to_the_standard_deviation_of_noise_on_a_curve(n, low, sd):
    rng = np.random.default_rng(0)
    curve = good(ladder(n), width=0.8, end=1)
    found = [np.median(local_noise(curve + sd * rng.standard_normal(n))) for _ in range(20)]
    assert low * sd < np.mean(found) < 1.1 * sd


def test_ema_is_the_bias_corrected_average_by_hand():
    np.testing.assert_allclose(
        smooth(np.array([1.0, 3.0, 7.0]), 0.5, "ema"), [1, (1 + 2 * 3) / 3, (1 + 2 * 3 + 4 * 7) / 7]
    )


def test_a_hundred_thousand_losses_take_less_than_two_seconds():
    losses = noise(100_000, seed=0)
    start = time.thread_time()
    smooth(losses, 0.9)
    assert time.thread_time() - start < 2


@pytest.mark.parametrize("bad", [-0.1, 1, 1.5, math.nan, True, "0.5", None])
def test_an_amount_outside_of_zero_to_one_is_an_error(bad):
    with pytest.raises(ConfigError, match=r"below 1; got amount=.*0.25 is the default"):
        smooth(np.ones(5), bad)


@pytest.mark.parametrize("bad", ["median", None, ["ema"]])
def test_an_unknown_method_is_named_with_those_that_are_known(bad):
    with pytest.raises(ConfigError, match='"centered" or "ema"; got method='):
        smooth(np.ones(5), 0.5, bad)


def test_losses_must_have_one_dimension():
    with pytest.raises(ConfigError, match=r"one dimension; got shape \(2, 3\)"):
        smooth(np.ones((2, 3)), 0.5)
