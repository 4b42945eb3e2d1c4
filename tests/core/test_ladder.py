"""The ladder: exact ends, even rungs, errors that say how to fix it."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrwidget.core.curve.ladder import lr_ladder
from lrwidget.errors import ConfigError, LRWidgetError

ends = st.tuples(st.floats(1e-12, 1.0), st.floats(1.5, 1e6))


@settings(deadline=None)
@given(ends, st.integers(2, 500), st.sampled_from(["exponential", "linear"]))
def test_ladder_has_its_length_and_ends_to_the_bit(limits, steps, mode):
    low, ratio = limits
    ladder = lr_ladder(low, low * ratio, steps, mode)
    assert ladder.dtype == np.float64
    assert ladder.shape == (steps,)
    assert (ladder[0], ladder[-1]) == (low, low * ratio)
    assert np.all(np.diff(ladder) > 0)


@settings(deadline=None)
@given(ends, st.integers(3, 200))
def test_exponential_ladder_has_equal_ratios(limits, steps):
    low, ratio = limits
    ladder = lr_ladder(low, low * ratio, steps)
    np.testing.assert_allclose(ladder[1:] / ladder[:-1], ratio ** (1 / (steps - 1)), rtol=1e-12)


@settings(deadline=None)
@given(ends, st.integers(3, 200))
def test_linear_ladder_has_equal_differences(limits, steps):
    low, ratio = limits
    step = (low * ratio - low) / (steps - 1)
    np.testing.assert_allclose(
        np.diff(lr_ladder(low, low * ratio, steps, "linear")), step, rtol=1e-9
    )


def test_ladder_takes_numpy_numbers():
    ladder = lr_ladder(np.float32(0.5), np.array(2), np.int32(3))
    np.testing.assert_array_equal(ladder, [0.5, 1.0, 2.0])


def test_swapped_limits_say_to_swap_them():
    with pytest.raises(ConfigError) as caught:
        lr_ladder(0.1, 0.01, 10)
    assert str(caught.value) == (
        "`min_lr` must be below `max_lr`; got min_lr=0.1, max_lr=0.01. Swap them."
    )
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, LRWidgetError)


def test_equal_limits_do_not_say_to_swap_them():
    with pytest.raises(ConfigError, match=r"got min_lr=0.1, max_lr=0.1") as caught:
        lr_ladder(0.1, 0.1, 10)
    assert "Swap" not in str(caught.value)


@pytest.mark.parametrize("bad", [0, -1e-3, math.nan, math.inf, -math.inf, 10**400])
@pytest.mark.parametrize("name", ["min_lr", "max_lr"])
def test_limits_must_be_finite_and_above_zero(name, bad):
    settings = {"min_lr": 1e-5, "max_lr": 1.0, name: bad}
    with pytest.raises(ConfigError, match=f"`{name}` must be a finite number above 0"):
        lr_ladder(**settings, steps=10)


@pytest.mark.parametrize("bad", [True, "0.1", None, 1j, np.True_, [0.1], np.array([0.1]), object()])
@pytest.mark.parametrize("name", ["min_lr", "max_lr"])
def test_limits_must_be_numbers(name, bad):
    settings = {"min_lr": 1e-5, "max_lr": 1.0, name: bad}
    with pytest.raises(ConfigError, match=f"`{name}` must be a finite number above 0; got {name}="):
        lr_ladder(**settings, steps=10)


@pytest.mark.parametrize("bad", [True, 10.0, "10", None, math.nan, 1, 0, -3, 1_000_001, 2**31])
def test_steps_must_be_a_whole_number_from_two_to_a_million(bad):
    with pytest.raises(ConfigError, match="at least 2 and at most 1000000; got steps="):
        lr_ladder(1e-5, 1.0, bad)


@pytest.mark.parametrize("bad", ["cosine", None, ["linear"], np.array(["linear", "linear"])])
def test_unknown_mode_is_named_with_those_that_are_known(bad):
    with pytest.raises(ConfigError, match='"exponential" or "linear"; got mode='):
        lr_ladder(1e-5, 1.0, 10, bad)


def test_limits_too_close_for_the_steps_are_an_error():
    with pytest.raises(ConfigError, match="no 100 different learning rates"):
        lr_ladder(1.0, math.nextafter(1.0, 2.0), 100)
