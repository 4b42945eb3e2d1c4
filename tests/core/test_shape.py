"""Where a smoothed curve is lowest, and where it rises."""

import numpy as np
import pytest

from lrwidget.core.curve.shape import bottom_index, falls, first_rise, last_rise, x_min
from tests.core.curves import ladder

LRS = ladder(1000)
X = np.log10(LRS)
HUMP = np.interp(X, [-7, -4, -3, -2, -1, 0, 1], [2, 2, 0, 1.5, 0.1, 2, 9])


def test_the_bottom_is_the_first_of_equals_but_for_rounding():
    assert bottom_index(np.array([2.0, 1.0 + 1e-12, 1.0, 1.0])) == 1


@pytest.mark.parametrize(
    ("losses", "said"), [([1.0], False), ([1.0, 2.0], False), ([2.0, 1.0, 3.0], True)]
)
def test_a_curve_falls_if_something_left_of_the_lowest_is_higher(losses, said):
    assert falls(np.array(losses)) is said


def test_a_minimum_at_an_end_is_that_rung():
    assert x_min(LRS, -X) == pytest.approx(1)
    assert x_min(LRS, X) == pytest.approx(-7)


@pytest.mark.parametrize("steps", [40, 1000])
def test_the_first_rise_is_the_hump_and_the_last_one_stays(steps):
    lrs = ladder(steps)
    losses = np.interp(np.log10(lrs), X, HUMP)
    assert first_rise(lrs, losses, 0.5) == pytest.approx(-3 + 1 / 1.5, abs=0.07)
    assert last_rise(lrs, losses, 0.5) == pytest.approx(-1 + 0.9 / 1.9, abs=0.07)


def test_a_curve_that_never_rises_so_far_has_no_first_rise_and_ends_at_the_last_rung():
    assert first_rise(LRS, HUMP, 10) is None
    assert last_rise(LRS, HUMP, 10) == pytest.approx(1)
