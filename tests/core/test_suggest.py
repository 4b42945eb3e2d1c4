"""Suggestions: the invariants of every rule, and the honest refusals."""

import dataclasses
import math
import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lrwidget.core.curve.purpose import Purpose
from lrwidget.core.curve.reading import Reading
from lrwidget.core.curve.rules import RULES, register_rule, unregister_rule
from lrwidget.core.curve.smoothing import DEFAULT_SMOOTHING, smooth
from lrwidget.core.curve.suggest import suggest, suggest_over_sweeps
from lrwidget.errors import ConfigError
from tests.core.curves import (
    as_measured,
    good,
    ladder,
    lasting_noise,
    never_diverging,
    noise,
)

LRS = ladder(100)
TARGETS = ["constant", "one_cycle"]

shapes = st.fixed_dictionaries(
    {
        "center": st.floats(-4, -2.5),
        "width": st.floats(0.2, 0.6),
        "power": st.sampled_from([1.0, 2.0, 4.0]),
        "end": st.floats(-1.0, 0.5),
    }
)
steps = st.integers(50, 300)
seeds = st.integers(0, 10_000)
shares = st.sampled_from([0.0, 0.02, 0.1, 0.3])


def suggestions(lrs, losses, target="constant"):
    """Return what every rule suggests."""
    return {rule: suggest(lrs, losses, rule, target) for rule in RULES}


def measured(n, shape, share, seed):
    """Return learning rates and losses as a test that stops would give them."""
    losses = as_measured(good(ladder(n), **shape), share, seed)
    return ladder(n)[: len(losses)], losses


def picks(lrs, losses, target="constant"):
    """Return what all rules say, without the loss, which has a unit."""
    return {
        rule: (found.lr, found.index, found.confidence, found.codes)
        for rule, found in suggestions(lrs, losses, target).items()
    }


@settings(max_examples=25, deadline=None)
@given(steps, shapes, shares, seeds, st.sampled_from(TARGETS))
def test_no_pick_lies_right_of_the_smoothed_minimum_or_before_the_ladder(
    n, shape, share, seed, target
):
    lrs, losses = measured(n, shape, share, seed)
    limit = lrs[smooth(losses, DEFAULT_SMOOTHING).argmin()]
    for found in suggestions(lrs, losses, target).values():
        if found.lr is not None:
            assert lrs[0] <= found.lr <= limit


@settings(max_examples=20, deadline=None)
@given(steps, shapes, shares, seeds, st.integers(-6, 6))
def test_scaling_the_loss_changes_nothing(n, shape, share, seed, exponent):
    lrs, losses = measured(n, shape, share, seed)
    assert picks(lrs, losses * 2.0**exponent) == picks(lrs, losses)


@settings(max_examples=20, deadline=None)
@given(steps, shapes, shares, seeds, st.floats(0.01, 100), st.floats(-50, 50))
def test_scaling_and_shifting_the_loss_change_nothing_but_rounding(
    n, shape, share, seed, factor, shift
):
    lrs, losses = measured(n, shape, share, seed)
    changed = picks(lrs, factor * losses + shift)
    for rule, (lr, _, confidence, codes) in picks(lrs, losses).items():
        assert changed[rule][0] == (None if lr is None else pytest.approx(lr, rel=0.02))
        assert changed[rule][2:] == (confidence, codes)


@settings(max_examples=20, deadline=None)
@given(
    steps,
    shapes,
    shares,
    seeds,
    st.lists(st.sampled_from([math.nan, math.inf, -math.inf, 5.0]), max_size=5),
)
def test_a_broken_end_changes_nothing(n, shape, share, seed, tail):
    lrs, losses = measured(n, shape, share, seed)
    longer = np.concatenate([lrs, lrs[-1] * 2.0 ** np.arange(1, len(tail) + 2)])
    assert picks(longer, [*losses, math.nan, *tail]) == picks(lrs, losses)


