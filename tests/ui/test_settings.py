"""Sliders and fields: what is set, what is typed, what is refused."""

import numpy as np
import pytest

from lrwidget.ui.looks import colors as looks
from lrwidget.ui.words import text
from tests.ui.conftest import classes_of, marks_of, part


def controls_of(widget, name):
    """Return the slider and the field of a setting."""
    field, slider = part(widget, name).children
    return slider, field


@pytest.mark.parametrize(
    ("name", "moved", "reads"),
    [
        ("min-lr", 1e-3, "1.00e-3"),
        ("max-lr", 1e-1, "1.00e-1"),
        ("steps", 250, "250"),
        ("smoothing", 0.5, "0.5"),
    ],
)
def test_slider_sets_the_value_and_the_field_shows_it(make, name, moved, reads):
    widget = make()
    slider, field = controls_of(widget, name)
    slider.value = moved
    assert getattr(widget._state, name.replace("-", "_")) == pytest.approx(moved)
    assert field.value == reads


@pytest.mark.parametrize(
    ("name", "typed", "exact"),
    [
        ("min-lr", "0.00314", 0.00314),
        ("max-lr", "12345.6", 12345.6),
        ("min-lr", "1e-15", 1e-15),
        ("steps", "5000", 5000),
        ("smoothing", "0.123456", 0.123456),
        ("smoothing", "0.995", 0.995),
    ],
)
def test_typed_value_is_taken_exactly_even_beyond_the_slider(make, name, typed, exact):
    widget = make()
    controls_of(widget, name)[1].value = typed
    assert getattr(widget._state, name.replace("-", "_")) == exact
    assert part(widget, name).value == exact


@pytest.mark.parametrize(
    ("name", "typed"),
    [("min-lr", "abc"), ("max-lr", "-1"), ("steps", "2.5"), ("steps", "1"), ("smoothing", "1")],
)
def test_typed_text_that_does_not_fit_is_refused_aloud(make, name, typed):
    widget = make()
    field = controls_of(widget, name)[1]
    before = field.value
    field.value = typed
    assert field.value == before
    assert repr(typed) in part(widget, "status").value
    assert part(widget, "status").value.endswith(f"Kept {before}.")
    assert "lrw-error" in classes_of(part(widget, "status"))
    assert widget.status == "idle"


def test_settings_of_the_constructor_are_kept_exactly(make):
    widget = make(min_lr=1.5e-13, max_lr=1234.5, steps=3000, smoothing=0.991, stop_factor=np.inf)
    config = widget._state.config(widget._config)
    assert (config.min_lr, config.max_lr, config.steps) == (1.5e-13, 1234.5, 3000)
    assert config.stop_factor == np.inf
    assert widget._state.smoothing == 0.991


def test_settings_under_more_reach_the_test(make):
    widget = make()
    part(widget, "mode").value = "linear"
    part(widget, "sweeps").value = "2"
    part(widget, "stop-factor").value = "inf"
    widget.run(block=True)
    assert widget.result.config.mode == "linear"
    assert widget.result.sweep_losses.shape[0] == 2
    assert widget.result.config.stop_factor == np.inf


def test_more_shows_and_hides_the_rest(make):
    widget = make()
    assert part(widget, "rest").layout.display == "none"
    part(widget, "more").value = True
    assert part(widget, "rest").layout.display == "flex"


def test_smoothing_redraws_the_curve_without_a_new_test(finished, model):
    before = [np.array(each) for each in model.variables]
    smoothed = marks_of(finished).smoothed
    result, drawn = finished.result, smoothed.y.copy()
    controls_of(finished, "smoothing")[0].value = 0.9
    assert not np.array_equal(smoothed.y, drawn)
    assert np.array_equal(finished._state.curve.smoothed, result.smoothed(0.9))
    assert finished.result is result
    assert all(np.array_equal(new, old) for new, old in zip(model.variables, before, strict=True))


def test_every_control_has_a_tooltip_and_a_description(make):
    from ipywidgets import Button, Dropdown, Text, ToggleButton
    from ipywidgets.widgets.widget_float import _BoundedFloat
    from ipywidgets.widgets.widget_int import _BoundedInt

    from lrwidget.ui.views.tree import descendants

    kinds = (Button, ToggleButton, Dropdown, Text, _BoundedFloat, _BoundedInt)
    controls = [each for each in descendants(make()) if isinstance(each, kinds)]
    assert len(controls) > 15
    for control in controls:
        assert control.tooltip, control
        if not {"lrw-progress", "lrw-progress-compare"} & {*classes_of(control)}:
            assert control.description, control


def test_each_rule_of_the_core_has_a_shape_of_its_own():
    from lrwidget.core.curve.rules import RULES

    assert set(RULES) == set(looks.RULES)
    assert len({look.marker for look in looks.RULES.values()}) == len(looks.RULES)
    sheet = looks.style_sheet()
    assert all(f".{look.css_class}::before" in sheet for look in looks.RULES.values())


@pytest.mark.parametrize(
    ("lr", "reads"),
    [(0.0032, "3.20e-3"), (1.0, "1"), (1e-10, "1.00e-10"), (9.999, "10"), (1234.4, "1234")],
)
def test_learning_rates_read_the_same_everywhere(lr, reads):
    assert text.format_lr(lr) == reads
