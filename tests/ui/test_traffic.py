"""What is sent to the browser stays small however long a test is, and shows all there is to see."""

import json
import time

import numpy as np
import pytest
from comm import DummyComm

from lrwidget.core.model.restored import Restored
from lrwidget.core.range_test.growing_curve import Update
from lrwidget.core.range_test.result import RangeTestResult
from lrwidget.core.range_test.settings import RangeTestConfig
from lrwidget.ui.finder.pace import REST, AtMostEvery
from lrwidget.ui.looks.axis import LOG
from lrwidget.ui.state.drawn_curve import smooth_for_display
from lrwidget.ui.state.suggested import Suggested
from lrwidget.ui.views.thinning import COLUMNS, shown_points
from tests.ui.conftest import marks_of
from tests.ui.test_pick import click_column

MOST = 40_000
LONG = (1_000, 10_000, 100_000)


class Traffic:
    """Counts the bytes of all messages to the browser."""

    def __init__(self):
        self.bytes = 0

    def publish_msg(self, _comm, _kind, data=None, metadata=None, buffers=None, **_keys):
        self.bytes += len(json.dumps(data)) + sum(len(bytes(each)) for each in buffers or ())

    def of(self, act):
        """Return how many bytes were sent by what `act` did."""
        self.bytes = 0
        act()
        return self.bytes


@pytest.fixture
def traffic(monkeypatch):
    counted = Traffic()
    monkeypatch.setattr(
        DummyComm, "publish_msg", lambda *args, **keys: counted.publish_msg(*args, **keys)
    )
    return counted


def losses_of(lrs):
    noise = np.random.default_rng(0).normal(size=len(lrs))
    return 2.3 - 2.0 / (1 + (1e-3 / lrs) ** 2) + 0.1 * noise


def update_of(config, step):
    lrs = config.ladder()[:step]
    losses = losses_of(lrs)
    return Update(step, config.steps, lrs, losses, 1e3, 0, 3, {"accuracy": losses / 3})


def result_of(config, sweeps=3):
    lrs = config.ladder()
    losses = losses_of(lrs)
    rows = np.stack([losses + 0.05 * np.sin(each + lrs) for each in range(sweeps)])
    nothing = np.full(rows.shape, np.nan)
    same = Restored("0", "0")
    return RangeTestResult(
        lrs, losses, rows, {"accuracy": losses / 3}, "finished", config, same, nothing[0], nothing
    )


@pytest.mark.parametrize("steps", LONG)
@pytest.mark.parametrize("mode", ["exponential", "linear"])
def test_no_redraw_sends_more_than_forty_kilobytes(make, traffic, steps, mode):
    widget = make(min_lr=1e-2, max_lr=0.1, mode=mode)
    state = widget._state
    config = RangeTestConfig(min_lr=1e-6, max_lr=1.0, steps=steps, mode=mode, sweeps=3)
    result = result_of(config)
    for _ in range(6):
        assert traffic.of(lambda: state.begin(config)) < MOST
        assert traffic.of(lambda: state.advance(update_of(config, steps // 2))) < MOST
        assert traffic.of(lambda: state.finish(result, Suggested())) < MOST
    assert traffic.of(lambda: state.set_setting("smoothing", 0.5)) < MOST
    assert traffic.of(lambda: widget.show("accuracy")) < MOST
    assert traffic.of(lambda: widget.pick(1e-3)) < MOST


@pytest.mark.parametrize("steps", LONG)
def test_click_on_a_long_curve_picks_the_nearest_of_all_its_learning_rates(make, steps):
    widget = make()
    config = RangeTestConfig(min_lr=1e-6, max_lr=1.0, steps=steps)
    widget._state.begin(config)
    widget._state.finish(result_of(config), Suggested())
    lrs, columns = config.ladder(), marks_of(widget).hits.x
    assert len(columns) <= 500
    for column in range(0, len(columns), 50):
        click_column(widget, column)
        assert widget.picked_lr == lrs[np.argmin(np.abs(np.log(lrs / columns[column])))]


def test_spike_of_one_step_in_a_hundred_thousand_is_drawn(make):
    widget = make()
    config = RangeTestConfig(min_lr=1e-6, max_lr=1.0, steps=100_000)
    up, down = config.ladder()[[51_234, 71_234]]
    update = update_of(config, 90_000)
    update.losses[51_234], update.losses[71_234] = 9.0, -4.0
    widget._state.begin(config)
    widget._state.advance(update)
    raw = marks_of(widget).raw
    assert raw.y[raw.x == up].tolist() == [9.0]
    assert raw.y[raw.x == down].tolist() == [-4.0]
    assert raw.x[[0, -1]].tolist() == update.lrs[[0, -1]].tolist()


def test_short_curves_are_drawn_point_by_point():
    lrs = np.geomspace(1e-6, 1.0, 2 * COLUMNS)
    assert len(shown_points(LOG.fractions(lrs, 1e-6, 1.0), lrs, COLUMNS)) == len(lrs)


def test_points_shown_are_in_order_and_hold_the_extremes_of_every_column():
    lrs = np.geomspace(1e-6, 1.0, 5_000)
    values = losses_of(lrs)
    kept = shown_points(LOG.fractions(lrs, 1e-6, 1.0), values, 100)
    assert (np.diff(kept) > 0).all()
    assert len(kept) <= 202
    for start in range(0, 5_000, 50):
        part = values[start : start + 50]
        assert {start + part.argmin(), start + part.argmax()} <= set(kept)


@pytest.mark.parametrize("n", [4_097, 10_000, 100_001])
def test_long_curves_are_smoothed_as_whole_ones_are(n):
    lrs = np.geomspace(1e-6, 1.0, n)
    clean = 2.3 - 2.0 / (1 + (1e-3 / lrs) ** 2)
    smoothed = smooth_for_display(losses_of(lrs), 0.25)
    assert smoothed.shape == (n,)
    assert np.abs(smoothed - clean).max() < 0.1
    np.testing.assert_array_equal(smooth_for_display(clean, 0.0), clean)


def test_redraws_that_take_long_are_made_less_often():
    begun = []

    def redraw(_update):
        begun.append(time.monotonic())
        time.sleep(0.03)

    slow = AtMostEvery(0.01, redraw)
    while len(begun) < 4:
        slow(None)
    assert min(np.diff(begun)) >= 0.03 * REST
