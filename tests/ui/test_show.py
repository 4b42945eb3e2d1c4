"""What is on the plot: metrics, the validation loss, sweeps, earlier runs."""

import dataclasses
from typing import get_args

import keras
import numpy as np
import pytest

from lrwidget import LRFinderWidget, RangeTestResult
from lrwidget.core.curve.ending import StopReason
from lrwidget.core.model.restored import Restored
from lrwidget.core.range_test.growing_curve import Update
from lrwidget.core.range_test.settings import RangeTestConfig
from lrwidget.errors import ConfigError
from lrwidget.ui.words import text
from lrwidget.ui.words.text import format_lr
from tests.ui.conftest import classes_of, marks_of, new_data, new_model, part, slow_batches


@pytest.fixture(scope="module")
def measured():
    """A widget with an accuracy, a validation loss, three sweeps and an earlier run."""
    model = new_model()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    inputs, labels = new_data()
    held_back = (inputs[:64], labels[:64])
    widget = LRFinderWidget(
        model,
        (inputs, labels),
        validation_data=held_back,
        min_lr=1e-5,
        max_lr=10.0,
        steps=60,
        sweeps=3,
        seed=0,
    )
    widget.run(block=True)
    yield widget
    widget.close()


@pytest.fixture(autouse=True)
def _loss_again(request):
    yield
    if "measured" in request.fixturenames:
        request.getfixturevalue("measured").show("loss")


def test_choice_appears_only_where_there_is_more_than_the_loss(finished):
    assert part(finished, "show").layout.display == "none"


def test_every_metric_and_the_validation_loss_can_be_chosen(measured):
    choice = part(measured, "show")
    assert choice.layout.display == "flex"
    shown = [label for label, _name in choice.options]
    assert shown == ["loss", "accuracy", "validation loss"]


def test_accuracy_is_drawn_at_once_and_nothing_is_trained(measured):
    result, before = measured.result, [np.array(each) for each in measured._model.variables]
    part(measured, "show").value = "accuracy"
    raw = marks_of(measured).raw
    np.testing.assert_array_equal(raw.y, result.metrics["accuracy"])
    scale = marks_of(measured).y_scale
    best = raw.y[: int(np.argmin(result.losses))].max()
    assert scale.min < raw.y.min() + 0.1
    assert best < scale.max < 1.3
    axis = part(measured, "plot").axes[1]
    assert axis.label == "accuracy"
    assert marks_of(measured).zones.x.size == 0
    assert measured.result is result
    after = measured._model.variables
    assert all(np.array_equal(new, old) for new, old in zip(after, before, strict=True))


def test_validation_loss_is_drawn_where_it_was_measured(measured):
    measured.show("validation_loss")
    losses = measured.result.validation_losses
    there = np.isfinite(losses)
    assert 5 < there.sum() < len(losses)
    raw = marks_of(measured).raw
    np.testing.assert_array_equal(raw.x, measured.result.lrs[there])
    np.testing.assert_array_equal(raw.y, losses[there])


def test_pick_on_the_validation_loss_is_still_among_all_rates(measured):
    measured.show("validation_loss")
    hits = marks_of(measured).hits
    lrs = measured.result.lrs
    column = int(np.argmin(np.abs(np.log(hits.x / lrs[7]))))
    hits._handle_custom_msgs(hits, {"event": "element_click", "data": {"index": column}})
    assert measured.picked_lr == lrs[7]
    assert part(measured, "pick-slider").value == 7


def test_cursor_names_what_it_reads(measured):
    measured.show("accuracy")
    hits = marks_of(measured).hits
    hits._handle_custom_msgs(hits, {"event": "hover", "data": {"index": 0}})
    assert (
        f"accuracy {measured.result.metrics['accuracy'][0]:.4g}" in part(measured, "cursor").value
    )


def test_curve_that_was_not_measured_is_refused(measured):
    with pytest.raises(ConfigError, match=r"'validation_loss'.*got 'recall'"):
        measured.show("recall")


