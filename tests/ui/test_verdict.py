"""What the rules say together, how it looks, and the button that extends the range."""

import dataclasses

import numpy as np
import pytest

from lrwidget.core.curve.suggest import Suggestion
from lrwidget.core.range_test.settings import RangeTestConfig
from lrwidget.errors import LRWidgetError
from lrwidget.ui.state import verdict
from tests.ui.conftest import classes_of, part
from tests.ui.test_pick import primary_buttons


def suggestions_at(*lrs, reason=""):
    return {
        str(index): Suggestion(str(index), lr, None, None, None, None, not reason, reason)
        for index, lr in enumerate(lrs)
    }


@pytest.mark.parametrize(
    ("lrs", "said"),
    [
        ((), ""),
        ((1e-3,), ""),
        ((None, None, 1e-3), ""),
        ((1e-3, 1e-3), "All 2 rules lie within 0.1 decade."),
        ((1e-3, 2e-3, 2.4e-3), "All 3 rules lie within 0.4 decade."),
        ((1e-3, 1.2e-3, 2e-3, 1.5, None), "3 of 4 rules lie within 0.4 decade."),
        ((1e-4, 1e-3, 1e-2), "The rules disagree: they lie from 1.00e-4 to 1.00e-2."),
    ],
)
def test_agreement_is_one_sentence(lrs, said):
    assert verdict.agreement(suggestions_at(*lrs)) == said


def test_reason_is_that_of_the_picked_rule():
    found = suggestions_at(1e-3, 2e-3)
    found["1"] = dataclasses.replace(found["1"], reason="It is odd.", reliable=False)
    assert verdict.reason(found, None) == "1: It is odd."
    assert verdict.reason(found, 2e-3) == "1: It is odd."
    assert verdict.reason(found, 1e-3) == ""


def test_reason_that_all_rules_share_names_none():
    assert verdict.reason(suggestions_at(1.0, 2.0, reason="Odd."), None) == "Odd."


def test_reliability_is_a_word_and_a_class(finished):
    assert "rules lie within" in part(finished, "said").value
    for rule, suggestion in finished.suggestions.items():
        button = part(finished, "rules").children[list(finished.suggestions).index(rule)]
        word = "reliable" if suggestion.reliable else "doubtful"
        assert f"lrw-{word}" in classes_of(button)
        assert word in button.description


def test_curve_that_still_falls_offers_a_wider_range_and_runs_it(make):
    widget = make(max_lr=3e-2, steps=80)
    widget.run(block=True)
    assert "raise max_lr" in part(widget, "said").value
    button = part(widget, "extend")
    assert button.layout.visibility == "visible"
    assert primary_buttons(widget) == ["Extend and run"]
    button.click()
    widget.wait()
    assert widget.result.config.max_lr == 3.0
    assert widget.result.config.min_lr == 1e-5
    assert part(widget, "max-lr").value == 3.0
    assert button.layout.visibility == "hidden"
    assert primary_buttons(widget) == ["auto"]


def test_fall_that_noise_hides_offers_three_times_the_steps_and_runs_them(make):
    widget = make(batch_size=4, steps=30)
    widget.run(block=True)
    assert "noise hides the fall" in part(widget, "said").value
    assert primary_buttons(widget) == ["Triple the steps"]
    part(widget, "extend").click()
    widget.wait()
    assert widget.result.config.steps == 90
    assert part(widget, "steps").value == 90
    assert (widget.result.config.min_lr, widget.result.config.max_lr) == (1e-5, 10.0)


def test_curve_that_lacks_nothing_offers_nothing(finished):
    assert part(finished, "extend").layout.visibility == "hidden"
    with pytest.raises(LRWidgetError, match="Nothing to extend"):
        finished.extend()


def test_curve_that_a_person_stopped_is_not_to_be_extended(finished):
    stopped = dataclasses.replace(finished.result, stop_reason="stopped")
    still_falling = suggestions_at(1e-3, reason="Still falling: raise max_lr to see.")
    assert verdict.Verdict.of(still_falling, stopped).mend == ""
    ended = dataclasses.replace(stopped, stop_reason="finished")
    assert verdict.Verdict.of(still_falling, ended).mend == "above"
    never_fell = suggestions_at(None, reason="It never fell. Start lower than min_lr=1.")
    assert verdict.Verdict.of(never_fell, ended).mend == "below"


def test_range_grows_by_two_decades_and_reads_well():
    def range_after(low, high, side):
        config = RangeTestConfig(min_lr=low, max_lr=high)
        return tuple(verdict.mended(config, side).values())

    assert range_after(1e-7, 10.0, "below") == (1e-9, 10.0)
    assert range_after(1e-7, 0.3, "above") == (1e-7, 30.0)
    assert np.isfinite(range_after(1e-12, 1e6, "above")).all()
