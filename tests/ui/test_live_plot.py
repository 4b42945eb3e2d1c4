"""LRMonitor draws a fit on one figure as it runs: in a notebook, ten times a second at most."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

from lrwidget.ui.monitor import live_plot, monitor
from lrwidget.ui.monitor.live_plot import LivePlot
from lrwidget.ui.monitor.monitor import LRMonitor


@pytest.fixture
def shown(monkeypatch):
    """The figures that a notebook would show."""
    figures = []
    monkeypatch.setattr(monitor, "in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda view: figures.append(view.children[-1]))
    return figures


def fit(callback, epochs=2, batches=8, **options):
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.25), "mse")
    x = np.linspace(0.0, 1.0, batches)[:, None]
    settings = {"batch_size": 1, "verbose": 0, "epochs": epochs}
    return model.fit(x, x, callbacks=[callback], **(settings | options))


def lines(figure):
    """The marks of a figure by what they show: epochs, LR, loss, validation."""
    return figure.marks


def test_a_fit_shows_one_figure_with_all_its_steps(shown):
    callback = LRMonitor(live=True)
    fit(callback)
    assert len(shown) == 1
    _, lr, loss, _ = lines(shown[0])
    assert loss.x.tolist() == list(range(1, 17))
    assert loss.y == pytest.approx(callback.losses)
    assert lr.y.tolist() == [0.25] * 16
    assert loss.scales["y"] is not lr.scales["y"]
    assert loss.scales["x"] is lr.scales["x"]
    assert {axis.side for axis in shown[0].axes} == {"left", "right", "bottom"}


def test_epochs_are_marked_and_validation_losses_are_points(shown):
    history = fit(LRMonitor(live=True), validation_split=0.25).history
    marks, _, _, points = lines(shown[0])
    assert marks.x.tolist() == [6.0] * 3 + [12.0] * 3
    assert marks.y[:2].tolist() == [0.0, 1.0]
    assert np.isnan(marks.y[2])
    assert points.x.tolist() == [6.0, 12.0]
    assert points.y == pytest.approx(history["val_loss"])


class SlowSteps(keras.callbacks.Callback):
    """Steps that take 30 ms, by a clock that stands still otherwise."""

    now = 0.0

    def on_train_batch_end(self, batch, logs=None):
        self.now += 0.03


def steps_drawn(monkeypatch, batches, lengths):
    """Fit, each drawing taking one of `lengths`, the last for all that follow; return the steps."""
    clock, drawn = SlowSteps(), []
    monkeypatch.setattr(monitor.time, "monotonic", lambda: clock.now)

    def draw(plot, lrs, losses, over):
        clock.now += lengths[min(len(drawn), len(lengths) - 1)]
        drawn.append(len(lrs))

    monkeypatch.setattr(LivePlot, "draw", draw)
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.ones((batches, 1))
    model.fit(x, x, batch_size=1, verbose=0, callbacks=[LRMonitor(live=True), clock])
    return drawn


def test_it_draws_at_most_ten_times_a_second_and_once_more_at_the_end(shown, monkeypatch):
    assert steps_drawn(monkeypatch, 22, [0.0]) == [4, 8, 12, 16, 20, 22]


def test_drawings_that_take_long_are_made_less_often(shown, monkeypatch):
    drawn = steps_drawn(monkeypatch, 500, [0.01])
    assert 0.01 * len(drawn) < 0.015 * 500 * 0.03


@pytest.mark.parametrize("lengths", [[0.5, 0.0], [0.0, 0.0, 0.5, 0.0]])
def test_one_drawing_that_takes_long_holds_up_no_other(shown, monkeypatch, lengths):
    drawn = steps_drawn(monkeypatch, 100, lengths)
    assert np.diff(drawn).max() * 0.03 < 1.1


def test_every_fit_of_one_monitor_has_a_figure_of_its_own(shown):
    callback = LRMonitor(live=True)
    fit(callback, epochs=1)
    fit(callback, epochs=1)
    assert len(shown) == 2
    assert len(lines(shown[1])[2].x) == 16


@pytest.mark.parametrize("live", [False, True])
def test_without_live_or_outside_of_a_notebook_nothing_is_shown(live, monkeypatch):
    figures = []
    monkeypatch.setattr(monitor, "in_notebook", lambda: not live)
    monkeypatch.setattr("IPython.display.display", figures.append)
    callback = LRMonitor(live=live)
    fit(callback)
    assert figures == []
    assert len(callback.losses) == 16


def test_a_monitor_that_does_not_draw_loads_no_widget_library():
    code = (
        "import sys, lrwidget.ui.monitor.monitor as m; m.LRMonitor(live=True);"
        "print(sorted({'bqplot', 'ipywidgets'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_long_fits_are_drawn_with_a_thousand_points_at_most():
    plot = LivePlot()
    losses = np.sin(np.arange(12_345.0))
    plot.draw(np.full(12_345, 0.1), losses)
    _, lr, loss, _ = lines(plot.figure)
    assert 900 < len(loss.x) == len(loss.y) == len(lr.y) <= live_plot.MAX_POINTS
    assert loss.y[0] == pytest.approx(losses[:13].mean())
    assert lr.y == pytest.approx(np.full(len(lr.y), 0.1))


def test_losses_that_are_not_finite_leave_a_gap_and_spikes_are_cut_off():
    plot = LivePlot()
    losses = np.array([2.0, np.nan, np.inf, 1.5] + [1.0] * 400 + [1e30])
    plot.draw(np.full(len(losses), 0.1), losses)
    loss = lines(plot.figure)[2]
    assert np.isnan(loss.y[1:3]).all()
    assert np.isfinite(loss.y[3:]).all()
    assert loss.scales["y"].max < 3.0
    assert loss.y.dtype == np.float64


@pytest.mark.parametrize("losses", [[], [np.nan], [0.0], [5.0, 5.0]])
def test_any_losses_can_be_drawn(losses):
    plot = LivePlot()
    plot.draw(np.zeros(len(losses)), np.array(losses, dtype=float))
    for scale in (mark.scales["y"] for mark in lines(plot.figure)):
        assert scale.min < scale.max


def test_the_axes_move_now_and_then_and_leave_no_room_at_the_end():
    plot = LivePlot()
    losses = 1 + 1 / np.arange(1.0, 201.0)
    ends = []
    for count in range(100, 201):
        plot.draw(np.full(count, 0.1), losses[:count])
        loss = lines(plot.figure)[2]
        ends.append(loss.scales["x"].max)
        assert loss.scales["x"].max >= count
        assert loss.scales["y"].min < losses[:count].min()
        assert plot.figure.axes[0].tick_values.max() <= ends[-1]
    assert 1 < len(set(ends)) < 8
    plot.draw(np.full(200, 0.1), losses, over=True)
    assert 200 < loss.scales["x"].max < 210
    assert 0.1 < lines(plot.figure)[1].scales["y"].max < 0.11


def test_a_drawing_of_some_more_steps_moves_nothing_but_the_two_lines():
    plot = LivePlot()
    plot.mark_epoch(80, 1.5)
    moved = []

    def draw(count):
        plot.draw(np.full(count, 0.1), 1 + 1 / np.arange(1.0, count + 1))

    draw(100)
    parts = [*plot.figure.marks, *plot.figure.axes]
    scales = {id(scale): scale for mark in plot.figure.marks for scale in mark.scales.values()}
    for each in [*parts, *scales.values()]:
        each.observe(lambda change: moved.append(change.owner))
    draw(105)
    assert {id(each) for each in moved} == {id(each) for each in lines(plot.figure)[1:3]}
