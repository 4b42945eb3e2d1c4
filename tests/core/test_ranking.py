"""Which variant is best, by how much and how surely: on made-up runs, without any training."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
from scipy import signal, stats

from lrwidget.core.compare.ranking import Rank, ranking_of
from lrwidget.core.compare.run import Run, scored_steps
from lrwidget.core.compare.standard_error import mean_with_error, t_probability, t_quantile

REPETITIONS = 400
STEPS = 400


def ar1(random: np.random.Generator, count: int, rho: float = 0.6) -> np.ndarray:
    """Return noise of variance 1 that is correlated over neighbors."""
    fresh = math.sqrt(1 - rho**2) * random.standard_normal(50 + count)
    return signal.lfilter([1.0], [1.0, -rho], fresh)[50:]


def run(name: str, losses: np.ndarray, seed: int = 0, **changes: object) -> Run:
    count = len(losses)
    given = {
        "lrs": np.full(count, 0.1),
        "losses": losses,
        "metrics": {},
        "validation_losses": np.full(count, np.nan),
        "stop_reason": "finished",
        "seconds": 0.0,
        "steps": count,
    }
    return Run(name=name, seed=seed, **{**given, **changes})


def made_up(
    random: np.random.Generator, levels: dict[str, float], seeds: int, per_seed: float = 0.3
) -> list[Run]:
    """Return runs whose losses have the noise of shared batches, of their own and of the seed.

    The noise of batches is correlated over neighbors. Only the levels differ between variants.
    """
    runs = []
    for seed in range(seeds):
        shared = ar1(random, STEPS)
        for name, level in levels.items():
            own = 0.3 * ar1(random, STEPS)
            order = per_seed * random.standard_normal() if seeds > 1 else 0.0
            runs.append(run(name, level + shared + own + order, seed))
    return runs


def row(rows: tuple[Rank, ...], name: str) -> Rank:
    return next(each for each in rows if each.name == name)


def rankings(levels: dict[str, float], seeds: int) -> Iterator[tuple[Rank, ...]]:
    random = np.random.default_rng(seeds)
    for _ in range(REPETITIONS):
        yield ranking_of(made_up(random, levels, seeds))


@pytest.mark.parametrize("seeds", [1, 3, 5])
def test_a_twin_of_the_best_is_tied_and_a_clearly_worse_variant_is_not(seeds):
    levels = {"one": 1.0, "twin": 1.0, "worse": 4.0}
    tied = clear = 0
    for rows in rankings(levels, seeds):
        tied += row(rows, "one").tied and row(rows, "twin").tied
        clear += not row(rows, "worse").tied
    assert tied >= 0.93 * REPETITIONS
    assert clear >= 0.97 * REPETITIONS


@pytest.mark.parametrize("seeds", [1, 3])
def test_each_of_several_equal_variants_is_tied(seeds):
    levels = {f"equal {number}": 1.0 for number in range(5)}
    tied = dict.fromkeys(levels, 0)
    for rows in rankings(levels, seeds):
        for each in rows:
            tied[each.name] += each.tied
    assert min(tied.values()) >= 0.93 * REPETITIONS


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_interval_holds_the_true_difference(seeds):
    levels = {"best": 1.0, "behind": 3.0}
    held = sum(
        row(rows, "behind").low <= 2.0 <= row(rows, "behind").high
        for rows in rankings(levels, seeds)
    )
    assert held >= 0.93 * REPETITIONS


@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_the_error_of_a_mean_holds_for_correlated_values(rho):
    random = np.random.default_rng(1)
    degrees = max(2, round(0.4 * 60 ** (2 / 3)))
    reach = stats.t.ppf(0.975, degrees)
    held = 0
    for _ in range(REPETITIONS):
        mean, error = mean_with_error(ar1(random, 60, rho))
        held += abs(mean) <= reach * error
    assert held >= 0.92 * REPETITIONS


def test_the_probabilities_add_up_and_agree_with_how_often_each_variant_is_best():
    levels = {"best": 1.0, "near": 1.05, "far": 9.0}
    random = np.random.default_rng(2)
    rows = ranking_of(made_up(random, levels, seeds=5, per_seed=0.05))
    assert sum(each.probability for each in rows) == pytest.approx(1.0)
    assert row(rows, "far").probability < 0.001
    assert row(rows, "best").probability > row(rows, "near").probability > 0.001


def test_identical_variants_share_the_probability():
    losses = np.random.default_rng(0).normal(size=STEPS)
    rows = ranking_of([run(name, losses.copy()) for name in ("a", "b", "c", "d")])
    assert [each.probability for each in rows] == pytest.approx([0.25] * 4)
    assert all(each.tied and each.behind == 0.0 for each in rows)


def test_seeds_that_gave_the_same_losses_count_as_one():
    random = np.random.default_rng(0)
    one = made_up(random, {"a": 1.0, "b": 1.01}, seeds=1)
    again = [run(each.name, each.losses, seed) for seed in (0, 1, 2) for each in one]
    single, several = ranking_of(one), ranking_of(again)
    assert [(each.name, each.low, each.high, each.tied) for each in several] == [
        (each.name, each.low, each.high, each.tied) for each in single
    ]
    assert all(each.more_seeds is None for each in several)


def test_more_seeds_are_about_as_many_as_separate_two_variants():
    random = np.random.default_rng(3)
    levels, enough = {"best": 1.0, "behind": 1.25}, []
    for _ in range(40):
        rows = ranking_of(made_up(random, levels, seeds=3))
        tied = [each for each in rows[1:] if each.tied]
        enough += [each.more_seeds for each in tied if each.more_seeds]
    # The difference has a standard deviation of 0.3 * sqrt(2) from seed to seed, and 0.25 is
    # beyond the quantile of t from 14 seeds on.
    assert 3 <= np.median(enough) <= 25


def test_a_clear_difference_needs_no_more_seeds():
    rows = ranking_of(made_up(np.random.default_rng(0), {"a": 1.0, "b": 9.0}, seeds=3))
    assert [each.more_seeds for each in rows] == [None, None]


def test_the_validation_losses_are_the_score_where_they_are_known():
    flat = np.linspace(2.0, 1.0, STEPS)
    measured = np.array([0.7, 0.9, 0.8, 0.6])
    runs = [
        run("low", flat, validation_batches=measured),
        run("high", flat - 0.5, validation_batches=measured + 1.0 + 0.01 * np.arange(4)),
    ]
    first, second = ranking_of(runs)
    assert (first.name, first.score) == ("low", pytest.approx(0.75))
    assert second.behind == pytest.approx(1.015)
    assert not second.tied


def test_a_single_scored_value_leaves_everything_open():
    first, second = ranking_of(
        [
            run("a", np.array([2.0]), validation_batches=np.array([1.0])),
            run("b", np.array([2.0]), validation_batches=np.array([5.0])),
        ]
    )
    assert second.tied
    assert (second.low, second.high) == (-math.inf, math.inf)
    assert first.probability == second.probability == 0.5


def test_rows_that_did_not_finish_come_last_with_their_reasons():
    losses = np.linspace(2.0, 1.0, STEPS)
    runs = [
        run("nan", losses[:3], stop_reason="non_finite", steps=STEPS),
        run("up", losses[:9], stop_reason="diverged", steps=STEPS),
        run("slow", losses[:200] + 5, stop_reason="hopeless", steps=STEPS),
        run("short", losses[:100], stop_reason="hopeless", steps=100),
        run("cut", losses[:50], stop_reason="stopped", steps=STEPS),
        run("good", losses),
    ]
    rows = ranking_of(runs)
    assert [each.name for each in rows] == ["good", "cut", "slow", "short", "up", "nan"]
    assert [each.reason for each in rows] == [
        "",
        "stopped before the end",
        "ended early: its loss was too far above that of the best run to catch up",
        "not in the better half after 100 steps",
        "the loss rose far above its lowest level",
        "the loss became NaN or infinite",
    ]
    assert all(math.isnan(each.score) and not each.tied for each in rows[1:])
    assert not any(each.probability for each in rows[1:])


def test_one_seed_that_did_not_finish_leaves_a_variant_without_a_score():
    losses = np.linspace(2.0, 1.0, STEPS)
    runs = [
        run("a", losses, 0),
        run("a", losses + 0.1, 1),
        run("b", losses, 0),
        run("b", losses[:5], 1, stop_reason="diverged", steps=STEPS),
    ]
    first, second = ranking_of(runs)
    assert (first.name, first.reason) == ("a", "")
    assert (second.name, second.reason) == ("b", "the loss rose far above its lowest level")


def test_the_score_is_the_mean_of_the_last_tenth():
    losses = np.arange(100.0)
    assert scored_steps(100) == 10
    assert ranking_of([run("a", losses)])[0].score == pytest.approx(losses[-10:].mean())


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 7, 10, 29, 100, 200, 500])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.975, 0.995, 0.9999])
def test_quantiles_of_t_agree_with_scipy(degrees, level):
    expected = stats.t.ppf(level, degrees)
    assert t_quantile(level, degrees) == pytest.approx(
        expected, rel=1e-6 if degrees <= 200 else 0.01
    )
    assert t_probability(expected, degrees) == pytest.approx(
        level, abs=1e-6 if degrees <= 200 else 1e-3
    )
