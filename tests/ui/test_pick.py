"""Picking a learning rate in every way, Apply and Undo, pressed in-process."""

import dataclasses

import keras
import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell

from lrwidget import LRFinderWidget
from lrwidget.core.curve.ladder import format_lr
from lrwidget.errors import BusyError, ConfigError, LRWidgetError
from lrwidget.ui.finder.open_widgets import OpenWidgets
from lrwidget.ui.looks import axis
from lrwidget.ui.state.suggested import Suggested
from lrwidget.ui.views.tree import descendants
from tests.ui.conftest import classes_of, marks_of, new_data, part, slow_batches, wait_for


def click_column(widget, column):
    hits = marks_of(widget).hits
    hits._handle_custom_msgs(hits, {"event": "element_click", "data": {"index": column}})


def primary_buttons(widget):
    return [
        each.description.split("\n")[0]
        for each in descendants(widget)
        if getattr(each, "button_style", "") == "primary"
    ]


def lr_of(model):
    return float(model.optimizer.learning_rate)


def test_click_picks_the_nearest_learning_rate_everywhere(finished):
    lrs = finished.result.lrs
    columns = axis.hit_columns(lrs, axis.LOG)
    for column in range(0, len(columns), 7):
        click_column(finished, column)
        nearest = lrs[np.argmin(np.abs(np.log(lrs / columns[column])))]
        assert finished.picked_lr == nearest


def test_click_on_the_empty_plot_picks_nothing(make):
    widget = make()
    click_column(widget, 0)
    assert widget.picked_lr is None
    assert widget.error is None


def test_hover_tells_the_learning_rate_and_the_losses(finished):
    hits = marks_of(finished).hits
    hits._handle_custom_msgs(hits, {"event": "hover", "data": {"index": 0}})
    said = part(finished, "cursor").value
    assert said.startswith("LR 1.00e-5")
    assert f"loss {finished.result.losses[0]:.4g}" in said


def test_pick_marks_the_curve_and_fills_the_field(finished):
    finished.pick(3.14159e-3)
    line, point = marks_of(finished).pick_line, marks_of(finished).pick_point
    assert line.x.tolist() == [3.14159e-3] * 2
    assert point.x.tolist() == [3.14159e-3]
    assert part(finished, "picked").value == "3.14e-3"
    assert finished.picked_lr == 3.14159e-3


def test_typed_learning_rate_is_picked_exactly(finished):
    part(finished, "picked").value = "0.0031416"
    assert finished.picked_lr == 0.0031416
    assert part(finished, "picked").value == "3.14e-3"


@pytest.mark.parametrize("typed", ["abc", "-1", "0", "nan", "inf", ""])
def test_typed_text_that_is_no_learning_rate_is_refused_aloud(finished, typed):
    finished.pick(1e-3)
    part(finished, "picked").value = typed
    assert finished.picked_lr == 1e-3
    assert part(finished, "picked").value == "1.00e-3"
    assert repr(typed) in part(finished, "status").value
    assert isinstance(finished.error, ConfigError)


@pytest.mark.parametrize("lr", [-1.0, 0.0, float("nan"), float("inf"), "abc", None])
def test_pick_refuses_what_is_no_learning_rate(finished, lr):
    with pytest.raises(ConfigError, match="above 0"):
        finished.pick(lr)


def test_slider_moves_the_pick_point_by_point(finished):
    finished.pick(float(finished.result.lrs[10]))
    slider = part(finished, "pick-slider")
    assert slider.value == 10
    slider.value = 11
    assert finished.picked_lr == finished.result.lrs[11]


def test_slider_stays_on_the_curve(finished):
    slider = part(finished, "pick-slider")
    slider.value = slider.max
    assert finished.picked_lr == finished.result.lrs[-1]
    assert slider.value == len(finished.result.lrs) - 1


def test_rule_button_picks_what_it_shows(finished):
    buttons = [each for each in descendants(finished) if "lrw-rule" in classes_of(each)]
    buttons[1].click()
    assert finished.picked_lr == finished.suggestions["minimum"].lr
    assert "lrw-chosen" in classes_of(buttons[1])