def test_band_over_the_sweeps_encloses_the_middle_one(measured):
    band = marks_of(measured).band
    smoothed = marks_of(measured).smoothed.y
    assert band.y.shape == (2, len(smoothed))
    assert (band.y[0] <= band.y[1]).all()
    inside = (band.y[0] - 0.1 <= smoothed) & (smoothed <= band.y[1] + 0.1)
    assert inside[: len(smoothed) // 2].all()
    measured.show("accuracy")
    assert band.y.size == 0


def test_band_without_smoothing_holds_the_middle_four_fifths_of_the_sweeps(measured):
    measured._state.set_setting("smoothing", 0.0)
    low, high = np.quantile(measured.result.sweep_losses, [0.1, 0.9], axis=0)
    calm = measured.result.lrs < 1e-2
    np.testing.assert_allclose(marks_of(measured).band.y[0][calm], low[calm])
    np.testing.assert_allclose(marks_of(measured).band.y[1][calm], high[calm])
    measured._state.set_setting("smoothing", 0.25)


def test_band_follows_the_smoothing(measured):
    band = marks_of(measured).band
    before = band.y.copy()
    measured._state.set_setting("smoothing", 0.9)
    assert not np.array_equal(band.y, before)
    measured._state.set_setting("smoothing", 0.25)
    np.testing.assert_array_equal(band.y, before)


def test_interval_of_each_rule_is_drawn_through_its_marker(measured):
    found = [each for each in measured.suggestions.values() if each.low is not None]
    intervals = marks_of(measured).intervals
    part(measured, "all-rules").value = True
    assert len(found) >= 4
    np.testing.assert_array_equal(intervals.x, [[each.low, each.high] for each in found])
    heights = [marks_of(measured).rules[each.rule].y[0] for each in found]
    np.testing.assert_array_equal(intervals.y, np.transpose([heights, heights]))
    assert len(set(intervals.colors)) == len(found)
    tooltip = part(measured, "rules").children[0].tooltip
    auto = measured.suggestions["auto"]
    assert f"{format_lr(auto.low)} to {format_lr(auto.high)}" in tooltip


def test_one_sweep_has_no_band_but_an_interval_for_each_rule(finished):
    assert marks_of(finished).band.y.size == 0
    auto = finished.suggestions["auto"]
    assert auto.low < auto.lr < auto.high
    np.testing.assert_array_equal(marks_of(finished).intervals.x, [auto.low, auto.high])
    said = f"With other noise or another seed: {format_lr(auto.low)} to {format_lr(auto.high)}."
    assert said in part(finished, "rules").children[0].tooltip


def test_earlier_runs_stay_in_gray_until_they_are_hidden(finished):
    tick, gray = part(finished, "earlier"), marks_of(finished).earlier
    assert tick.layout.display == "none"
    assert gray.x.size == 0
    first = marks_of(finished).smoothed.y.copy()
    finished.run(block=True)
    assert tick.layout.display == "flex"
    np.testing.assert_array_equal(gray.y, first)
    tick.value = False
    assert gray.x.size == 0
    tick.value = True
    assert gray.x.size == len(first)


def test_result_plots_any_curve_and_refuses_others(measured):
    import matplotlib as mpl

    mpl.use("agg")
    result: RangeTestResult = measured.result
    axes = result.plot(show="accuracy")
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), result.metrics["accuracy"])
    assert axes.get_ylabel() == "accuracy"
    axes = result.plot(show="validation_loss")
    assert np.isfinite(axes.lines[0].get_ydata()).all()
    with pytest.raises(ConfigError, match="got show='recall'"):
        result.plot(show="recall")


