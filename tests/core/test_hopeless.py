"""When a run ends early, and when it does not: on made-up losses, without any training."""

import numpy as np
import pytest

from lrwidget.core.compare.hopeless import hopeless_at
from lrwidget.core.compare.run import GrowingRun

STEPS = 200
CONSTANT = np.full(STEPS, 0.1)


def falling(start: float, end: float, speed: float, noise_seed: int = 0) -> np.ndarray:
    """Return losses that fall exponentially, with the noise of the batches."""
    noise = 0.1 * np.random.default_rng(noise_seed).normal(size=STEPS)
    return end + (start - end) * np.exp(-speed * np.arange(STEPS) / STEPS) + noise


LEADER = falling(3.0, 1.0, 8.0)


def test_a_run_that_stays_far_above_the_best_ends_in_the_first_half():
    count = hopeless_at(falling(3.0, 2.9, 2.0), LEADER, CONSTANT)
    assert count is not None
    assert STEPS // 4 <= count <= STEPS // 2


@pytest.mark.parametrize("seed", range(20))
def test_a_slow_run_that_is_better_in_the_end_is_kept(seed):
    slow = falling(3.0, -1.0, 2.0, seed)
    assert slow[-20:].mean() < LEADER[-20:].mean()
    assert hopeless_at(slow, LEADER, CONSTANT) is None


@pytest.mark.parametrize("seed", range(20))
def test_a_run_that_is_as_good_as_the_best_is_kept(seed):
    assert hopeless_at(falling(3.0, 1.0, 8.0, seed), LEADER, CONSTANT) is None


def test_a_late_fall_of_the_leader_keeps_a_run_that_may_fall_like_it():
    late = np.where(np.arange(STEPS) < 150, 3.0, 1.0) + 0.01 * np.sin(np.arange(STEPS))
    behind = 3.2 + 0.01 * np.cos(np.arange(STEPS))
    assert hopeless_at(behind, late, CONSTANT) in (None, 160, 170, 180, 190)


def test_nothing_ends_while_the_learning_rate_still_rises():
    warm_up = np.concatenate([np.linspace(0.01, 0.1, 100), np.linspace(0.1, 0.0, 100)])
    losses = np.full(STEPS, 9.0)
    assert hopeless_at(losses, LEADER, CONSTANT) <= 70
    count = hopeless_at(losses, LEADER, warm_up)
    assert count is not None
    assert count >= 100 + 2 * 30


def test_a_leader_that_trained_for_fewer_steps_ends_no_run():
    assert hopeless_at(np.full(STEPS, 9.0), LEADER[:100], CONSTANT) is None


@pytest.mark.parametrize("size", [1, 7, 64, STEPS])
def test_the_end_does_not_depend_on_how_the_steps_are_grouped(size):
    losses = falling(3.0, 2.9, 2.0)
    growing = GrowingRun("late", 0, CONSTANT, "loss", LEADER)
    while growing.stop_reason is None:
        done = STEPS - len(growing.lrs_to_come)
        growing.add({"loss": losses[done : done + size], "error": losses[done : done + size]})
    run = growing.run()
    assert run.stop_reason == "hopeless"
    assert len(run.losses) == hopeless_at(losses, LEADER, CONSTANT)
    np.testing.assert_array_equal(run.losses, losses[: len(run.losses)])
    assert len(run.metrics["error"]) == len(run.lrs) == len(run.losses)


def test_a_run_without_a_leader_is_never_hopeless():
    growing = GrowingRun("alone", 0, CONSTANT, "loss")
    growing.add({"loss": np.full(STEPS, 9.0)})
    assert growing.run().stop_reason == "finished"


@pytest.mark.parametrize("size", [3, 50])
def test_a_loss_that_is_not_finite_ends_the_run_just_before_it(size):
    losses = falling(3.0, 1.0, 8.0)
    losses[80] = np.nan  # right after a measurement of the validation loss
    growing = GrowingRun("nan", 0, CONSTANT, "loss", LEADER)
    while growing.stop_reason is None:
        done = STEPS - len(growing.lrs_to_come)
        growing.add({"loss": losses[done : done + size]})
    assert (growing.stop_reason, len(growing.losses)) == ("non_finite", 80)
    assert not growing.is_validated_now


@pytest.mark.parametrize("size", [3, 50])
def test_a_run_that_climbs_far_above_its_lowest_loss_has_diverged(size):
    losses = falling(3.0, 1.0, 8.0)
    losses[120:] += np.linspace(0, 50, 80)
    growing = GrowingRun("up", 0, CONSTANT, "loss")
    while growing.stop_reason is None:
        done = STEPS - len(growing.lrs_to_come)
        growing.add({"loss": losses[done : done + size]})
    assert growing.stop_reason == "diverged"
    assert len(growing.losses) == len(grown_at_once(losses).losses)


def grown_at_once(losses: np.ndarray) -> GrowingRun:
    growing = GrowingRun("up", 0, CONSTANT, "loss")
    growing.add({"loss": losses})
    return growing
