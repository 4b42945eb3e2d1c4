"""The rules on curves whose answer is known, and the registry."""

import numpy as np
import pytest

from lrwidget.core.curve import rules
from lrwidget.core.curve.rules import RULES, check_rule, register_rule, unregister_rule
from lrwidget.errors import ConfigError
from tests.core.curves import good, ladder

LRS = ladder(1000)


def pick(rule, losses, lrs=LRS):
    """Return log10 of what a rule picks."""
    return np.log10(RULES[rule](lrs, losses))


def test_minimum_stands_a_decade_left_of_the_lowest_loss():
    assert pick("minimum", (np.log10(LRS) + 1.234) ** 2) == pytest.approx(-2.234, abs=1e-6)


def test_a_minimum_between_two_rungs_is_found():
    lrs = ladder(17)
    assert pick("minimum", (np.log10(lrs) + 1.1) ** 2, lrs) == pytest.approx(-2.1, abs=1e-9)


def test_steepest_is_per_decade_and_not_per_learning_rate():
    losses = good(LRS, center=-3.3, power=4, end=0)
    slope = np.gradient(losses, LRS)
    assert np.log10(LRS[slope.argmin()]) < -3.5
    assert pick("steepest", losses) == pytest.approx(-3.3, abs=0.05)


def test_steepest_takes_no_step_past_the_minimum():
    losses = np.interp(np.log10(LRS), [-7, -2, -1.9, 1], [2, 1.5, 0, 9])
    assert pick("steepest", losses) < -1.9


def test_valley_lies_two_thirds_into_a_straight_descent():
    losses = np.interp(np.log10(LRS), [-7, -5, -2, -1, 1], [2, 2, 0, 0, 9])
    start, end = -5 + 3 / 20, -2 - 3 / 20
    assert pick("valley", losses) == pytest.approx(start + 2 / 3 * (end - start), abs=0.02)


def test_valley_takes_the_longest_descent_and_not_the_deepest():
    losses = np.interp(np.log10(LRS), [-7, -6, -3, -2.5, -2, 1], [2, 2, 1, 1.8, 0, 9])
    assert -5 < pick("valley", losses) < -3.5


def test_valley_forgives_a_small_rise_on_the_way():
    x = np.log10(LRS)
    losses = np.interp(x, [-7, -5, -3.5, -3.4, -2, 1], [2, 2, 1, 1.05, 0, 9])
    straight = np.interp(x, [-7, -5, -2, 1], [2, 2, 0, 9])
    assert pick("valley", losses) == pytest.approx(pick("valley", straight), abs=0.1)


def test_slide_holds_the_fall_in_its_interval():
    """A straight fall of a decade is within any interval of 1.2 that starts up to 0.2 before it."""
    losses = np.interp(np.log10(LRS), [-7, -4, -3, -2.9, -1, 1], [2, 2, 0.1, 0.1, 0, 9])
    assert -4.2 < pick("slide", losses) < -3.9


def test_slide_does_not_mind_what_lies_right_of_the_minimum():
    losses = good(LRS)
    changed = np.where(LRS[losses.argmin()] < LRS, losses * 7, losses)
    assert pick("slide", changed) == pick("slide", losses)


def test_edge_stands_a_decade_before_a_fifth_of_the_fall_is_lost():
    losses = np.interp(np.log10(LRS), [-7, -5, -3, 0, 1], [2, 2, 0.001, 0, 2])
    assert pick("edge", losses) == pytest.approx(0.2 - 1, abs=0.02)


def test_edge_comes_no_closer_to_the_minimum_than_half():
    losses = np.interp(np.log10(LRS), [-7, -2, 1], [2, 0, 0.5])
    assert pick("edge", losses) == pytest.approx(-2 - np.log10(2), abs=0.01)


def test_edge_needs_a_rise():
    assert rules.edge(LRS, np.linspace(2, 0, 1000)) is None


VALLEY = np.interp(np.log10(LRS), [-7, -4, -3, -1, 1], [2, 2, 0.02, 0, 9])
HALF_RISEN = -1 + 2 / 9


