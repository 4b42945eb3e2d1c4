"""What the widget's Python methods refuse, and that the message names what was passed."""

import re

import keras
import numpy as np
import pytest

from lrwidget import LRFinderWidget
from lrwidget.errors import BusyError, ConfigError, LRWidgetError, ModelError
from tests.ui.conftest import new_data, new_model, part, slow_batches, wait_for


class Unprintable:
    def __repr__(self):
        raise ValueError


@pytest.fixture(scope="module")
def model():
    """One model for all tests, whose step is traced only once."""
    return new_model()


@pytest.fixture
def widget(make):
    return make()


@pytest.fixture(scope="module")
def tried(model):
    """A widget that has run and of which nothing is picked."""
    widget = LRFinderWidget(model, new_data(), min_lr=1e-5, max_lr=10.0, steps=20)
    widget.run(block=True)
    yield widget
    widget.close()


WRONG = {
    "text": ("abc", "'abc'"),
    "number as text": ("1e-3", "'1e-3'"),
    "list": ([1e-3], "[0.001]"),
    "array": (np.array([1e-3, 1e-2]), "array"),
    "truth": (True, "True"),
    "complex": (1j, "1j"),
    "nan": (float("nan"), "nan"),
    "numpy's nan": (np.float32("nan"), "nan"),
    "dict": ({}, "{}"),
    "unprintable": (Unprintable(), "Unprintable"),
    "long text": ("x" * 100_000, "'xxx"),
}


@pytest.fixture(params=WRONG)
def wrong(request):
    return WRONG[request.param]


@pytest.mark.parametrize("act", ["pick", "wait", "show", "plan", "epochs"])
def test_wrong_values_are_refused_by_name(tried, act, wrong):
    value, named = wrong
    calls = {"epochs": lambda value: tried.plan("one-cycle", epochs=value)}
    with pytest.raises(ConfigError, match=re.escape(named)) as caught:
        calls.get(act, lambda value: getattr(tried, act)(value))(value)
    assert len(str(caught.value)) < 1000
    assert tried.picked_lr is None


@pytest.mark.parametrize("block", ["yes", 1, None, np.array([True])])
def test_run_takes_only_true_and_false(widget, block):
    with pytest.raises(ConfigError, match="`block` must be True or False"):
        widget.run(block=block)
    assert widget.status == "idle"


@pytest.mark.parametrize("timeout", [-1, -0.1, float("nan")])
def test_wait_takes_no_negative_time(widget, timeout):
    with pytest.raises(ConfigError, match="`timeout`"):
        widget.wait(timeout)


@pytest.mark.parametrize("timeout", [0, np.float32(0.01), np.int64(0), 0.01])
def test_wait_takes_numbers_of_any_kind(make, timeout):
    widget = make(slow_batches(), steps=400)
    widget.run()
    assert not widget.wait(timeout)
    widget.stop()
    assert widget.wait(float("inf"))


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_numpy_numbers_are_picked_with_the_digits_that_they_show(widget, model, kind):
    widget.pick(kind(0.001))
    assert widget.picked_lr == float(str(kind(0.001)))
    widget.picked_lr = kind(0.002)
    assert widget.picked_lr == float(str(kind(0.002)))
    widget.apply()
    assert type(widget.picked_lr) is float
    assert float(model.optimizer.learning_rate) == pytest.approx(0.002, rel=1e-3)


def test_numpy_numbers_make_a_widget_that_runs(model):
    widget = LRFinderWidget(
        model,
        new_data(),
        min_lr=np.float32(1e-5),
        max_lr=np.float64(1e-2),
        steps=np.int64(20),
        smoothing=np.float32(0.25),
        stop_factor=np.float32(4),
    )
    widget.run(block=np.bool_(True))
    assert len(widget.result.lrs) == 20
    widget.plan("one-cycle", epochs=np.int32(3), batches=np.int64(20))
    widget.close()


@pytest.mark.parametrize("value", ["abc", [1], True, -1.0, 0.0, np.array([1.0])])
def test_assigned_picks_are_checked_like_picks(widget, value):
    with pytest.raises(ConfigError, match="`lr` must be"):
        widget.picked_lr = value
    assert widget.picked_lr is None


@pytest.mark.parametrize("smoothing", ["much", None, True, 1.0, -0.1, float("nan"), [0.2]])
def test_smoothing_is_named_where_it_cannot_be_used(model, smoothing):
    with pytest.raises(ConfigError, match="`smoothing` must be"):
        LRFinderWidget(model, new_data(), smoothing=smoothing)


@pytest.mark.parametrize(
    "wrong_model", [None, "model", 3, keras.Model, new_data, keras.layers.Dense(1)]
)
def test_what_is_no_model_is_refused_at_once(wrong_model):
    with pytest.raises(ModelError, match=r"`model` must be a keras\.Model; got"):
        LRFinderWidget(wrong_model, new_data())


def test_model_of_keras_2_is_named_as_such():
    kind = type("Sequential", (), {"__module__": "tf_keras.src.engine.sequential"})
    with pytest.raises(ModelError, match="Keras 2"):
        LRFinderWidget(kind(), new_data())


@pytest.mark.parametrize("optimizer", ["adam", keras.optimizers.Adam, 1e-3])
def test_what_is_no_optimizer_is_refused_at_once(model, optimizer):
    with pytest.raises(ConfigError, match="`optimizer` must be"):
        LRFinderWidget(model, new_data(), optimizer=optimizer)


@pytest.mark.parametrize("data", [None, 3, "data.csv", []])
def test_what_is_no_data_is_refused_when_the_test_starts_and_shown(make, model, data):
    before = [np.array(each) for each in model.variables]
    widget = LRFinderWidget(model, data)
    with pytest.raises(LRWidgetError) as caught:
        widget.run(block=True)
    assert widget.status == "failed"
    assert part(widget, "status").value == str(caught.value)
    assert all(np.array_equal(new, old) for new, old in zip(model.variables, before, strict=True))
    widget.close()


def test_apply_and_undo_during_a_test_say_what_to_do(make, model):
    widget = make(slow_batches(), steps=400)
    widget.pick(1e-3)
    widget.apply()
    widget.run()
    wait_for(lambda: len(widget._state.curve) > 1)
    widget.pick(2e-3)
    for act, name in ((widget.apply, "Apply"), (widget.undo, "Undo")):
        with pytest.raises(BusyError, match=rf"{name} has to wait.*`wait\(\)` or `stop\(\)`"):
            act()
    widget.stop()
    widget.wait()
    widget.pick(2e-3)
    widget.apply()
    assert float(model.optimizer.learning_rate) == pytest.approx(2e-3)
