"""Zooming, moving, the kinds of axes, the handles on the axis, and what the mouse points at."""

import numpy as np
import pytest
from bqplot import LinearScale, LogScale
from bqplot.interacts import BrushSelector, PanZoom
from ipywidgets.widgets.widget import _instances

from lrwidget.ui.state.drawn_curve import Measured
from tests.ui.conftest import marks_of, part, slow_batches, wait_for


def from_browser(widget, **changes):
    """Change traits of a widget the way a message from the browser does."""
    widget.set_state(changes)


def zoom(widget, low, high):
    from_browser(marks_of(widget).x_scale, min=low, max=high)


def span(widget):
    scale = marks_of(widget).x_scale
    return scale.min, scale.max


def test_wheel_zooms_and_reset_shows_all_again(finished):
    whole = span(finished)
    part(finished, "move-view").value = True
    assert isinstance(part(finished, "plot").interaction, PanZoom)
    assert part(finished, "reset-view").disabled
    zoom(finished, 2e-3, 2e-2)
    assert finished._state.view.is_zoomed
    part(finished, "smoothing").children[1].value = 0.5
    assert span(finished) == (2e-3, 2e-2)
    part(finished, "reset-view").click()
    assert span(finished) == whole
    part(finished, "move-view").value = False
    assert part(finished, "plot").interaction is None


def test_click_in_a_zoomed_plot_picks_a_measured_rate_on_show(finished):
    zoom(finished, 2e-3, 2e-2)
    marks = marks_of(finished)
    assert 2e-3 <= marks.hits.x[0] < marks.hits.x[-1] <= 2e-2
    middle = len(marks.hits.x) // 2
    message = {"event": "element_click", "data": {"index": middle}}
    marks.hits._handle_custom_msgs(marks.hits, message)
    assert finished.picked_lr in finished.result.lrs
    assert finished.picked_lr == pytest.approx(marks.hits.x[middle], rel=0.15)


def test_box_zooms_and_gives_the_mouse_back_to_picking(finished):
    part(finished, "box-view").value = True
    box = part(finished, "plot").interaction
    assert isinstance(box, BrushSelector)
    from_browser(box, brushing=True)
    box.selected_x, box.selected_y = np.array([1e-3, 1e-2]), np.array([0.2, 0.9])
    from_browser(box, brushing=False)
    assert span(finished) == pytest.approx((1e-3, 1e-2))
    assert (marks_of(finished).y_scale.min, marks_of(finished).y_scale.max) == (0.2, 0.9)
    assert part(finished, "plot").interaction is None
    assert not part(finished, "box-view").value


def test_ticks_follow_the_zoom(finished):
    zoom(finished, 2e-3, 2e-2)
    (x_axis, _) = part(finished, "plot").axes
    assert x_axis.tick_values.tolist() == pytest.approx([2e-3, 5e-3, 1e-2, 2e-2])


def test_next_run_shows_its_whole_curve(finished):
    zoom(finished, 2e-3, 2e-2)
    finished.run(block=True)
    assert span(finished) == (finished.result.lrs[0], finished.result.lrs[-1])
    assert not finished._state.view.is_zoomed


def test_zoom_stays_while_the_curve_grows(make):
    widget = make(slow_batches(0.01), steps=150)
    widget.run()
    wait_for(lambda: len(widget._state.curve) > 5)
    zoom(widget, 1e-4, 1e-3)
    drawn = len(widget._state.curve)
    wait_for(lambda: len(widget._state.curve) > drawn)
    assert span(widget) == (1e-4, 1e-3)
    widget.stop()
    widget.wait()


def test_log_loss_axis_and_back(finished):
    marks = marks_of(finished)
    finished.pick(0.01)
    part(finished, "log-loss").value = True
    log = marks_of(finished)
    assert isinstance(log.y_scale, LogScale)
    assert log.y_scale.min > 0
    np.testing.assert_array_equal(log.smoothed.x, marks.smoothed.x)
    assert log.pick_line.x.tolist() == [0.01, 0.01]
    assert log.rules["auto"].x.tolist() == [finished.suggestions["auto"].lr]
    part(finished, "log-loss").value = False
    assert isinstance(marks_of(finished).y_scale, LinearScale)


def test_values_without_a_logarithm_stay_on_a_linear_axis(finished):
    part(finished, "log-loss").value = True
    measured = finished._state.measured
    below = measured.series["loss"] - 10
    with finished._state.changing():
        finished._state.measured = Measured(measured.lrs, {"loss": below})
        finished._state.set_setting("smoothing", 0.0)
    assert isinstance(marks_of(finished).y_scale, LinearScale)
    assert part(finished, "log-loss").disabled


