"""What the rules say together, how it looks, and the button that extends the range."""

import dataclasses

import numpy as np
import pytest

from lrwidget.core.curve.suggest import Suggestion
from lrwidget.core.range_test.settings import RangeTestConfig
from lrwidget.errors import LRWidgetError
from lrwidget.ui.state import verdict
from tests.ui.conftest import classes_of, part, slow_batches, wait_for
from tests.ui.test_pick import primary_buttons


def suggestions_at(*lrs, codes=(), reason=""):
    level = "low" if codes else "high"
    return {
        str(index): Suggestion(str(index), lr, None, None, None, None, level, codes, reason)
        for index, lr in enumerate(lrs)
    }


@pytest.mark.parametrize(
    ("lrs", "said"),
    [
        ((), ""),
        ((1e-3,), ""),
        ((None, None, 1e-3), ""),
        ((1e-3, 1e-3), "All 2 rules agree within a factor of 1.1."),
        ((1e-3, 2e-3, 2.4e-3), "All 3 rules agree within a factor of 2.4."),
        ((1e-3, 1.2e-3, 2e-3, 1.5, None), "3 of 4 rules agree within a factor of 2.0."),
        (
            (1e-4, 1e-3, 1e-2),
            "The rules disagree (1.00e-4 to 1.00e-2). Start near auto; try one rate to each side.",
        ),
    ],
)
def test_agreement_is_one_sentence(lrs, said):
    assert verdict.agreement(suggestions_at(*lrs)) == said


def test_reason_is_that_of_the_picked_rule():
    found = suggestions_at(1e-3, 2e-3)
    doubt = {"codes": ("noise",), "reason": "It is odd.", "confidence": "low"}
    found["1"] = dataclasses.replace(found["1"], **doubt)
    assert verdict.reason(found, None) == "1: It is odd."
    assert verdict.reason(found, 2e-3) == "1: It is odd."
    assert verdict.reason(found, 1e-3) == ""


def test_reason_that_all_rules_share_names_none():
    odd = suggestions_at(1.0, 2.0, codes=("noise",), reason="Odd.")
    assert verdict.reason(odd, None) == "Odd."


def test_reason_that_names_its_rule_is_not_named_twice():
    found = suggestions_at(1e-3, 2e-3)
    doubt = {"codes": ("sweeps_disagree",), "reason": "1 varies.", "confidence": "low"}
    found["1"] = dataclasses.replace(found["1"], **doubt)
    assert verdict.reason(found, None) == "1 varies."


def test_reliability_is_a_word_and_a_class(finished):
    assert "rules agree within a factor of" in part(finished, "said").value
    for rule, suggestion in finished.suggestions.items():
        button = part(finished, "rules").children[list(finished.suggestions).index(rule)]
        word = "reliable" if suggestion.reliable else "doubtful"
        assert f"lrw-{word}" in classes_of(button)
        assert word in button.description


def test_curve_that_still_falls_offers_a_wider_range_and_runs_it(make):
    widget = make(max_lr=3e-2, steps=80)
    widget.run(block=True)
    assert "Raise Max LR" in part(widget, "said").value
    button = part(widget, "extend")
    assert button.layout.visibility == "visible"
    assert primary_buttons(widget) == ["Widen range and run"]
    button.click()
    widget.wait()
    assert widget.result.config.max_lr == 3.0
    assert widget.result.config.min_lr == 1e-5
    assert part(widget, "max-lr").value == 3.0
    assert button.layout.visibility == "hidden"
    assert primary_buttons(widget) == ["Use it"]


def test_fall_that_noise_hides_offers_three_times_the_sweeps_and_runs_them(make):
    widget = make(batch_size=4, steps=30)
    widget.run(block=True)
    assert "larger batch or several sweeps" in part(widget, "said").value
    assert primary_buttons(widget) == ["Triple the sweeps"]
    part(widget, "extend").click()
    widget.wait()
    assert widget.result.config.sweeps == 3
    assert part(widget, "sweeps").value == "3"
    assert (widget.result.config.min_lr, widget.result.config.max_lr) == (1e-5, 10.0)


def test_test_that_was_stopped_offers_to_run_again(make):
    widget = make(slow_batches())
    widget.run()
    wait_for(lambda: part(widget, "progress").value > 0.1)
    widget.stop()
    widget.wait()
    assert "Run it again" in part(widget, "said").value
    assert part(widget, "extend").description == "Run again"
    part(widget, "extend").click()
    widget.stop()
    widget.wait()
    assert len(widget.result.lrs) < 60
    assert (widget.result.config.min_lr, widget.result.config.steps) == (1e-5, 60)


def test_curve_that_lacks_nothing_offers_nothing(finished):
    assert part(finished, "extend").layout.visibility == "hidden"
    with pytest.raises(LRWidgetError, match="Nothing to extend"):
        finished.extend()


@pytest.mark.parametrize(
    ("codes", "ended", "remedy"),
    [
        (("cut_off_above",), "finished", "widen_above"),
        (("cut_off_above", "noise"), "diverged", "more_sweeps"),
        (("cut_off_below",), "diverged", "widen_below"),
        (("stopped_early",), "stopped", "run_again"),
        (("bad_data",), "non_finite", ""),
        (("disagree", "sweeps_disagree"), "finished", "more_sweeps"),
        ((), "finished", ""),
    ],
)
def test_the_remedy_is_that_of_the_first_code_that_another_test_can_apply(
    finished, codes, ended, remedy
):
    result = dataclasses.replace(finished.result, stop_reason=ended)
    found = suggestions_at(1e-3, codes=codes, reason="Whatever it says: raise max_lr, noise.")
    assert verdict.Verdict.of(found, result).remedy == remedy


def test_range_grows_by_two_decades_and_reads_well():
    def range_after(low, high, side):
        config = RangeTestConfig(min_lr=low, max_lr=high)
        return tuple(verdict.remedied(config, side).values())

    assert range_after(1e-7, 10.0, "widen_below") == (1e-9, 10.0)
    assert range_after(1e-7, 0.3, "widen_above") == (1e-7, 30.0)
    assert np.isfinite(range_after(1e-12, 1e6, "widen_above")).all()
