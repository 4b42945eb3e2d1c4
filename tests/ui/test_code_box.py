"""The Python code for the pick: when it is shown, and that it is only text."""

import keras
import pytest

from lrwidget.errors import ConfigError, LRWidgetError
from lrwidget.ui.finder.widget import LRFinderWidget
from lrwidget.ui.plan.plan import Plan
from lrwidget.ui.views.tree import descendants
from tests.core.battery import compiled, features, labels
from tests.ui.conftest import code_on_show, part, slow_batches

CONSTANT = "import lrwidget\n\nlrwidget.apply_lr(model, 0.0123456789)"


def can_copy(widget):
    """Return whether the one Copy button can be pressed."""
    (button,) = part(widget, "code").value.split("<button")[1:]
    return " disabled " not in button.split(">")[0]


@pytest.fixture
def widget(make):
    return make()


def test_code_of_a_constant_is_shown_with_all_its_digits(widget):
    widget.pick(0.0123456789)
    assert code_on_show(widget) == widget.code == CONSTANT
    assert can_copy(widget)


@pytest.mark.parametrize("kind", ["constant", "one-cycle"])
def test_code_opens_and_closes_by_its_button_for_constants_and_schedules_alike(widget, kind):
    widget.pick(0.02)
    widget.plan(kind, batches=20)
    box, toggle = part(widget, "code"), part(widget, "code-toggle")
    assert box.layout.display == "none"
    toggle.value = True
    assert box.layout.display is None
    toggle.value = False
    assert box.layout.display == "none"


def test_code_stays_open_and_follows_the_pick(widget):
    part(widget, "code-toggle").value = True
    widget.pick(0.02)
    widget.apply()
    widget.pick(0.04)
    widget.undo()
    assert part(widget, "code").layout.display is None
    assert code_on_show(widget).endswith("lrwidget.apply_lr(model, 0.04)")


@pytest.mark.parametrize("kind", ["constant", "one-cycle"])
@pytest.mark.parametrize("held", ["alone", "in a list", "in a dict", "as the compiled one"])
def test_code_names_the_optimizer_where_the_model_holds_several(make, model, kind, held):
    second = keras.optimizers.SGD(0.1)
    model.second = {"in a list": [second], "in a dict": {"it": second}}.get(held, second)
    chosen = model.optimizer if held == "as the compiled one" else second
    widget = make(optimizer=chosen)
    widget.pick(0.02)
    widget.plan(kind, batches=20)
    exec(code_on_show(widget), {"model": model})
    rates = [float(each.learning_rate.numpy()) for each in (model.optimizer, second)]
    now = 0.02 if kind == "constant" else 0.02 / 25
    expected = [now, 0.1] if chosen is model.optimizer else [0.001, now]
    assert rates == pytest.approx(expected)


def test_code_says_where_the_learning_rate_was_passed_to_the_widget():
    model = compiled()
    data = features(), labels()
    widget = LRFinderWidget(model, data, learning_rate=model.optimizer.learning_rate)
    widget.pick(0.02)
    assert "apply_lr(model, 0.02, learning_rate=learning_rate)" in widget.code
    assert "`learning_rate` is the one that was passed to the widget" in widget.code


def test_apply_stays_the_one_primary_button_with_the_code_open(widget):
    part(widget, "code-toggle").value = True
    widget.pick(0.02)
    primary = [
        each.description
        for each in descendants(widget)
        if getattr(each, "button_style", "") == "primary"
    ]
    assert primary == ["Apply"]


def test_without_a_pick_there_is_nothing_to_copy_and_the_box_says_so(widget):
    assert "Pick a learning rate" in part(widget, "code").value
    assert code_on_show(widget) == ""
    assert not can_copy(widget)
    with pytest.raises(LRWidgetError, match="Nothing is picked"):
        widget.code  # noqa: B018


def test_schedule_that_cannot_be_made_shows_why_instead_of_code(make):
    widget = make(slow_batches())
    widget.pick(0.02)
    widget.plan("one-cycle")
    assert "Enter the batches per epoch" in part(widget, "code").value
    assert code_on_show(widget) == ""
    assert not can_copy(widget)


def test_next_test_takes_the_code_of_a_pick_outside_it_away(finished):
    finished.pick(100.0)
    finished.run(block=True)
    assert code_on_show(finished) == ""


def test_code_is_shown_as_text_whatever_it_contains(widget, monkeypatch):
    code = "model['<b>'] = \"&amp;\"  # </pre><script>alert(1)</script>"
    monkeypatch.setattr(Plan, "code", lambda *_: code)
    widget.pick(0.02)
    assert code_on_show(widget) == code
    assert "<script" not in part(widget, "code").value


def test_reason_is_shown_as_text_whatever_it_contains(widget, monkeypatch):
    def refuse(*_):
        raise ConfigError("<script>alert(1)</script>")

    monkeypatch.setattr(Plan, "code", refuse)
    widget.pick(0.02)
    assert "&lt;script&gt;" in part(widget, "code").value
    assert "<script" not in part(widget, "code").value