def test_linear_mode_has_a_linear_axis(make):
    widget = make(min_lr=1e-4, max_lr=0.05, mode="linear", stop_factor=None)
    widget.run(block=True)
    marks = marks_of(widget)
    assert isinstance(marks.x_scale, LinearScale)
    columns = np.diff(marks.hits.x)
    assert columns == pytest.approx(columns[0])
    message = {"event": "element_click", "data": {"index": len(columns) // 2}}
    marks.hits._handle_custom_msgs(marks.hits, message)
    assert widget.picked_lr == pytest.approx(0.025, rel=0.05)


def test_another_mode_changes_the_axis_with_the_next_run(finished):
    part(finished, "mode").value = "linear"
    assert isinstance(marks_of(finished).x_scale, LogScale)
    finished.run(block=True)
    assert isinstance(marks_of(finished).x_scale, LinearScale)
    assert len(marks_of(finished).smoothed.x) == len(finished.result.lrs)


def test_handle_of_the_pick_lies_under_its_line_also_when_zoomed(finished):
    zoom(finished, 2e-3, 2e-2)
    slider, lrs = part(finished, "pick-slider"), finished.result.lrs
    assert 2e-3 <= lrs[slider.min] < lrs[slider.max] <= 2e-2
    right, left = (float(x.strip("%")) / 100 for x in slider.layout.margin.split()[1::2])
    ends = 2e-3 * 10.0 ** np.array([left, 1 - right])
    assert ends == pytest.approx(lrs[[slider.min, slider.max]], rel=1e-3)
    slider.value = slider.min + 1
    assert finished.picked_lr == lrs[slider.min + 1]


def test_handle_stands_under_a_pick_between_two_points(finished):
    finished.pick(float(finished.result.lrs[20] * 1.05))
    slider, (low, high) = part(finished, "pick-slider"), span(finished)
    shift = float(slider.layout.left.strip("%")) / 100
    at_point = np.log(finished.result.lrs[slider.value] / low) / np.log(high / low)
    assert low * (high / low) ** (at_point + shift) == pytest.approx(finished.picked_lr, rel=1e-3)
    finished.pick(float(finished.result.lrs[20]))
    assert float(slider.layout.left.strip("%")) == pytest.approx(0)


def test_handle_of_the_lower_end_moves_it_but_not_above_the_pick(finished):
    low = part(finished, "low-slider")
    assert low.layout.visibility == "hidden"
    finished.pick(0.02)
    finished.plan("triangular", low_lr=0.001)
    assert low.layout.visibility is None
    low.value = 30
    moved = finished.result.lrs[30]
    assert finished._state.low_lr == moved < 0.02
    low.value = low.max
    assert finished._state.low_lr == moved
    assert finished.result.lrs[low.value] == moved
    assert "must be below" in part(finished, "answer").value


def test_mouse_stands_on_the_nearest_point(finished):
    marks = marks_of(finished)
    marks.hits._handle_custom_msgs(marks.hits, {"event": "hover", "data": {"index": 40}})
    (lr,) = marks.here.x
    assert lr in finished.result.lrs
    assert marks.here.y[0] == pytest.approx(finished._state.curve.height(lr))


def test_markers_at_one_place_are_drawn_above_one_another(finished):
    finished._state.rules_shown = True
    auto = finished.suggestions["auto"]
    state = finished._state
    state.suggestions = {**state.suggestions, "minimum": auto, "valley": auto}
    marks = marks_of(finished)
    heights = sorted(marks.rules[rule].y[0] for rule in ("auto", "minimum", "valley"))
    total = marks.y_scale.max - marks.y_scale.min
    assert min(np.diff(heights)) > 0.03 * total
    assert marks.all().index(marks.rules["auto"]) > marks.all().index(marks.rules["valley"])


def test_discarded_figures_are_freed(finished):
    part(finished, "log-loss").value = True
    part(finished, "log-loss").value = False
    alive = len(_instances)
    for on in (True, False) * 3:
        part(finished, "log-loss").value = on
    assert len(_instances) == alive


@pytest.mark.parametrize(
    "ends", [(0.0, 1.0), (-1.0, 1.0), (1e-300, 1e300), (0.1, 0.1), (0.01, 0.01 * (1 + 1e-12))]
)
def test_a_zoom_that_loses_the_curve_is_reset(finished, ends):
    whole = span(finished)
    zoom(finished, *ends)
    assert span(finished) == whole
    assert finished.error is None
    zoom(finished, 2e-3, 2e-2)
    assert span(finished) == (2e-3, 2e-2)
