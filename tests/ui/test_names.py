"""Names that a user gives to metrics, rules, errors and attributes are text, whatever they hold."""

import json
import warnings

import keras
import pytest
from comm import DummyComm
from IPython.core.interactiveshell import InteractiveShell
from ipywidgets import Label

from lrwidget.core.curve.rules import register_rule, unregister_rule
from lrwidget.ui.finder.tree import descendants
from lrwidget.ui.state.suggested import Suggested
from lrwidget.ui.words import text
from tests.ui.conftest import classes_of, new_data, new_model, part
from tests.ui.test_traffic import MOST, RangeTestConfig, result_of

HOSTILE = {
    "html": "<img src=x onerror=alert(1)>",
    "script": "</script><script>alert(1)</script>",
    "formula": "err_$_low_to_$_high",
    "broken formula": r"$\x$",
    "lone surrogate": "half \ud800 pair",
    "long": "very " * 20_000,
    "control": "bell\x07 null\x00 escape\x1b[31m",
    "direction": "abc\u202edcba",
    "lines": "one\ntwo\u2028three",
    "letters without a glyph": "损失",
}


@pytest.fixture(params=HOSTILE)
def name(request):
    return HOSTILE[request.param]


@pytest.fixture
def sent(monkeypatch):
    """Collect what is sent to the browser, as the strict JSON that it has to be."""
    messages = []

    def publish(_comm, _kind, data=None, metadata=None, buffers=None, **_keys):
        said = json.dumps(data, ensure_ascii=False, allow_nan=False).encode("utf-8")
        messages.append(said)

    monkeypatch.setattr(DummyComm, "publish_msg", publish)
    return messages


def display(widget):
    """Return what IPython shows of a widget, by MIME type."""
    return InteractiveShell.instance().display_formatter.format(widget)[0]


def assert_plain(said):
    assert not any(ord(char) < 32 and char != "\n" for char in said)
    assert "\ud800" not in said
    assert "\u202e" not in said
    assert len(said) < 12_000


def test_metric_of_any_name_is_shown_and_displayed(make, sent, name):
    widget = make()
    config = RangeTestConfig(min_lr=1e-5, max_lr=1.0, steps=60)
    result = result_of(config)
    result.metrics[name] = result.losses / 2
    del result.metrics["accuracy"]
    widget._state.begin(config)
    widget._state.finish(result, Suggested.of(result))
    before = len(sent)
    widget.show(name)
    widget.pick(1e-3)
    assert sum(map(len, sent[before:])) < MOST
    axis = part(widget, "plot").axes[1]
    assert axis.label == text.name_of(name)
    assert_plain(axis.label)
    assert_plain(part(widget, "status").value)
    labels = [label for label, _name in part(widget, "show").options]
    assert labels == ["loss", axis.label]
    shown = display(widget)
    assert {"application/vnd.jupyter.widget-view+json", "image/png"} <= set(shown)


def test_metric_of_a_real_model_may_be_called_a_broken_formula():
    model = new_model()
    accuracy = keras.metrics.SparseCategoricalAccuracy(name="err_$_low_to_$_high")
    model.compile("adam", model.loss, metrics=[accuracy])
    from lrwidget import LRFinderWidget

    widget = LRFinderWidget(model, new_data(), steps=20, min_lr=1e-5)
    widget.run(block=True)
    widget.show("err_$_low_to_$_high")
    assert "image/png" in display(widget)
    axes = widget.result.plot(show="err_$_low_to_$_high")
    axes.figure.canvas.draw()
    assert axes.get_ylabel() == "err_$_low_to_$_high"
    widget.close()


def test_rule_of_any_name_has_a_button_that_can_be_read(make, sent, name):
    register_rule(name, lambda lrs, losses: None)
    try:
        widget = make()
        widget.run(block=True)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert "application/vnd.jupyter.widget-view+json" in display(widget)
    finally:
        unregister_rule(name)
    buttons = [each for each in descendants(widget) if "lrw-rule" in classes_of(each)]
    assert buttons[-1].description.startswith(text.plain_name(name))
    for said in (buttons[-1].description, buttons[-1].tooltip, part(widget, "said").value):
        assert_plain(said)
    assert max(map(len, sent)) < MOST


def test_error_of_any_name_and_message_is_shown_as_text(make, sent, name):
    kind = type(name.replace("\x00", "").replace("\ud800", ""), (Exception,), {})

    def batches():
        raise kind(name)
        yield

    widget = make(batches)
    with pytest.raises(kind):
        widget.run(block=True)
    said = part(widget, "status").value
    assert widget.status == "failed"
    assert_plain(said)
    assert max(map(len, sent)) < MOST


def test_error_that_cannot_even_be_printed_is_shown_by_its_name(make):
    class UnreadableError(Exception):
        def __str__(self):
            raise ValueError

    def batches():
        raise UnreadableError
        yield

    widget = make(batches)
    with pytest.raises(UnreadableError):
        widget.run(block=True)
    assert part(widget, "status").value == "UnreadableError: no message"


def test_typed_text_that_is_refused_is_cut_and_shown_as_text(make, name):
    widget = make()
    part(widget, "picked").value = name
    assert_plain(part(widget, "status").value)
    assert len(part(widget, "status").value) <= 10 * text.LONGEST_MESSAGE


def test_no_label_lets_the_page_typeset_formulas(make):
    widget = make()
    for name in ("status", "cursor", "said", "problem"):
        label = part(widget, name)
        assert isinstance(label, Label)
        assert {"mathjax_ignore", "tex2jax_ignore"} <= set(classes_of(label))


ATTRIBUTES = ["my opt; import os", "class", "_hidden", "ﬁt_opt", "a.b", "", "<b>", "\ud800"]


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_attribute_that_is_no_public_name_does_not_reach_the_code(make, model, attribute):
    second = keras.optimizers.SGD()
    setattr(model, attribute, second)
    widget = make(optimizer=second)
    widget.pick(1e-3)
    assert widget.code.splitlines()[-1] == (
        "lrwidget.apply_lr(model, 0.001, optimizer)"
        "  # `optimizer` is the one that was passed to the widget"
    )
    exec(widget.code, {"model": model, "optimizer": second})
    assert float(second.learning_rate) == pytest.approx(1e-3)


class HostileKey(str):
    def __repr__(self):
        return "0]; import os; x[0"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("it's \" quoted; import os", True),
        ("line\nbreak", True),
        ("\ud800", True),
        (7, True),
        (HostileKey("key"), False),
        (("a", 1), False),
    ],
)
def test_key_of_a_dict_reaches_the_code_only_as_a_quoted_value(make, model, key, expected):
    second = keras.optimizers.SGD()
    vars(model)["kept"] = {key: second}
    widget = make(optimizer=second)
    widget.pick(1e-3)
    assert (f"model.kept[{key!r}])" in widget.code) == expected
    exec(widget.code, {"model": model, "optimizer": second})
    assert float(second.learning_rate) == pytest.approx(1e-3)


def test_code_names_public_attributes_for_the_compiled_and_the_other_optimizer(make, model):
    model.other = keras.optimizers.SGD()
    for optimizer, expected in ((model.optimizer, "model.optimizer"), (model.other, "model.other")):
        widget = make(optimizer=optimizer)
        widget.pick(1e-3)
        assert widget.code.endswith(f"lrwidget.apply_lr(model, 0.001, {expected})")
