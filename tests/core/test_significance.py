"""Noise is told from a fall."""

import numpy as np
import pytest

from lrwidget.core.curve.significance import is_noise
from lrwidget.core.curve.smoothing import DEFAULT_SMOOTHING, smooth
from tests.core.curves import good, ladder, lasting_noise, noise


def said_to_be_noise(losses):
    return is_noise(losses, smooth(losses, DEFAULT_SMOOTHING))


@pytest.mark.parametrize("n", [10, 12, 20, 24, 50, 100, 1000])
def test_noise_is_noise(n):
    assert np.mean([said_to_be_noise(noise(n, seed)) for seed in range(50)]) >= 0.98


@pytest.mark.parametrize("n", [100, 300])
def test_noise_that_lasts_is_noise(n):
    said = [said_to_be_noise(lasting_noise(n, seed, memory=0.5)) for seed in range(50)]
    assert np.mean(said) >= 0.9


@pytest.mark.parametrize("n", [16, 20, 24, 50, 100, 1000])
def test_a_curve_without_noise_is_none(n):
    assert not said_to_be_noise(good(ladder(n)))


@pytest.mark.parametrize("n", [20, 24, 50, 100, 1000])
def test_a_straight_fall_is_none(n):
    assert not said_to_be_noise(np.linspace(1, 0, n))


def test_a_fall_of_seven_standard_errors_decides():
    falls = (1.0, 4.0)
    said = [
        [said_to_be_noise(noise(100, seed) - 0.2 * fall * (np.arange(100) > 60)) for fall in falls]
        for seed in range(30)
    ]
    assert np.mean(said, axis=0) == pytest.approx([1.0, 0.0], abs=0.1)


@pytest.mark.parametrize(("factor", "shift"), [(1e-3, 0.0), (1e3, 0.0), (1.0, -7.0)])
def test_the_unit_of_the_loss_does_not_matter(factor, shift):
    for seed in range(10):
        losses = good(ladder(60)) + 3 * noise(60, seed)
        assert said_to_be_noise(factor * losses + shift) == said_to_be_noise(losses)
