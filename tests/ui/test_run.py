"""Run, Stop, wait and close, pressed in-process."""

import contextvars
import threading
import time

import ipywidgets
import keras
import numpy as np
import pytest
import tensorflow as tf

from lrwidget import LRFinderWidget
from lrwidget.core.data import reader
from lrwidget.errors import BusyError
from lrwidget.ui.finder import runner
from lrwidget.ui.finder.pace import AtMostEvery
from lrwidget.ui.views.tree import descendants
from tests.ui.conftest import (
    classes_of,
    line_points,
    marks_of,
    new_data,
    new_model,
    part,
    slow_batches,
    wait_for,
    worker_threads,
)


def values(model):
    """Return a copy of the weights and of all that the optimizer remembers."""
    return [np.array(each) for each in (*model.variables, *model.optimizer.variables)]


def assert_unchanged(model, before):
    after = values(model)
    assert all(np.array_equal(new, old) for new, old in zip(after, before, strict=True))


def test_run_button_measures_a_curve_and_shows_it(make):
    widget = make()
    part(widget, "run").click()
    assert widget.wait()
    assert widget.status in ("finished", "diverged")
    assert line_points(widget) == [len(widget.result.lrs)] * 2
    assert widget.error is None


def test_every_suggestion_is_on_its_button_and_on_the_plot(finished):
    buttons = [each for each in descendants(finished) if "lrw-rule" in classes_of(each)]
    markers = list(marks_of(finished).rules.values())
    assert [marker.x.size for marker in markers] == [1, *[0] * (len(markers) - 1)]
    part(finished, "all-rules").value = True
    assert part(finished, "rules").layout.display is None
    assert len(buttons) == len(markers) == len(finished.suggestions) >= 4
    for button, marker, suggestion in zip(
        buttons, markers, finished.suggestions.values(), strict=True
    ):
        assert button.disabled == (suggestion.lr is None)
        assert marker.x.tolist() == ([] if suggestion.lr is None else [suggestion.lr])
    assert len({marker.marker for marker in markers}) == len(markers)


def test_curve_grows_while_the_test_runs(make):
    widget = make(slow_batches())
    widget.run()
    seen = set()
    while not widget.wait(0.05):
        seen.add(line_points(widget)[1])
    assert len(seen) >= 4


def test_plot_is_redrawn_at_most_ten_times_a_second(make):
    widget = make(slow_batches(0.005), steps=200, max_lr=1e-3)
    times = []
    marks_of(widget).smoothed.observe(lambda _change: times.append(time.monotonic()), "y")
    widget.run(block=True)
    live = times[1:-1]
    assert len(live) >= 3
    assert min(np.diff(live)) > 0.09


def test_updates_that_come_too_soon_are_left_out():
    passed = []
    slow = AtMostEvery(0.1, passed.append)
    start = time.monotonic()
    while time.monotonic() - start < 0.35:
        slow(None)
    assert len(passed) == 4


def test_stop_in_the_middle_restores_the_model(make, model):
    model.optimizer.build(model.trainable_variables)
    before = values(model)
    widget = make(slow_batches(), steps=400)
    part(widget, "run").click()
    wait_for(lambda: len(widget._state.curve) > 5)
    start = time.monotonic()
    part(widget, "stop").click()
    assert widget.status in ("stopping", "stopped")
    assert widget.wait(10)
    assert time.monotonic() - start < 1.0
    assert widget.status == "stopped"
    assert 5 < len(widget.result.lrs) < 400
    assert "Stopped after" in part(widget, "status").value
    assert_unchanged(model, before)


def test_stop_without_a_test_does_nothing(finished):
    status, sentence = finished.status, part(finished, "status").value
    finished.stop()
    assert (finished.status, part(finished, "status").value) == (status, sentence)


def test_statuses_are_observable_in_order(make):
    widget = make()
    seen = []
    widget.observe(lambda change: seen.append(change.new), "status")
    widget.run(block=True)
    assert seen == ["running", widget.status]


def test_observer_of_the_end_sees_a_complete_widget_and_may_run_again(make):
    widget = make()
    seen = []

    def again(change):
        if change.new in ("finished", "diverged"):
            seen.append((len(widget.result.lrs), dict(widget.suggestions)))
            if len(seen) == 1:
                widget.run()

    widget.observe(again, "status")
    widget.run()
    wait_for(lambda: len(seen) == 2)
    assert all(points and suggestions for points, suggestions in seen)


def test_second_run_during_a_test_is_refused_and_changes_nothing(make):
    widget = make(slow_batches(), steps=400)
    widget.run()
    with pytest.raises(BusyError, match="running already"):
        widget.run()
    part(widget, "run").click()
    assert widget.status == "running"
    assert widget.error is None
    assert part(widget, "run").disabled