@settings(max_examples=100, deadline=None)
@example(np.array([0.0, 3.5e-132, 1.26e177]))
@example(np.array([1.7e308, -1.7e308, 5e-324] * 6))
@given(arrays(np.float64, st.integers(0, 20), elements=st.floats(width=64)))
def test_up_to_twenty_points_of_anything_give_a_suggestion_or_a_reason(losses):
    for found in suggestions(ladder(20)[: len(losses)], losses).values():
        if found.lr is None:
            assert found.reason.startswith("No suggestion")
            assert (found.index, found.loss, found.confidence) == (None, None, "none")
            assert found.codes
        else:
            assert 1e-7 <= found.low <= found.lr <= found.high <= 10
            assert found.codes == () if found.confidence == "high" else found.reason


@settings(max_examples=15, deadline=None)
@given(shapes)
def test_the_number_of_rungs_on_one_curve_hardly_moves_what_other_rules_than_auto_pick(shape):
    found = {n: suggestions(ladder(n), good(ladder(n), **shape)) for n in (50, 100, 300, 1000)}
    for rule in set(RULES) - {"auto"}:
        decades = [np.log10(found[n][rule].lr) for n in found]
        assert np.ptp(decades) <= 0.1, rule


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("target", TARGETS)
def test_a_good_curve_gets_a_reliable_pick_left_of_its_minimum(rule, target):
    found = suggest(LRS, good(LRS), rule, target)
    minimum = LRS[good(LRS).argmin()]
    assert found.reliable
    assert (found.confidence, found.codes, found.reason) == ("high", (), "")
    assert minimum / 300 < found.lr < minimum
    assert found.index == np.abs(np.log10(LRS / found.lr)).argmin()
    assert found.loss == smooth(good(LRS), DEFAULT_SMOOTHING)[found.index]
    assert found.rule == rule
    assert found.low < found.lr < found.high < 10 * found.low


def test_a_one_cycle_peak_lies_above_a_constant_learning_rate():
    constant, peak = (suggest(LRS, good(LRS), "auto", target).lr for target in TARGETS)
    assert constant < peak


@pytest.mark.parametrize("n", [50, 100, 300])
@pytest.mark.parametrize("share", [0.02, 0.1])
def test_good_curves_with_noise_are_hardly_ever_called_unreliable(n, share):
    alarms = [not suggest(*measured(n, {}, share, seed)).reliable for seed in range(60)]
    assert np.mean(alarms) <= 0.02


@pytest.mark.parametrize("n", [50, 100, 300])
def test_noise_on_a_good_curve_leaves_the_pick_within_a_decade(n):
    clean = suggest(ladder(n), good(ladder(n))).lr
    moved = [abs(np.log10(suggest(*measured(n, {}, 0.05, seed)).lr / clean)) for seed in range(40)]
    assert np.quantile(moved, 0.9) < 0.5
    assert max(moved) < 1


@pytest.mark.parametrize("value", [0.0, 2.3, -1e300])
def test_a_flat_curve_is_refused(value):
    for found in suggestions(LRS, np.full(100, value)).values():
        assert found.lr is None
        assert "the same at every learning rate up to 10" in found.reason


@pytest.mark.parametrize("n", [12, 20, 50, 100, 1000])
def test_noise_alone_is_refused(n):
    found = [suggest(ladder(n), noise(n, seed)) for seed in range(50)]
    assert sum(f.reliable for f in found) <= 1
    assert sum("noise" in f.codes and f.lr is None for f in found) >= 47


@pytest.mark.parametrize("n", [100, 300])
def test_noise_that_lasts_for_some_steps_is_hardly_ever_taken_for_a_curve(n):
    found = [suggest(ladder(n), lasting_noise(n, seed, memory=0.5)) for seed in range(60)]
    assert np.mean([f.reliable for f in found]) <= 0.05


@pytest.mark.parametrize("share", [0.0, 0.05])
@pytest.mark.parametrize("n", [20, 50, 100, 1000])
def test_a_curve_that_still_falls_is_not_reliable_and_says_to_raise_max_lr(n, share):
    found = suggest(ladder(n), as_measured(never_diverging(ladder(n)), share, seed=n))
    assert not found.reliable
    assert found.lr is not None
    assert found.codes == ("cut_off_above",)
    assert "had not risen again at the end, 10. Raise max_lr" in found.reason


def test_a_curve_that_ends_on_its_flat_bottom_is_not_reliable():
    losses = np.interp(np.log10(LRS), [-7, -5, -3, -2, 1], [2, 2, 0, 0, 0.1])
    found = suggest(LRS, losses)
    assert not found.reliable
    assert found.codes == ("cut_off_above",)