def test_picked_lr_can_be_observed_and_assigned(finished):
    seen = []
    finished.observe(lambda change: seen.append(change.new), "picked_lr")
    click_column(finished, 0)
    finished.picked_lr = 2e-3
    assert seen == [finished.result.lrs[0], 2e-3]
    assert part(finished, "picked").value == "2.00e-3"
    with pytest.raises(ConfigError):
        finished.picked_lr = -1.0


def test_apply_changes_the_optimizer_and_undo_takes_it_back(finished, model):
    finished.pick(3.2e-3)
    part(finished, "apply").click()
    assert lr_of(model) == pytest.approx(3.2e-3)
    assert part(finished, "status").value == (
        "Learning rate was 1.00e-3, now 3.20e-3. Now call model.fit(...)."
    )
    part(finished, "undo").click()
    assert lr_of(model) == pytest.approx(1e-3)
    assert part(finished, "undo").disabled


def test_undo_goes_back_step_by_step(finished, model):
    for lr in (1e-2, 1e-4):
        finished.pick(lr)
        finished.apply()
    finished.undo()
    assert lr_of(model) == pytest.approx(1e-2)
    finished.undo()
    assert lr_of(model) == pytest.approx(1e-3)


def test_undo_brings_a_schedule_back(make, model):
    schedule = keras.optimizers.schedules.CosineDecay(1e-2, 100)
    model.compile(keras.optimizers.Adam(schedule), loss=model.loss)
    widget = make()
    widget.pick(1e-3)
    widget.apply()
    assert part(widget, "status").value == (
        "Learning rate was CosineDecay, now 1.00e-3. Now call model.fit(...)."
    )
    widget.undo()
    assert model.optimizer._learning_rate is schedule


def test_apply_and_undo_say_what_is_missing(make):
    widget = make()
    with pytest.raises(LRWidgetError, match="Nothing is picked"):
        widget.apply()
    with pytest.raises(LRWidgetError, match="Nothing to undo"):
        widget.undo()


def test_apply_waits_for_the_end_of_a_test(make, model):
    widget = make(slow_batches(), steps=400)
    widget.run()
    wait_for(lambda: len(widget._state.curve) > 2)
    click_column(widget, 0)
    assert widget.picked_lr == widget._state.curve.lrs[0]
    assert part(widget, "apply").disabled
    part(widget, "apply").click()
    with pytest.raises(BusyError):
        widget.apply()


def test_the_next_step_is_the_one_primary_button(make):
    widget = make()
    assert primary_buttons(widget) == ["Run"]
    widget.run(block=True)
    assert primary_buttons(widget) == ["Use it"]
    widget.pick(1e-3)
    assert primary_buttons(widget) == ["Apply"]
    widget.apply()
    assert primary_buttons(widget) == []
    widget.undo()
    assert primary_buttons(widget) == ["Apply"]


def test_use_it_picks_and_applies_the_suggestion(finished, model):
    suggested = finished.suggestions["auto"].lr
    headline = part(finished, "headline").value
    assert headline.startswith(f"Suggested {format_lr(suggested)} (")
    assert headline.endswith(f"{finished.suggestions['auto'].confidence} confidence")
    assert part(finished, "now").value.endswith("Adam, now 1.00e-3")
    part(finished, "use").click()
    assert finished.picked_lr == suggested
    assert lr_of(model) == pytest.approx(suggested)
    assert part(finished, "now").value.endswith(f"Adam, now {format_lr(suggested)}")
    assert marks_of(finished).now_line.x.tolist() == pytest.approx([suggested] * 2)
    part(finished, "undo").click()
    assert part(finished, "now").value.endswith("Adam, now 1.00e-3")


def test_use_it_waits_for_a_suggestion(make):
    widget = make()
    assert part(widget, "use").disabled
    assert part(widget, "headline").value == (
        "The suggested learning rate will be here after a test."
    )


def test_what_apply_says_stands_beside_it_and_what_run_says_does_not(finished):
    answer = part(finished, "answer")
    assert answer.value == ""
    finished.pick(1e-3)
    assert answer.value.startswith("Picked 1.00e-3")
    part(finished, "apply").click()
    assert answer.value == part(finished, "status").value
    part(finished, "picked").value = "fast"
    assert "is not a learning rate" in answer.value
    assert "lrw-error" in classes_of(answer)
    part(finished, "picked").value = "1e-3"
    part(finished, "min-lr").children[0].value = "slow"
    assert "is not" in part(finished, "status").value
    assert answer.value == ""


