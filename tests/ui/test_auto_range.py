"""The range left to a probe: who sets the limits, what is said and drawn meanwhile."""

import threading

import numpy as np
import pytest

from lrwidget import LRFinderWidget
from lrwidget.core.range_test.settings import HIGHEST, LOWEST
from lrwidget.ui.state.verdict import Verdict
from lrwidget.ui.words.text import format_lr
from tests.ui.conftest import classes_of, marks_of, new_data, part, slow_batches, wait_for


@pytest.fixture
def auto(make):
    """A widget that leaves both limits to the probe, and has not run yet."""
    return make(min_lr=None, max_lr=None)


@pytest.fixture
def probing(make):
    """A widget whose probe is under way, and takes more than half a second for it."""
    widget = make(slow_batches(), min_lr=None, max_lr=None)
    part(widget, "run").click()
    return widget


@pytest.fixture
def finds(monkeypatch):
    """Return a function that says what every probe from now on finds."""

    def set_range(low, high):
        monkeypatch.setattr(
            "lrwidget.core.range_test.growing_curve.found_range", lambda *_curve: (low, high)
        )

    return set_range


def written(widget):
    """Return what stands in the fields of the two limits."""
    return [part(widget, name).children[0].value for name in ("min-lr", "max-lr")]


def marked(widget):
    """Return whether each limit is marked as one that a probe finds."""
    return ["lrw-auto" in classes_of(part(widget, name)) for name in ("min-lr", "max-lr")]


def limits(widget):
    """Return the limits of the test that ended last."""
    config = widget.result.config
    return config.min_lr, config.max_lr


def type_into(widget, name, typed):
    part(widget, name).children[0].value = typed


def axis_of(widget):
    """Return the learning rates at the two ends of the plot."""
    scale = marks_of(widget).x_scale
    return scale.min, scale.max


def test_found_range_is_measured_written_into_the_settings_and_drawn(auto):
    assert part(auto, "auto-range").value
    auto.run(block=True)
    low, high = limits(auto)
    assert LOWEST < low < 1e-2 < high < HIGHEST
    assert len(auto.result.losses) > 10
    assert written(auto) == [format_lr(low), format_lr(high)]
    for name, limit in (("min-lr", low), ("max-lr", high)):
        assert part(auto, name).children[1].value == pytest.approx(limit)
    measured = auto.result.lrs[[0, -1]].tolist()
    assert measured[0] == low
    assert list(axis_of(auto)) == measured
    ends = marks_of(auto).hits.x[[0, -1]]
    assert ends.tolist() == pytest.approx(measured)


def test_empty_plot_says_that_the_range_will_be_found(make):
    widget = make()
    assert "range" not in part(widget, "hint").value
    part(widget, "auto-range").value = True
    assert "a probe finds the range" in part(widget, "hint").value
    widget.run(block=True)
    assert part(widget, "hint").value == ""


def test_every_run_finds_the_range_again(make, finds):
    widget = make(min_lr=1e-6, max_lr=1.0)
    part(widget, "auto-range").value = True
    for found in ((1e-4, 0.5), (2e-3, 3.0)):
        finds(*found)
        part(widget, "run").click()
        widget.wait()
        assert limits(widget) == found
        assert written(widget) == [format_lr(lr) for lr in found]
        assert part(widget, "auto-range").value
        assert marked(widget) == [True, True]


def test_switched_off_what_stands_in_the_fields_is_used(auto, finds):
    finds(1.2345e-4, 0.5)
    auto.run(block=True)
    part(auto, "auto-range").value = False
    assert marked(auto) == [False, False]
    finds(1e-6, 1e-5)
    auto.run(block=True)
    assert limits(auto) == (1.2345e-4, 0.5)


def test_switching_on_and_off_leaves_the_settings_as_they_were(make):
    widget = make(min_lr=1.5e-6, max_lr=1.0)
    part(widget, "auto-range").value = True
    assert marked(widget) == [True, True]
    part(widget, "auto-range").value = False
    widget.run(block=True)
    assert limits(widget) == (1.5e-6, 1.0)


def test_typed_limit_is_fixed_and_the_other_still_found(auto, finds):
    finds(1e-4, 0.5)
    type_into(auto, "min-lr", "3.3e-5")
    assert marked(auto) == [False, True]
    assert part(auto, "auto-range").value
    auto.run(block=True)
    assert limits(auto) == (3.3e-5, 0.5)
    type_into(auto, "max-lr", "2")
    assert not part(auto, "auto-range").value
    auto.run(block=True)
    assert limits(auto) == (3.3e-5, 2.0)


def test_typing_the_very_value_that_was_found_fixes_it(auto, finds):
    finds(1e-4, 0.5)
    auto.run(block=True)
    type_into(auto, "min-lr", "0.0001")
    assert marked(auto) == [False, True]


def test_slid_limit_is_fixed_but_not_by_the_rounding_of_the_browser(auto, finds):
    finds(1.03e-4, 0.5)
    auto.run(block=True)
    slider = part(auto, "min-lr").children[1]
    slider.value = 1e-4
    assert marked(auto) == [True, True]
    assert written(auto)[0] == "1.03e-4"
    slider.value = 1e-3
    assert marked(auto) == [False, True]
    assert written(auto)[0] == "1.00e-3"


