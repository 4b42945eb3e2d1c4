"""A range that is left to a probe: where it lies, and that the test is otherwise the same."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lrwidget
from lrwidget.core.range_test.probe import found_range
from lrwidget.core.range_test.settings import RangeTestConfig
from lrwidget.errors import ConfigError
from tests.core import curves
from tests.core.battery import batches, compiled, features, labels

LADDER = RangeTestConfig.of(None, None).of_probe().ladder()


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("end", [-4.0, -2.5, -1.0, 0.0])
def test_fall_minimum_and_rise_lie_within_the_range_found(end, noise):
    losses = curves.good(LADDER, center=end - 2, end=end)
    losses = curves.as_measured(losses, noise, seed=3)
    low, high = found_range(LADDER, losses)
    assert np.log10(low) < end - 3
    assert end < np.log10(high) < end + 2


@settings(deadline=None, max_examples=30)
@given(st.floats(1e-3, 1e3), st.floats(-1e3, 1e3))
def test_the_unit_of_the_loss_does_not_move_the_range(scale, shift):
    losses = curves.as_measured(curves.good(LADDER), 0.05, seed=1)
    assert found_range(LADDER, scale * losses + shift) == found_range(LADDER, losses)


def test_a_probe_that_never_diverged_leaves_the_upper_end_open():
    assert found_range(LADDER, curves.never_diverging(LADDER))[1] == LADDER[-1]


def test_a_probe_of_which_nothing_is_finite_leaves_the_whole_range():
    assert found_range(LADDER, np.empty(0)) == (LADDER[0], LADDER[-1])


@pytest.mark.parametrize("sweeps", [1, 3])
def test_the_test_after_a_probe_is_that_of_the_range_found(sweeps):
    model, data = compiled("adam"), batches()
    found = lrwidget.range_test(model, data, steps=80, sweeps=sweeps, seed=1)
    min_lr, max_lr = limits = found.config.min_lr, found.config.max_lr
    assert limits[0] < found.lrs[found.smoothed(0.25).argmin()] < limits[1]
    assert 1e-7 < limits[0] < limits[1] <= 100
    given = lrwidget.range_test(
        model, data, min_lr=min_lr, max_lr=max_lr, steps=50, sweeps=sweeps, seed=1
    )
    np.testing.assert_array_equal(found.sweep_losses, given.sweep_losses)
    assert found.config == given.config
    assert found.restored
    assert not found.notes


@pytest.mark.parametrize("steps", [60, 61, 100])
def test_thirty_of_the_steps_are_those_of_the_probe(steps):
    given = [0]

    def data():
        while True:
            given[0] += 1
            yield features()[:8], labels()[:8]

    result = lrwidget.range_test(compiled(), data, steps=steps, stop_factor=None)
    assert len(result.lrs) == steps - 30
    assert result.config.steps == steps - 30
    assert given[0] >= steps


def test_one_limit_alone_can_be_left_to_the_probe():
    model, data = compiled("adam"), batches()
    upper = lrwidget.range_test(model, data, min_lr=1e-5, steps=60)
    assert upper.lrs[0] == upper.config.min_lr == 1e-5
    assert upper.config.max_lr not in (10.0, 100.0)
    lower = lrwidget.range_test(model, data, max_lr=0.5, steps=60)
    assert lower.config.max_lr == 0.5
    assert lower.lrs[0] == lower.config.min_lr == pytest.approx(0.5 / 1e5)
    assert len(lower.config.ladder()) == len(upper.config.ladder()) == 30


@pytest.mark.parametrize("steps", [2, 3, 30, 40, 59])
def test_a_test_of_few_steps_spends_none_on_a_probe_and_says_so(steps):
    result = lrwidget.range_test(compiled(), batches(), steps=steps, stop_factor=None)
    assert len(result.lrs) == steps
    assert (result.lrs[0], result.lrs[-1]) == (1e-7, 10.0)
    assert "fewer than 60 steps has no probe" in result.notes[0]
    assert "from 1.00e-7 to 10." in result.notes[0]


def test_a_given_limit_holds_if_few_steps_leave_none_for_a_probe():
    low = lrwidget.range_test(compiled(), batches(), min_lr=20.0, steps=5, stop_factor=None)
    assert (low.config.min_lr, low.config.max_lr) == (20.0, 200.0)
    high = lrwidget.range_test(compiled(), batches(), max_lr=1e-7, steps=5)
    assert (high.config.min_lr, high.config.max_lr) == (pytest.approx(1e-8), 1e-7)


def test_a_test_between_given_limits_has_all_its_steps_and_no_note():
    result = lrwidget.range_test(compiled(), batches(), min_lr=1e-6, max_lr=1e-3, steps=100)
    assert len(result.lrs) == 100
    assert not result.notes


def test_updates_are_of_the_test_and_not_of_the_probe():
    updates = []
    result = lrwidget.range_test(compiled(), batches(), steps=72, on_update=updates.append)
    assert {update.steps for update in updates} == {42}
    assert updates[0].lrs[0] == result.config.min_lr


def test_a_test_stopped_during_the_probe_has_the_curve_of_the_probe():
    stop = threading.Event()
    stop.set()
    result = lrwidget.range_test(compiled(), batches(), stop=stop)
    assert result.stop_reason == "stopped"
    assert (result.config.min_lr, result.config.max_lr) == (LADDER[0], LADDER[-1])
    assert result.restored


def test_a_limit_beyond_all_that_a_probe_looks_at_is_refused():
    with pytest.raises(ConfigError, match=r"1e-08 and 100, .* min_lr=200\. Pass both"):
        lrwidget.range_test(compiled(), batches(), min_lr=200.0)
    with pytest.raises(ConfigError, match=r"max_lr=1e-09\. Pass both"):
        lrwidget.range_test(compiled(), batches(), max_lr=1e-9)


def test_a_bad_number_of_steps_is_refused_before_the_probe():
    with pytest.raises(ConfigError, match="steps=1"):
        lrwidget.range_test(compiled(), batches(), steps=1)
