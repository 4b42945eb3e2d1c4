"""Every error is shown in the widget, and Run is usable again, pressed in-process."""

import time

import keras
import numpy as np
import pytest

from lrwidget import LRFinderWidget
from lrwidget.core.curve.rules import register_rule, unregister_rule
from lrwidget.errors import ConfigError
from lrwidget.ui.views.tree import descendants
from tests.ui.conftest import classes_of, failing_batches, line_points, marks_of, new_data, part


def test_error_of_the_data_is_shown_and_run_is_usable_again(make, model):
    before = [np.array(each) for each in model.variables]
    widget = make(failing_batches)
    part(widget, "run").click()
    widget.wait()
    status = part(widget, "status")
    assert widget.status == "failed"
    assert "row 17 of shard 3 has no label" in status.value
    assert "lrw-error" in classes_of(status)
    assert "row 17" in str(widget.error)
    assert all(np.array_equal(new, old) for new, old in zip(model.variables, before, strict=True))
    assert not part(widget, "run").disabled
    assert part(widget, "run").button_style == "primary"


def test_blocking_run_raises_the_error_that_it_shows(make):
    widget = make(failing_batches)
    with pytest.raises(RuntimeError, match="row 17"):
        widget.run(block=True)
    assert "row 17" in part(widget, "status").value


def test_model_that_is_not_compiled_is_named_in_the_widget(make):
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)])
    widget = LRFinderWidget(model, new_data())
    part(widget, "run").click()
    assert widget.status == "failed"
    assert "model.compile(" in part(widget, "status").value
    assert part(widget, "hint").value == "The last run has no curve. Press Run to try again."
    with pytest.raises(ValueError, match="not compiled"):
        widget.run()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    widget.run(block=True)
    assert widget.error is None
    widget.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"min_lr": 1.0, "max_lr": 0.1}, "below `max_lr`"),
        ({"steps": 1}, "at least 2"),
        ({"smoothing": 1.5}, "1.5"),
        ({"mode": "cubic"}, "cubic"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_at_once(model, options, words):
    with pytest.raises(ConfigError, match=words):
        LRFinderWidget(model, new_data(), **options)


def test_range_that_is_upside_down_is_refused_at_run_with_its_numbers(make):
    widget = make()
    part(widget, "min-lr").children[0].value = "0.5"
    part(widget, "max-lr").children[0].value = "0.1"
    part(widget, "run").click()
    assert widget.status == "failed"
    assert "Min LR 0.5, Max LR 0.1" in part(widget, "status").value
    part(widget, "max-lr").children[0].value = "5.0"
    part(widget, "run").click()
    widget.wait()
    assert widget.status in ("finished", "diverged")
    assert widget.result.config.max_lr == 5.0


def test_rule_of_the_user_that_fails_is_shown_and_the_curve_stays(make):
    register_rule("broken", lambda lrs, losses: 1 / 0)
    try:
        widget = make()
        part(widget, "run").click()
        widget.wait()
    finally:
        unregister_rule("broken")
    assert widget.status == "failed"
    assert "ZeroDivisionError" in part(widget, "status").value
    assert len(widget.result.lrs) == line_points(widget)[0]


def test_rule_of_the_user_has_a_button_and_a_marker(make):
    register_rule("third", lambda lrs, losses: float(lrs[losses.argmin()] / 3))
    try:
        widget = make()
        widget.run(block=True)
    finally:
        unregister_rule("third")
    buttons = [each for each in descendants(widget) if "lrw-rule" in classes_of(each)]
    assert buttons[-1].description.startswith("third\n")
    part(widget, "all-rules").value = True
    assert marks_of(widget).rules["third"].x.tolist() == [widget.suggestions["third"].lr]


def test_data_that_fail_keep_the_measured_points_on_show(make):
    x, y = new_data()

    def batches():
        for index in range(60):
            if index == 30:
                raise OSError("the disk is gone")
            time.sleep(0.03)
            yield x[:8], y[:8]

    widget = make(batches)
    with pytest.raises(OSError, match="disk is gone"):
        widget.run(block=True)
    steps = len(widget._state.measured)
    assert steps >= 10
    assert len(marks_of(widget).smoothed.x) == steps
    assert part(widget, "status").value == (
        f"OSError: the disk is gone. That was after {steps} steps, which stay on show. "
        "Your model is unchanged."
    )