@pytest.mark.parametrize("n", range(10))
def test_too_few_points_are_counted(n):
    assert f"only {n} finite losses were measured" in suggest(LRS[:n], np.arange(n)[::-1]).reason


def test_a_pick_below_the_ladder_is_moved_to_it_and_is_not_reliable():
    lrs = LRS[60:]
    found = suggest(lrs, good(lrs, center=-1.9, width=0.1), rule="minimum")
    assert found.lr == lrs[0]
    assert found.index == 0
    assert not found.reliable
    assert found.codes == ("cut_off_below", "below_range")


def test_rules_of_your_own_are_asked_and_held_left_of_the_minimum():
    register_rule("last", lambda lrs, losses: lrs[-1])
    try:
        found = suggestions(LRS, good(LRS))["last"]
    finally:
        unregister_rule("last")
    assert found.lr == LRS[good(LRS).argmin()]
    assert not found.reliable
    assert found.codes == ("right_of_minimum",)
    assert "right of the minimum" in found.reason
    assert (found.low, found.high) == (None, None)


@pytest.mark.parametrize("nothing", [None, math.nan])
def test_a_rule_that_finds_nothing_is_named(nothing):
    register_rule("shy", lambda lrs, losses: nothing)
    try:
        found = suggest(LRS, good(LRS), "shy")
    finally:
        unregister_rule("shy")
    assert found.lr is None
    assert 'the rule "shy" found no suitable' in found.reason


def test_a_suggestion_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        suggest(LRS, good(LRS)).lr = 1.0


@pytest.mark.parametrize(
    ("lrs", "losses", "said"),
    [
        (np.ones((2, 2)), np.ones((2, 2)), r"`lrs` .*one dimension; got shape \(2, 2\)"),
        (LRS, np.ones(99), r"lrs \(100,\) and losses \(99,\)"),
        (LRS[::-1], np.ones(100), "increasing"),
        (LRS - LRS[0], np.ones(100), "above 0"),
        (np.append(LRS[:-1], math.nan), np.ones(100), "finite"),
        (np.repeat(LRS[:50], 2), np.ones(100), "increasing"),
    ],
)
def test_arrays_that_are_no_curve_are_an_error(lrs, losses, said):
    with pytest.raises(ConfigError, match=said):
        suggest(lrs, losses)


@pytest.mark.parametrize("answer", ["0.1", True, 1j, np.ones(2), [0.1]])
def test_a_rule_that_answers_no_number_is_an_error_that_names_it(answer):
    register_rule("odd", lambda lrs, losses: answer)
    try:
        with pytest.raises(ConfigError, match=r"`odd\(lrs, losses\)` must be a number.*or None"):
            suggest(LRS, good(LRS), "odd")
    finally:
        unregister_rule("odd")


def test_a_rule_cannot_change_the_curve_of_the_others():
    def sorts(lrs, losses):
        losses.sort()

    lrs, losses = LRS.copy(), good(LRS)
    register_rule("sorts", sorts)
    try:
        with pytest.raises(ValueError, match="read-only"):
            suggest(lrs, losses, "sorts")
    finally:
        unregister_rule("sorts")
    np.testing.assert_array_equal(losses, good(LRS))
    assert losses.flags.writeable


def test_lists_and_half_precision_give_what_arrays_of_floats_give():
    losses = good(LRS).astype("float16")
    expected = suggest(LRS, losses.astype(np.float64))
    assert suggest(LRS.tolist(), losses.tolist()) == expected
    assert suggest(LRS, losses) == expected


def test_a_linear_ladder_that_skips_decades_is_named_with_two_remedies():
    lrs = np.linspace(1e-7, 10, 100)
    for losses in (good(lrs, center=-5), 1 + lrs):
        found = suggest(lrs, losses)
        assert not found.reliable
        assert "between 1.00e-7 and 1.01e-1" in found.reason
        assert 'Use mode="exponential", or raise min_lr to 1.01e-1' in found.reason
    again = np.linspace(0.101, 10, 100)
    assert "skips_decades" not in suggest(again, 1 + again).codes


def test_unknown_rules_and_targets_are_named_with_those_that_are_known():
    with pytest.raises(ConfigError, match=r'one of "auto", "minimum",.*; got rule=\'best\''):
        suggest(LRS, good(LRS), "best")
    with pytest.raises(ConfigError, match="got target='cosine'"):
        suggest(LRS, good(LRS), "auto", "cosine")