def test_many_clicks_at_once_start_one_test(make):
    widget = make(slow_batches(), steps=400)
    refused = []

    def click():
        try:
            widget.run()
        except BusyError as error:
            refused.append(error)

    threads = [threading.Thread(target=click) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 5


def test_fit_during_a_test_is_refused(make, model):
    widget = make(slow_batches(), steps=400)
    widget.run()
    wait_for(lambda: len(widget._state.curve) > 1)
    with pytest.raises(BusyError):
        model.fit(*new_data(), verbose=0)


def test_keyboard_interrupt_stops_the_test_and_restores_the_model(make, model, interrupts):
    model.optimizer.build(model.trainable_variables)
    before = values(model)
    widget = make(slow_batches(), steps=400)
    interrupts.once(lambda: len(widget._state.curve) > 2)
    with pytest.raises(KeyboardInterrupt):
        widget.run(block=True)
    assert widget.status == "stopped"
    assert_unchanged(model, before)


def test_interrupt_repeated_while_the_test_stops_waits_until_the_model_is_restored(
    make, model, interrupts
):
    model.optimizer.build(model.trainable_variables)
    before = values(model)
    widget = make(slow_batches(0.2), steps=400)
    interrupts.once(lambda: len(widget._state.curve) > 2)
    interrupts.once(lambda: widget.status == "stopping")
    with pytest.raises(KeyboardInterrupt):
        widget.run(block=True)
    assert widget.status == "stopped"
    assert_unchanged(model, before)
    assert not worker_threads()


def test_interrupt_in_wait_is_raised_after_the_model_is_restored(make, model, interrupts):
    model.optimizer.build(model.trainable_variables)
    before = values(model)
    widget = make(slow_batches(0.2), steps=400)
    widget.run()
    interrupts.once(lambda: len(widget._state.curve) > 2)
    with pytest.raises(KeyboardInterrupt):
        widget.wait()
    assert widget.status == "stopped"
    assert_unchanged(model, before)


@pytest.fixture
def blocking():
    """Return data that block after two batches, whether they do, and what lets them go on."""
    blocked, go_on = threading.Event(), threading.Event()
    inputs, labels = new_data()

    def batches():
        yield inputs[:32], labels[:32]
        yield inputs[32:64], labels[32:64]
        blocked.set()
        go_on.wait()

    yield batches, blocked, go_on
    go_on.set()
    wait_for(lambda: not [each for each in threading.enumerate() if each.name == "lrwidget data"])


def test_an_interrupt_ends_a_test_whose_data_block(make, model, interrupts, blocking, monkeypatch):
    monkeypatch.setattr(reader, "SECONDS_AFTER_STOP", 0.2)
    model.optimizer.build(model.trainable_variables)
    before = values(model)
    widget = make(blocking[0], max_lr=1e-3)
    interrupts.once(blocking[1].is_set)
    with pytest.raises(KeyboardInterrupt):
        widget.run(block=True)
    assert widget.status == "stopped"
    assert_unchanged(model, before)
    assert "gave no batch" in widget.result.notes[0]


def test_a_second_interrupt_after_a_while_leaves_a_test_that_does_not_end(interrupts, monkeypatch):
    monkeypatch.setattr(runner, "_PATIENCE_SECONDS", 0.3)
    inside, go_on = threading.Event(), threading.Event()

    class Hanging(keras.Sequential):
        def train_step(self, data):
            if tf.executing_eagerly():
                inside.set()
                go_on.wait()
            return super().train_step(data)

    model = Hanging([keras.Input((8,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    before = values(model)
    widget = LRFinderWidget(model, new_data())
    interrupts.once(inside.is_set)
    interrupts.once(lambda: widget.status == "stopping" and time.sleep(0.5) is None)
    with pytest.raises(KeyboardInterrupt) as raised:
        widget.run(block=True)
    assert "has not ended yet" in raised.value.__notes__[0]
    assert widget.status == "stopping"
    go_on.set()
    assert widget.wait(20)
    assert widget.status == "stopped"
    assert_unchanged(model, before)
    widget.close()


def test_wait_gives_up_after_its_timeout(make):
    widget = make(slow_batches(), steps=400)
    widget.run()
    assert not widget.wait(0.05)
    assert widget.status == "running"


def test_sliders_can_be_moved_while_the_test_runs(make):
    widget = make(slow_batches(0.005), steps=200, max_lr=1e-2)
    widget.run()
    smoothing = part(widget, "smoothing")
    moves = 0
    while not widget.wait(0.01):
        moves += 1
        smoothing.children[1].value = (moves % 90) / 100
    assert moves > 20
    assert widget.status == "finished"
    assert widget.error is None
    assert line_points(widget) == [200, 200]
    assert np.array_equal(widget._state.curve.smoothed, widget.result.smoothed(smoothing.value))


def test_close_stops_the_test_and_leaves_no_model_alive():
    before = set(ipywidgets.widgets.widget._instances)
    model = new_model()
    model.optimizer.build(model.trainable_variables)
    kept = values(model)
    widget = LRFinderWidget(model, slow_batches(), steps=400)
    widget.run()
    wait_for(lambda: len(widget._state.curve) > 1)
    made = set(ipywidgets.widgets.widget._instances) - before
    assert len(made) > 50
    widget.close()
    assert set(ipywidgets.widgets.widget._instances) == before
    assert_unchanged(model, kept)


def test_the_data_see_the_context_of_the_cell_that_pressed_run(make):
    setting = contextvars.ContextVar("setting", default="default")
    seen = []

    def data():
        inputs, labels = new_data()
        seen.append(setting.get())
        for start in range(0, 320, 32):
            yield inputs[start : start + 32], labels[start : start + 32]

    setting.set("of this cell")
    make(data=data).run(block=True)
    assert set(seen) == {"of this cell"}


def test_a_fit_right_after_run_is_refused():
    model = new_model()
    widget = LRFinderWidget(model, slow_batches(), min_lr=1e-5, max_lr=1.0)
    for _ in range(5):
        widget.run()
        with pytest.raises(BusyError):
            model.fit(*new_data(), verbose=0)
        widget.stop()
        widget.wait()