@pytest.mark.parametrize("reason", get_args(StopReason))
@pytest.mark.parametrize("points", [0, 60])
def test_every_end_says_that_the_model_is_unchanged(measured, reason, points):
    whole = measured.result
    names = ("lrs", "losses", "sweep_losses", "validation_losses", "sweep_validation_losses")
    cut = {name: getattr(whole, name)[..., :points] for name in names}
    metrics = {name: values[:points] for name, values in whole.metrics.items()}
    result = dataclasses.replace(whole, **cut, metrics=metrics, stop_reason=reason)
    assert "Your model is unchanged" in text.ended(result, 60, 1.0)


def test_status_says_that_the_model_is_unchanged(finished):
    assert "Your model is unchanged" in part(finished, "status").value
    assert "lrw-error" not in classes_of(part(finished, "status"))


def test_failed_proof_of_an_unchanged_model_looks_like_an_error(make, monkeypatch):
    broken = Restored("0badcafe", "deadbeef")
    monkeypatch.setattr(
        "lrwidget.core.model.snapshot.Snapshot.restored", lambda self, _left: broken
    )
    widget = make()
    widget.run(block=True)
    said = part(widget, "status")
    assert "0badcafe and is deadbeef" in said.value
    assert "lrw-error" in classes_of(said)
    assert "unchanged" not in said.value
    assert widget.error is not None
    assert widget.result is not None


def test_class_weight_and_monitor_reach_the_test(make):
    plain = make()
    plain.run(block=True)
    weighted = make(class_weight={0: 100.0, 1: 1.0, 2: 1.0})
    weighted.run(block=True)
    assert weighted.result.losses[0] > 3 * plain.result.losses[0]
    odd = make(monitor="no_such_value")
    odd.run()
    odd.wait()
    assert odd.status == "failed"
    assert "no_such_value" in part(odd, "status").value


def test_optimizer_that_the_model_does_not_hold_is_refused(make):
    widget = make(optimizer=keras.optimizers.SGD())
    with pytest.raises(ValueError, match="optimizer"):
        widget.run()
    assert widget.status == "failed"


def test_two_widgets_on_two_models_run_side_by_side():
    widgets = [
        LRFinderWidget(new_model(), slow_batches(0.005), min_lr=1e-5, max_lr=10.0, steps=60, seed=0)
        for _ in range(2)
    ]
    for widget in widgets:
        widget.run()
    assert [widget.status for widget in widgets] == ["running", "running"]
    for widget in widgets:
        assert widget.wait(30)
        assert widget.status in ("finished", "diverged")
    np.testing.assert_allclose(*[widget.result.losses for widget in widgets], rtol=1e-5)
    for widget in widgets:
        widget.close()


def test_picture_of_the_curve_is_kept_only_after_a_test_and_with_matplotlib(make, monkeypatch):
    import sys

    widget = make()
    assert "image/png" not in widget._repr_mimebundle_()
    widget.run(block=True)
    assert len(widget._repr_mimebundle_()["image/png"]) > 10_000
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert "image/png" not in widget._repr_mimebundle_()


def test_a_chosen_curve_stays_chosen_in_the_next_run(measured):
    measured.show("validation_loss")
    measured.run(block=True)
    assert measured._state.show == "validation_loss"
    assert part(measured, "show").value == "validation_loss"
    measured.show("loss")


def test_a_chosen_curve_that_comes_later_than_the_loss_is_shown_once_it_is_there(make):
    widget = make()
    config = RangeTestConfig.of(1e-5, 1.0, steps=50)
    lrs, losses = config.ladder()[:10], np.linspace(2.0, 1.0, 10)
    loss_alone = Update(10, 50, lrs, losses, 1e3, 0, 1)
    with_validation = dataclasses.replace(loss_alone, validation_losses=losses + 0.5)
    widget._state.begin(config)
    widget._state.advance(with_validation)
    part(widget, "show").value = "validation_loss"
    widget._state.advance(loss_alone)
    assert part(widget, "show").value == "loss"
    widget._state.advance(with_validation)
    assert part(widget, "show").value == "validation_loss"