def auto_over(middle, sweeps):
    """Return what "auto" suggests for the median of sweeps."""
    readings = [Reading.from_losses(LRS, each) for each in sweeps]
    return suggest_over_sweeps(["auto"], Purpose(), Reading.from_losses(LRS, middle), readings)[
        "auto"
    ]


def sweeps_around(decades):
    """Return five sweeps whose minima lie evenly over so many decades, and their middle."""
    ends = -0.5 + np.linspace(-decades / 2, decades / 2, 5)
    moved = np.array([good(LRS, center=end - 2.5, end=end) for end in ends])
    return moved[2], moved


def test_the_interval_over_sweeps_goes_from_the_tenth_to_the_ninetieth_percent():
    found = auto_over(*sweeps_around(0.8))
    assert found.reliable
    assert np.log10(found.high / found.low) == pytest.approx(0.8 * 0.8, abs=0.05)
    assert found.low < found.lr < found.high


def test_sweeps_that_disagree_by_more_than_a_decade_are_not_reliable():
    found = auto_over(*sweeps_around(1.6))
    assert not found.reliable
    assert found.codes == ("sweeps_disagree",)
    assert found.reason.startswith("auto varies from ")
    assert found.reason.endswith(" between sweeps.")
    assert found.low < found.high / 10


def test_a_single_sweep_says_what_its_curve_says():
    assert auto_over(good(LRS), [good(LRS)]) == suggest(LRS, good(LRS))


def test_an_interval_over_sweeps_holds_what_the_median_curve_suggests():
    middle, sweeps = sweeps_around(0.8)
    found = auto_over(good(LRS, center=-1.5, end=1.0), sweeps)
    assert found.low < found.high == found.lr
    assert auto_over(middle, sweeps).high < found.high


def test_sweeps_that_mostly_suggest_nothing_are_not_reliable():
    sweeps = np.stack([good(LRS), np.ones(100), np.ones(100)])
    found = auto_over(good(LRS), sweeps)
    assert not found.reliable
    assert found.codes == ("few_sweeps",)
    assert found.reason == "auto suggests something on only 1 of 3 sweeps."
    assert found.low <= found.lr <= found.high


def test_a_peak_stands_higher_than_a_constant():
    constant, peak = (suggest(LRS, good(LRS), "auto", target).lr for target in TARGETS)
    assert constant < peak


@pytest.mark.parametrize("target", TARGETS)
def test_sgd_alone_bears_more_and_sgd_with_momentum_less_than_adam(target):
    lrs = {
        kind: suggest(LRS, good(LRS), "auto", target, optimizer=kind).lr
        for kind in ("momentum", "other", "rmsprop", "sgd")
    }
    assert list(lrs.values()) == sorted(lrs.values())
    assert lrs["momentum"] < lrs["other"] < lrs["sgd"]


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "auto"])
def test_only_auto_heeds_optimizer_target_and_validation(rule):
    others = {"optimizer": "sgd", "validation_losses": good(LRS, center=-5.0)}
    assert suggest(LRS, good(LRS), rule, "one_cycle", **others) == suggest(LRS, good(LRS), rule)


def test_an_unknown_optimizer_is_named_with_those_that_are_known():
    with pytest.raises(ConfigError, match=r'one of "sgd", "momentum".*; got optimizer=\'lion\''):
        suggest(LRS, good(LRS), optimizer="lion")


def test_auto_is_the_geometric_mean_over_both_losses():
    def auto(center):
        return suggest(LRS, good(LRS), validation_losses=good(LRS, center=center)).lr

    alone = suggest(LRS, good(LRS, center=-3.6), "auto").lr
    assert auto(-3.6) == pytest.approx(math.sqrt(alone * auto(-3.0)), rel=0.05)
    assert auto(-3.6) < auto(-3.0)


def test_a_validation_loss_that_is_measured_now_and_then_says_the_same():
    often = good(LRS, center=-3.6)
    rarely = np.full(len(LRS), np.nan)
    rarely[4::5] = often[4::5]
    lrs = [suggest(LRS, good(LRS), validation_losses=each).lr for each in (often, rarely)]
    assert abs(np.log10(lrs[0] / lrs[1])) < 0.1