def test_zones_meet_where_the_loss_falls_and_rises(finished):
    zones, curve = marks_of(finished).zones, finished.result
    (low, works), (_, breaks), (_, high) = zones.x
    assert (low, high) == (curve.lrs[0], curve.lrs[-1])
    assert low < works < finished.suggestions["auto"].lr < breaks < high
    assert breaks == curve.lrs[curve.smoothed().argmin()]
    assert marks_of(finished).zone_names.text.tolist() == ["too small", "works", "breaks"]


def test_a_pick_stays_over_a_new_test_that_covers_it(make):
    widget = make(min_lr=1e-4, max_lr=1.0)
    widget.pick(1e-3)
    widget.run(block=True)
    assert widget.picked_lr == 1e-3
    part(widget, "min-lr").children[0].value = "1e-2"
    widget.run(block=True)
    assert widget.picked_lr is None
    assert part(widget, "picked").value == ""


def test_apply_asks_once_before_it_uses_a_pick_that_breaks_the_training(finished, model):
    finished.pick(float(finished.result.lrs[-1]))
    part(finished, "apply").click()
    assert lr_of(model) == pytest.approx(1e-3)
    said = part(finished, "answer").value
    assert "is where training breaks: the loss rises from" in said
    assert said.endswith("Press Apply again to use it all the same.")
    part(finished, "apply").click()
    assert lr_of(model) == pytest.approx(finished.result.lrs[-1])
    finished.pick(100.0)
    part(finished, "apply").click()
    assert "100 was not tested: the curve is from" in part(finished, "answer").value
    finished.apply()  # Python does not ask
    assert lr_of(model) == pytest.approx(100.0)


def test_now_follows_what_another_widget_of_the_model_applies(finished):
    other = LRFinderWidget(finished._model, new_data(), min_lr=1e-5, max_lr=1.0)
    other.pick(0.0123)
    other.apply()
    assert "now 1.23e-2" in part(finished, "now").value
    other.undo()
    assert "now 1.00e-3" in part(finished, "now").value
    other.close()


def test_now_is_not_a_rate_of_a_running_test(make):
    widget = make(slow_batches(0.01), steps=100)
    second = LRFinderWidget(widget._model, new_data(), min_lr=1e-5, max_lr=1.0)
    widget.run()
    wait_for(lambda: len(widget._state.curve) > 3)
    part(second, "run").click()
    assert "now 1.00e-3" in part(second, "now").value
    widget.stop()
    widget.wait()
    second.close()


def test_now_follows_a_cell_that_changes_the_rate(make):
    shell = InteractiveShell.instance()
    widget = make()
    shell.user_ns["model"] = widget._model
    open_widgets = OpenWidgets()
    open_widgets.add(widget, widget._model)
    open_widgets.look_after_each_cell()
    shell.run_cell("model.optimizer.learning_rate = 0.0456")
    assert "now 4.56e-2" in part(widget, "now").value
    shell.events.unregister("post_run_cell", open_widgets._cell_has_run)
    InteractiveShell.clear_instance()


def test_pick_stays_where_a_stopped_test_has_no_curve(finished):
    finished.pick(0.01)
    state = finished._state
    nothing = dataclasses.replace(
        finished.result,
        lrs=finished.result.lrs[:0],
        losses=finished.result.losses[:0],
        sweep_losses=finished.result.sweep_losses[:, :0],
        validation_losses=finished.result.validation_losses[:0],
        sweep_validation_losses=finished.result.sweep_validation_losses[:, :0],
        metrics={},
        stop_reason="stopped",
    )
    state.begin(finished.result.config)
    state.finish(nothing, Suggested())
    assert finished.picked_lr == 0.01


def test_a_typed_pick_outside_of_the_curve_gets_no_loss(finished):
    field = part(finished, "picked")
    field.value = "50"
    assert part(finished, "answer").value.startswith("Picked 50. Press Apply")
