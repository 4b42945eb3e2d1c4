"""A widget of a result alone: everything but the model."""

import ipywidgets
import numpy as np
import pytest

import lrwidget
from lrwidget import LRFinderWidget, RangeTestResult, suggest_bounds
from lrwidget.errors import ConfigError, LRWidgetError
from lrwidget.ui.looks import axis
from lrwidget.ui.views.tree import descendants
from tests.core import curves
from tests.ui.conftest import code_on_show, line_points, marks_of, part

LADDER = curves.ladder(100)


def new_result(**more):
    losses = curves.as_measured(curves.good(LADDER), 0.03, seed=0)
    return RangeTestResult.from_losses(LADDER[: len(losses)], losses, **more)


@pytest.fixture
def result():
    return new_result()


@pytest.fixture
def widget(result):
    made = LRFinderWidget.of_result(result)
    yield made
    made.close()


def test_curve_and_rules_are_on_show(widget, result):
    assert line_points(widget) == [len(result.lrs)] * 2
    assert widget.result is result
    assert widget.suggestions == result.suggestions()
    assert widget.status == result.stop_reason
    rule = part(widget, "rules").children[0]
    assert not rule.disabled
    assert part(widget, "use").disabled


def test_a_click_and_a_rule_pick(widget, result):
    columns = axis.hit_columns(widget._state.ladder, axis.LOG)
    hits = marks_of(widget).hits
    near = int(np.argmin(np.abs(np.log(columns / 1e-3))))
    hits._handle_custom_msgs(hits, {"event": "element_click", "data": {"index": near}})
    assert widget.picked_lr == pytest.approx(1e-3, rel=0.1)
    assert part(widget, "status").value.endswith("Code shows how to use it.")
    part(widget, "rules").children[0].click()
    assert widget.picked_lr == result.suggest().lr


def test_a_schedule_is_planned_and_its_code_is_there(widget):
    widget.pick(0.02)
    part(widget, "kind").value = "one-cycle"
    widget.plan("one-cycle", epochs=2, batches=50)
    part(widget, "code-toggle").value = True
    (line,) = part(widget, "preview").children[0].marks
    assert line.x[-1] == 100
    assert "OneCycle" in code_on_show(widget)
    assert "total_steps=100" in widget.code


def test_run_and_apply_are_off_and_say_why(widget):
    widget.pick(0.02)
    for name in ("run", "apply", "stop"):
        assert part(widget, name).disabled
    for name in ("run", "apply"):
        assert "has no model" in part(widget, name).tooltip
    assert not any(getattr(each, "button_style", "") == "primary" for each in descendants(widget))


def test_sentence_of_status_says_why():
    widget = LRFinderWidget.of_result(new_result())
    said = part(widget, "status").value
    assert "has no model, so Run and Apply are off" in said
    assert "Click the curve" in said
    widget.close()


@pytest.mark.parametrize("call", ["run", "apply", "extend"])
def test_what_needs_a_model_is_refused_with_a_remedy(widget, call):
    widget.pick(0.02)
    with pytest.raises(LRWidgetError, match=r"has no model\. (To run a test|Pass the pick)"):
        getattr(widget, call)()
    assert widget.wait()


def test_settings_of_a_new_test_are_off_and_smoothing_is_not(widget):
    for name in ("min-lr", "max-lr", "steps"):
        assert all(child.disabled for child in part(widget, name).children)
    smoothing = part(widget, "smoothing").children
    assert not any(child.disabled for child in smoothing)
    before = marks_of(widget).smoothed.y.copy()
    smoothing[1].value = 0.8
    assert not np.array_equal(marks_of(widget).smoothed.y, before)


def test_a_curve_that_is_cut_off_offers_no_new_test():
    lrs = LADDER[:60]
    widget = LRFinderWidget.of_result(RangeTestResult.from_losses(lrs, curves.good(lrs)))
    assert not widget.suggestions["auto"].reliable
    assert part(widget, "extend").layout.visibility == "hidden"
    widget.close()


def test_a_result_from_a_file_is_shown_like_the_one_that_was_saved(result, tmp_path):
    result.save(tmp_path / "result.json")
    widget = LRFinderWidget.of_result(RangeTestResult.load(tmp_path / "result.json"))
    assert widget.suggestions == result.suggestions()
    assert "has no model" in part(widget, "status").value
    widget.close()


def test_rates_that_no_ladder_has_can_be_picked():
    lrs = np.sort(np.random.default_rng(0).choice(LADDER, 40, replace=False))
    widget = LRFinderWidget.of_result(RangeTestResult.from_losses(lrs, curves.good(lrs)))
    hits = marks_of(widget).hits
    hits._handle_custom_msgs(hits, {"event": "element_click", "data": {"index": 20}})
    assert widget.picked_lr in lrs
    widget.close()


def test_an_empty_result_is_shown_and_says_so():
    empty = RangeTestResult.from_losses([1e-3, 1e-2], [np.nan, 1.0])
    widget = LRFinderWidget.of_result(empty)
    assert "has no curve" in part(widget, "status").value
    assert part(widget, "hint").value == ""
    widget.close()


def test_metrics_can_be_shown():
    quality = np.linspace(0, 1, len(new_result().lrs))
    widget = LRFinderWidget.of_result(new_result(metrics={"accuracy": quality}))
    widget.show("accuracy")
    assert widget._state.curve.losses[-1] == 1.0
    widget.close()


def test_a_rule_that_fails_is_shown_and_the_curve_is_there():
    def failing(lrs, losses):
        raise ZeroDivisionError("from my rule")

    lrwidget.register_rule("mine", failing)
    try:
        widget = LRFinderWidget.of_result(new_result())
    finally:
        lrwidget.unregister_rule("mine")
    assert "from my rule" in part(widget, "status").value
    assert line_points(widget)[0] > 50
    widget.close()


def test_closing_leaves_no_widget_model(result):
    before = dict(ipywidgets.widgets.widget._instances)
    widget = LRFinderWidget.of_result(result)
    widget.close()
    widget.close()
    assert dict(ipywidgets.widgets.widget._instances) == before
    with pytest.raises(LRWidgetError, match="closed"):
        widget.apply()


def test_cycles_begin_where_the_loss_begins_to_fall(widget, result):
    low = suggest_bounds(result).low
    widget.pick(10 * low)
    widget.plan("triangular")
    assert widget._state.low_lr == low
    widget.pick(0.9 * low)
    assert widget._state.low_lr == pytest.approx(0.225 * low)


@pytest.mark.parametrize("value", [None, "result.json", {"lrs": [1.0]}])
def test_something_that_is_no_result_is_named_with_what_makes_one(value):
    with pytest.raises(ConfigError, match=r"must be a RangeTestResult; got.*load.*from_losses"):
        LRFinderWidget.of_result(value)


def test_smoothing_is_checked(result):
    with pytest.raises(ConfigError, match="`smoothing`"):
        LRFinderWidget.of_result(result, smoothing=2)