def test_where_noise_hides_the_fall_a_clear_validation_loss_mends_the_guess_and_often_the_doubt():
    true = suggest(LRS, good(LRS)).lr
    trusted = []
    for seed in range(30):
        noisy = as_measured(good(LRS), 0.4, seed)
        lrs = LRS[: len(noisy)]
        guessed = suggest(lrs, noisy)
        if guessed.codes != ("noise",) or guessed.lr is None:
            continue
        found = suggest(lrs, noisy, validation_losses=good(lrs))
        assert found.codes == (() if found.reliable else ("validation_disagrees",))
        assert abs(np.log10(found.lr / true)) < abs(np.log10(guessed.lr / true))
        trusted.append(found.reliable)
    assert 0 < np.mean(trusted) < 1


def test_losses_that_fall_at_different_places_are_not_reliable():
    found = suggest(LRS, good(LRS), validation_losses=good(LRS, center=-5.5))
    assert not found.reliable
    assert found.codes == ("validation_disagrees",)


def test_one_rule_that_is_far_off_is_no_doubt_of_auto():
    x = np.log10(LRS)
    long_valley = good(LRS) + np.interp(x, [-7, -4.2, -3.9], [0.3, 0, 0.3]) * (x < -3.9)
    assert suggest(LRS, long_valley, "valley").lr < suggest(LRS, good(LRS), "valley").lr / 100
    assert suggest(LRS, good(LRS), validation_losses=long_valley).reliable


def test_a_validation_loss_that_goes_up_and_down_is_not_reliable():
    rough = good(LRS) + np.where(np.log10(LRS) < -2, 0.3 * (-1.0) ** np.arange(100), 0)
    found = suggest(LRS, good(LRS), validation_losses=rough)
    assert not found.reliable
    assert found.codes == ("validation_rough",)


@pytest.mark.parametrize(
    "useless",
    [np.full(100, np.nan), np.ones(100), np.where(np.arange(100) % 20 == 0, good(LRS), np.nan)],
    ids=["not measured", "flat", "five points"],
)
def test_a_validation_loss_that_says_nothing_changes_nothing(useless):
    assert suggest(LRS, good(LRS), validation_losses=useless) == suggest(LRS, good(LRS))


def test_a_validation_loss_of_another_length_is_an_error():
    with pytest.raises(ConfigError, match=r"`validation_losses` must have the same length"):
        suggest(LRS, good(LRS), validation_losses=np.ones(99))


@settings(max_examples=25, deadline=None)
@given(shapes, shapes, shares, seeds, st.sampled_from(TARGETS), st.floats(-3, 3), st.floats(-9, 9))
def test_the_unit_of_the_validation_loss_changes_nothing_and_no_pick_is_right_of_the_minimum(
    shape, other, share, seed, target, unit, shift
):
    lrs, losses = measured(100, shape, share, seed)
    validation = good(lrs, **other)
    found, moved = (
        suggest(lrs, losses, "auto", target, optimizer="sgd", validation_losses=each)
        for each in (validation, 10**unit * (validation + shift))
    )
    assert (found.index, found.reliable) == (moved.index, moved.reliable)
    if found.lr is not None:
        lowest = lrs[np.argmin(smooth(losses, DEFAULT_SMOOTHING))]
        assert lrs[0] <= found.lr <= lowest * (1 + 1e-9)


def test_suggestion_is_one_line_in_a_script_and_has_its_reason_in_a_notebook():
    lrs = np.logspace(-7, 1, 100)
    found = suggest(lrs, 2.3 - 2 / (1 + (0.001 / lrs) ** 2) + lrs)
    assert re.fullmatch(
        r"Suggestion\(auto: [\d.]+e-\d \([\d.]+e-\d to [\d.]+e-\d\), high\)", repr(found)
    )
    none = suggest(lrs[60:], 1 + 20 * lrs[60:])
    assert repr(none) == "Suggestion(auto: none)"
    assert none.reason in none._repr_html_()
    odd = dataclasses.replace(found, rule="<b>", reason="1 < 2")
    assert odd._repr_html_().startswith("<p>&lt;b&gt;: ")
    assert "1 &lt; 2" in odd._repr_html_()
