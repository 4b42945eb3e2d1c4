"""The stop rule on known curves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrwidget.core.curve.stop_rule import DivergenceRule


def curve(steps=200, noise=0.02, seed=0, explode=True):
    """Flat at 2.3, a fall to 0.3 in the middle, an explosion at the end."""
    position = np.linspace(0, 1, steps)
    losses = 2.3 - 2.0 / (1 + np.exp(-(position - 0.55) * 30))
    if explode:
        losses += 1e-3 * np.exp(np.clip((position - 0.8) * 80, 0, 30))
    return losses + np.random.default_rng(seed).normal(0, noise, steps)


def stop_of(losses, stop_factor=4.0, group=None):
    rule = DivergenceRule(len(losses), stop_factor)
    for end in range(group or len(losses), len(losses) + 1, group or len(losses)):
        index = rule.first_divergence(losses[:end])
        if index is not None:
            return index
    return None


@pytest.mark.parametrize("steps", [50, 100, 300, 1000])
def test_an_explosion_after_the_valley_stops_the_test(steps):
    losses = curve(steps)
    index = stop_of(losses)
    assert losses.argmin() < index < steps - 1
    assert losses[index] > losses[0]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("steps", [50, 100, 600])
def test_the_noise_of_a_flat_start_does_not_stop_the_test(steps, seed):
    rng = np.random.default_rng(seed)
    assert stop_of(2.3 + rng.normal(0, 0.3, steps)) is None
    assert stop_of(2.3 + rng.laplace(0, 0.3, steps)) is None
    assert stop_of(np.exp(rng.normal(0, 0.5, steps))) is None


def test_a_curve_that_only_falls_does_not_stop():
    assert stop_of(curve(explode=False)) is None


def test_a_constant_loss_does_not_stop():
    assert stop_of(np.full(100, np.float32(2.3026))) is None


def test_a_loss_that_only_rises_stops():
    rng = np.random.default_rng(0)
    losses = np.exp(np.linspace(0, 12, 100)) + rng.normal(0, 0.1, 100)
    assert stop_of(losses) < 80


@pytest.mark.parametrize("where", [15, 60, 120])
@pytest.mark.parametrize("height", [1e1, 1e6])
def test_one_spike_does_not_stop_the_test(where, height):
    losses = curve(explode=False)
    losses[where] += height
    assert stop_of(losses) is None


@given(
    scale=st.integers(-20, 20).map(lambda power: 2.0**power),
    shift=st.integers(-64, 64).map(float),
    seed=st.integers(0, 100),
)
@settings(max_examples=50, deadline=None)
def test_scaling_or_shifting_the_loss_changes_nothing(scale, shift, seed):
    losses = curve(seed=seed)
    assert stop_of(scale * losses) == stop_of(losses)
    assert stop_of(losses + shift) == stop_of(losses)


@pytest.mark.parametrize("group", [1, 3, 7, 50])
def test_the_stop_does_not_depend_on_how_losses_arrive(group):
    losses = curve()
    assert stop_of(losses, group=group) == stop_of(losses)


def test_a_larger_stop_factor_stops_later_and_infinity_never():
    losses = curve()
    assert stop_of(losses, 2.0) < stop_of(losses, 4.0) < stop_of(losses, 100.0)
    assert stop_of(losses, np.inf) is None