def test_auto_stands_between_slide_and_the_rise_for_good():
    assert pick("slide", VALLEY) < pick("auto", VALLEY) < HALF_RISEN


def test_auto_does_not_mind_where_on_a_flat_bottom_the_minimum_is():
    x = np.log10(LRS)
    left, right = (VALLEY - 0.04 * np.exp(-((x - dip) ** 2) / 0.001) for dip in (-2.2, -1.1))
    assert pick("auto", left) == pytest.approx(pick("auto", right), abs=0.15)


def test_auto_is_never_right_of_the_minimum():
    lrs = np.logspace(-3, 1, 500)
    steep_and_early = np.interp(np.log10(lrs), [-3, -2.02, -2, 1], [2, 2, 0, 0.5])
    assert pick("auto", steep_and_early, lrs) <= -2 + 0.01


def test_auto_takes_the_last_rise_and_not_a_hump_on_the_way():
    hump = VALLEY + 1.2 * np.exp(-((np.log10(LRS) + 2) ** 2) / 0.01)
    assert pick("auto", hump) == pytest.approx(pick("auto", VALLEY), abs=0.05)


def test_a_guess_follows_the_rise_for_good_but_not_right_of_the_minimum():
    before_the_rise = HALF_RISEN - np.log10(rules.guess(LRS, VALLEY))
    assert 0.5 < before_the_rise < 2
    other_fall = np.interp(np.log10(LRS), [-7, -6, -3, -1, 1], [2, 2, 0.02, 0, 9])
    other = HALF_RISEN - np.log10(rules.guess(LRS, other_fall))
    assert other == pytest.approx(before_the_rise, abs=0.01)
    early = np.interp(np.log10(LRS), [-7, -4, -3, -1, 1], [2, 2, 0, 0.02, 9])
    assert np.log10(rules.guess(LRS, early)) == pytest.approx(-3, abs=0.01)
    assert rules.guess(LRS, np.ones(len(LRS))) is None


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "losses",
    [np.array([]), np.ones(1), np.ones(7), np.arange(5.0), np.array([1.0, 2.0, 1.0])],
    ids=["empty", "one", "flat", "rising", "hump"],
)
def test_nothing_is_picked_where_nothing_falls(rule, losses):
    assert RULES[rule](LRS[: len(losses)], losses) is None


@pytest.mark.parametrize("rule", RULES)
def test_rules_leave_their_arguments_alone(rule):
    losses = good(LRS)
    before = losses.copy()
    RULES[rule](LRS, losses)
    np.testing.assert_array_equal(losses, before)


@pytest.mark.parametrize("rule", RULES)
def test_two_rungs_are_enough_not_to_fail(rule):
    lr = RULES[rule](np.array([0.1, 1.0]), np.array([2.0, 1.0]))
    assert lr is None or lr <= 1.0


def test_a_rule_of_your_own_joins_is_replaced_and_leaves():
    register_rule("last", lambda lrs, losses: lrs[-1])
    register_rule("last", lambda lrs, losses: lrs[0])
    try:
        assert RULES["last"](LRS, LRS) == LRS[0]
        check_rule("last")
    finally:
        unregister_rule("last")
    with pytest.raises(ConfigError, match="got rule='last'"):
        check_rule("last")


def test_a_rule_of_the_package_cannot_be_replaced_or_taken_out():
    with pytest.raises(ConfigError, match=r'"auto" is part of lrwidget\. Use another name'):
        register_rule("auto", lambda lrs, losses: None)
    with pytest.raises(ConfigError, match="no rule of your own called 'auto'"):
        unregister_rule("auto")


@pytest.mark.parametrize(("name", "function"), [("", min), (3, min), ("mine", 0.1)])
def test_a_rule_needs_a_name_and_a_function(name, function):
    with pytest.raises(ConfigError, match=r"must be a (string|function of learning rates)"):
        register_rule(name, function)
    assert name not in RULES
