"""Ticks, limits and hit columns of the plot."""

import numpy as np
import pytest

from lrwidget.core.curve.ladder import lr_ladder
from lrwidget.ui.looks import axis
from lrwidget.ui.state.drawn_curve import Curve

LRS = lr_ladder(1e-7, 10.0, 100)
VALLEY = 2.3 - 2.0 / (1 + (1e-3 / LRS) ** 2)


@pytest.mark.parametrize(("low", "high"), [(1e-7, 10.0), (3e-6, 0.7), (1e-10, 100.0)])
def test_ticks_are_decades_inside_the_range(low, high):
    ticks = axis.LOG.ticks(low, high)
    exponents = np.log10(ticks)
    assert np.allclose(exponents, exponents.round(), atol=1e-9)
    assert low <= ticks[0] < 10 * low
    assert high / 10 < ticks[-1] <= high


def test_ticks_of_a_huge_range_do_not_crowd():
    assert len(axis.LOG.ticks(1e-40, 1e20)) <= 15


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1.5e-3, 4e-2, [2e-3, 5e-3, 1e-2, 2e-2]),
        (2e-3, 5e-3, [2e-3, 2.5e-3, 3e-3, 3.5e-3, 4e-3, 4.5e-3, 5e-3]),
    ],
)
def test_ticks_of_a_short_range_are_round_numbers_inside(low, high, expected):
    assert axis.LOG.ticks(low, high).tolist() == pytest.approx(expected, rel=1e-9)


def test_rise_of_a_trained_model_is_wholly_visible():
    rising = 0.1 + 0.3 * (LRS / LRS[-1])
    low, high = axis.loss_limits(rising, rising)
    assert low < 0.1
    assert high > rising.max()


def test_validation_loss_that_falls_from_a_high_first_value_is_not_cut_off():
    falling = np.concatenate([[40.0], np.linspace(2.0, 1.0, 60)])
    assert axis.loss_limits(falling, falling)[1] > 40.0


def test_explosion_does_not_flatten_the_valley():
    exploding = VALLEY + np.where(LRS > 1, 1e6 * LRS, 0)
    low, high = axis.loss_limits(exploding, exploding)
    assert high - low < 1.5 * (VALLEY.max() - VALLEY.min())
    assert low < VALLEY.min()
    assert high > VALLEY.max()


def test_one_spike_at_the_start_does_not_flatten_the_valley():
    spiky = VALLEY.copy()
    spiky[10] = 500.0
    _, high = axis.loss_limits(spiky, VALLEY)
    assert high < 10


@pytest.mark.parametrize("losses", [[2.0], [0.0, 0.0], [-3.0, -3.0, -3.0], [1.0, 2.0, 3e30]])
def test_limits_are_finite_and_apart_for_any_finite_curve(losses):
    curve = np.array(losses)
    low, high = axis.loss_limits(curve, curve)
    assert np.isfinite([low, high]).all()
    assert low < high
    assert len(axis.linear_ticks(low, high)) >= 2


def test_curve_that_hardly_moves_is_flat_and_its_ticks_differ():
    losses = np.array([2.5756302, 2.5756299])
    low, high = axis.loss_limits(losses, losses)
    assert high - low > 0.1
    ticks = [f"{tick:.6g}" for tick in axis.linear_ticks(low, high)]
    assert len(set(ticks)) == len(ticks)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-5.0, 3.0), (1e-9, 3e-9), (1e6, 4e7)])
def test_loss_ticks_are_few_round_and_inside(low, high):
    ticks = axis.linear_ticks(low, high)
    assert 3 <= len(ticks) <= 11
    assert low <= ticks[0]
    assert ticks[-1] <= high


def test_losses_far_outside_are_cut_and_others_are_not_moved():
    tamed = axis.LINEAR.clipped(np.array([0.5, 1e300]), 0.0, 1.0)
    assert tamed[0] == 0.5
    assert tamed[1] < 1e5


@pytest.mark.parametrize("steps", [2, 3, 50, 100, 101, 250, 499])
def test_a_column_never_straddles_two_learning_rates(steps):
    lrs = lr_ladder(1e-7, 10.0, steps)
    columns = np.log(axis.hit_columns(lrs, axis.LOG))
    half = (columns[1] - columns[0]) / 2
    curve = Curve.of(lrs, lrs, 0.0)
    inside = 0.999 * half
    for column in columns:
        left, right = np.exp(column - inside), np.exp(column + inside)
        assert curve.nearest(left) == curve.nearest(right)


@pytest.mark.parametrize(("steps", "mode"), [(2000, "exponential"), (100, "linear")])
def test_columns_of_any_ladder_are_few_even_and_reach_the_ends(steps, mode):
    lrs = lr_ladder(1e-4, 1.0, steps, mode)
    columns = axis.hit_columns(lrs, axis.LOG)
    gaps = np.diff(np.log(columns))
    assert len(columns) <= axis.MAX_COLUMNS
    assert np.allclose(gaps, gaps[0])
    assert columns[[0, -1]] == pytest.approx(lrs[[0, -1]])


def test_nearest_is_meant_on_the_logarithmic_axis():
    curve = Curve.of(np.array([1e-3, 1e-1]), np.array([1.0, 2.0]), 0.0)
    assert curve.nearest(0.009) == 0
    assert curve.nearest(0.011) == 1


def test_height_lies_on_the_line_between_two_points():
    curve = Curve.of(np.array([1e-3, 1e-1]), np.array([1.0, 2.0]), 0.0)
    assert curve.height(1e-2) == pytest.approx(1.5)
    assert curve.height(10.0) == 2.0
    assert Curve().height(1e-2) is None