def test_unticking_with_one_limit_left_fixes_that_one_too(auto):
    type_into(auto, "min-lr", "1e-5")
    part(auto, "auto-range").value = False
    assert marked(auto) == [False, False]
    assert written(auto)[0] == "1.00e-5"


@pytest.mark.parametrize(
    ("given", "found"), [({"min_lr": None}, (1e-4, 10.0)), ({"max_lr": None}, (1e-5, 0.5))]
)
def test_constructor_leaves_one_limit_alone(make, finds, given, found):
    finds(1e-4, 0.5)
    widget = make(**given)
    assert part(widget, "auto-range").value
    widget.run(block=True)
    assert limits(widget) == found
    assert written(widget) == [format_lr(lr) for lr in found]


def test_range_is_fixed_unless_it_is_left_to_the_probe(make):
    widget = make()
    assert not part(widget, "auto-range").value
    assert marked(widget) == [False, False]


def test_probe_says_what_it_does_and_the_plot_bears_the_mouse(probing):
    assert part(probing, "status").value == "Preparing the data."
    assert part(probing, "progress").value == 0
    assert axis_of(probing) == (LOWEST, HIGHEST)
    hits = marks_of(probing).hits
    for event in ("hover", "element_click"):
        hits._handle_custom_msgs(hits, {"event": event, "data": {"index": 5}})
    assert (probing.status, probing.error, probing.picked_lr) == ("running", None, None)
    assert part(probing, "progress").value == 0
    sentences = []
    part(probing, "status").observe(lambda change: sentences.append(change.new), "value")
    wait_for(lambda: any("Running" in said for said in sentences))
    low, high = written(probing)
    assert sentences[:3] == [
        "Compiling the training step.",
        "Looking for the range: a probe of 30 steps.",
        f"Range found: {low} to {high}. Starting the other 30 steps.",
    ]
    assert sentences[3].startswith("Running: step ")


def test_stop_during_the_probe_keeps_its_short_curve(make):
    under_way = threading.Event()

    def batches():
        for index, batch in enumerate(slow_batches()()):
            if index == 10:
                under_way.set()
            yield batch

    widget = make(batches, min_lr=None, max_lr=None)
    before = written(widget)
    part(widget, "run").click()
    assert under_way.wait(20)
    part(widget, "stop").click()
    assert widget.wait(10)
    assert widget.status == "stopped"
    assert 0 < len(widget.result.lrs) < 30
    assert limits(widget) == (LOWEST, HIGHEST)
    assert len(marks_of(widget).smoothed.x) == len(widget.result.lrs)
    assert f"after {len(widget.result.lrs)} of 30 steps" in part(widget, "status").value
    assert written(widget) == before
    assert part(widget, "auto-range").value


def test_limit_typed_during_the_probe_stays(probing):
    type_into(probing, "min-lr", "3e-6")
    assert probing.wait(10)
    assert written(probing)[0] == "3.00e-6"
    assert written(probing)[1] == format_lr(limits(probing)[1])
    assert marked(probing) == [False, True]


def test_extend_fixes_the_range(auto, finds):
    finds(1e-5, 0.03)
    auto.run(block=True)
    part(auto, "extend").click()
    auto.wait()
    assert limits(auto) == (1e-5, 3.0)
    assert marked(auto) == [False, False]
    assert not part(auto, "auto-range").value


def test_earlier_run_over_another_range_stays_where_it_was(auto, finds):
    finds(1e-5, 0.03)
    auto.run(block=True)
    first = auto.result
    finds(1e-3, 1.0)
    auto.run(block=True)
    np.testing.assert_array_equal(marks_of(auto).earlier.x, first.lrs)
    assert axis_of(auto) == (1e-3, 1.0)


def test_limit_that_no_probe_can_go_with_is_refused(auto):
    type_into(auto, "max-lr", "1e-9")
    part(auto, "run").click()
    assert "does not go with Max LR 1e-09. Pass both" in part(auto, "status").value
    assert auto.status == "failed"


def test_both_limits_are_left_to_the_probe_by_default(model):
    widget = LRFinderWidget(model, new_data(), seed=0)
    assert part(widget, "auto-range").value
    assert marked(widget) == [True, True]
    assert "a probe finds the range" in part(widget, "hint").value
    widget.run(block=True)
    assert LOWEST < limits(widget)[0] < 1e-2
    assert widget.result.config.steps == 70
    assert widget._state.steps == 100
    widget.close()


def test_few_steps_have_no_probe_and_show_the_range_that_was_used(make):
    widget = make(min_lr=None, max_lr=None)
    part(widget, "steps").children[0].value = "40"
    assert "probe" not in part(widget, "hint").value
    sentences = []
    part(widget, "status").observe(lambda change: sentences.append(change.new), "value")
    widget.run(block=True)
    assert limits(widget) == (1e-7, 10.0)
    assert written(widget) == ["1.00e-7", "10"]
    assert sentences[:2] == ["Preparing the data.", "Compiling the training step."]
    assert sentences[2].startswith("Running: step ")
    assert "fewer than 60 steps has no probe" in sentences[-1]
    assert marked(widget) == [True, True]


def test_more_steps_are_a_multiple_of_those_that_were_asked_for(auto):
    auto.run(block=True)
    auto._state.verdict = Verdict(remedy="more_steps")
    auto.extend()
    auto.wait()
    assert auto._state.steps == 180
    assert len(auto.result.config.ladder()) == 150
    assert marked(auto) == [True, True]
