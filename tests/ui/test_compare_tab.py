"""The Compare tab: variants, live curves, the ranking, and what is applied from it."""

import keras
import numpy as np
import pytest

from lrwidget import LRFinderWidget, LRWidgetError
from lrwidget.core.model.learning_rate import rate_value
from lrwidget.errors import BusyError
from lrwidget.schedules import OneCycle
from tests.ui.conftest import (
    classes_of,
    descendants,
    marks_of,
    new_data,
    new_model,
    part,
    slow_batches,
)

RATES = {"small": 1e-4, "good": 1e-2}


def new_widget(**settings):
    return LRFinderWidget(new_model(), new_data(), min_lr=1e-5, max_lr=1.0, seed=0, **settings)


def parts(widget, name):
    return [each for each in descendants(widget) if f"lrw-{name}" in classes_of(each)]


@pytest.fixture(scope="module")
def compared():
    widget = new_widget()
    before = [each.numpy() for each in widget._model.variables]
    widget.compare(RATES, steps=60, block=True)
    widget.model_before = before
    return widget


def test_the_ranking_names_the_best_and_the_worse_one(compared):
    assert compared.comparison.best == "good"
    table = part(compared, "ranking").value
    assert table.index("good") < table.index("small")
    assert "best" in part(compared, "compare-status").value


def test_the_model_is_what_it_was(compared):
    now = [each.numpy() for each in compared._model.variables]
    assert all(np.array_equal(a, b) for a, b in zip(compared.model_before, now, strict=True))
    assert compared.comparison.restored
    assert compared.status == "finished"


def test_a_curve_for_each_variant_once_the_tab_is_shown(compared):
    part(compared, "tabs").selected_index = 1
    curves = part(compared, "compare-curves").children[0].marks
    assert len(curves) == 2
    assert len({(line.colors[0], line.line_style) for line in curves}) == 2
    assert [len(line.x) for line in curves] == [len(run.losses) for run in compared.comparison.runs]


def test_the_range_test_carries_what_training_has_given(compared):
    compared.run(block=True)
    assert marks_of(compared).compared.x.size == 0
    compared.compare(RATES, steps=60, block=True)
    marks, scores = marks_of(compared), {r.name: r.score for r in compared.comparison.ranking}
    assert marks.compared.x.tolist() == list(RATES.values())
    curve = compared._state.curve
    assert marks.compared.y.tolist() == [curve.height(lr) for lr in RATES.values()]
    assert marks.scores.text.tolist() == [f"{scores[name]:.4g}" for name in RATES]
    assert "loss after training" in part(compared, "key").value


def test_apply_the_winner_sets_its_rate_and_undo_takes_it_back():
    widget = new_widget()
    widget.compare(RATES, steps=60, block=True)
    part(widget, "apply-winner").click()
    assert rate_value(widget._model.optimizer) == pytest.approx(1e-2)
    assert "now 0.01" in part(widget, "compare-status").value
    widget.undo()
    assert rate_value(widget._model.optimizer) == pytest.approx(1e-3)


def test_try_it_compares_the_pick_with_its_neighbors():
    widget = new_widget()
    widget.pick(0.01)
    widget._compare_state.set_number("steps", 20)
    part(widget, "try").click()
    assert widget.wait(60)
    assert part(widget, "tabs").selected_index == 1
    found = sorted(run.lrs[0] for run in widget.comparison.runs)
    np.testing.assert_allclose(found, [0.0025, 0.005, 0.01, 0.02, 0.04])


def test_the_plan_under_apply_as_is_what_is_tried():
    widget = new_widget()
    widget.pick(0.01)
    widget.plan("one-cycle", epochs=5, batches=20)
    part(widget, "add-pick").click()
    widget.compare(steps=40, block=True)
    (run,) = widget.comparison.runs
    expected = np.asarray(OneCycle(0.01, 40)(np.arange(40)))
    np.testing.assert_allclose(run.lrs, expected, rtol=1e-5)
    widget.apply_winner()
    assert isinstance(widget._state.changes[-1].current, OneCycle)


def test_variants_are_typed_renamed_and_removed():
    widget = new_widget()
    for typed in ("1e-3", "2e-3", "1e-3"):
        part(widget, "add-lr").value = typed
    rows = parts(widget, "variant")
    assert names_on_show(widget) == ["1.00e-3", "2.00e-3", "1.00e-3 (2)"]
    rows[1].children[1].value = "twice"
    parts(widget, "variant")[0].children[3].click()
    assert names_on_show(widget) == ["twice", "1.00e-3 (2)"]
    part(widget, "add-lr").value = "3e-3"
    assert parts(widget, "variant") == rows
    assert names_on_show(widget) == ["twice", "1.00e-3 (2)", "3.00e-3"]
    rows[0].children[1].value = "3.00e-3"
    assert names_on_show(widget) == ["twice", "1.00e-3 (2)", "3.00e-3"]


def names_on_show(widget):
    rows = [row for row in parts(widget, "variant") if row.layout.display != "none"]
    return [row.children[1].value for row in rows]


@pytest.mark.parametrize("typed", ["-1", "many", "nan"])
def test_a_rate_that_cannot_be_used_is_refused_in_words(typed):
    widget = new_widget()
    part(widget, "add-lr").value = typed
    assert not parts(widget, "variant")
    assert "lrw-error" in classes_of(part(widget, "compare-status"))


def test_names_with_html_are_text():
    widget = new_widget()
    widget.compare({"<img src=x onerror=alert(1)>": 0.01}, steps=10, block=True)
    assert "<img" not in part(widget, "ranking").value


def test_nothing_to_compare_is_an_error():
    with pytest.raises(LRWidgetError, match="add at least one"):
        new_widget().compare(steps=10)


def test_one_worker_for_both_tabs_and_stop_ends_a_comparison():
    model = new_model()
    before = [each.numpy() for each in model.variables]
    widget = LRFinderWidget(model, slow_batches(), seed=0, min_lr=1e-5, max_lr=1.0)
    widget.compare(RATES, steps=1000)
    with pytest.raises(BusyError):
        widget.compare(RATES, steps=10)
    with pytest.raises(BusyError):
        widget.run()
    with pytest.raises(BusyError):
        model.fit(*new_data())
    part(widget, "compare-stop").click()
    assert widget.wait(30)
    assert widget.status == "stopped"
    assert {run.stop_reason for run in widget.comparison.runs} == {"stopped"}
    now = [each.numpy() for each in model.variables]
    assert all(np.array_equal(a, b) for a, b in zip(before, now, strict=True))


def test_an_error_in_the_data_is_shown_on_the_tab():
    def broken():
        raise RuntimeError("shard 3 is missing")
        yield

    widget = LRFinderWidget(new_model(), broken, min_lr=1e-5, max_lr=1.0)
    with pytest.raises(RuntimeError, match="shard 3"):
        widget.compare(RATES, steps=10, block=True)
    assert widget.status == "failed"
    assert "shard 3 is missing" in part(widget, "compare-status").value


def test_a_winner_with_another_optimizer_says_how_to_use_it():
    widget = new_widget()
    widget.compare({"sgd": keras.optimizers.SGD(0.1)}, steps=10, block=True)
    with pytest.raises(LRWidgetError, match="Compile the model"):
        widget.apply_winner()


def test_closing_during_a_comparison_restores_the_model():
    model = new_model()
    before = [each.numpy() for each in model.variables]
    widget = LRFinderWidget(model, slow_batches(), min_lr=1e-5, max_lr=1.0)
    widget.compare(RATES, steps=1000)
    widget.close()
    now = [each.numpy() for each in model.variables]
    assert all(np.array_equal(a, b) for a, b in zip(before, now, strict=True))


def test_a_doubtful_suggestion_is_checked_by_training_and_the_answer_picked():
    labels = np.random.default_rng(1).integers(0, 3, 640)
    widget = LRFinderWidget(new_model(), (new_data()[0], labels), seed=0, min_lr=1e-5, max_lr=1.0)
    widget.run(block=True)
    auto = widget.suggestions["auto"]
    assert not auto.reliable
    assert auto.lr is not None
    assert "about" in part(widget, "check").description
    part(widget, "check").click()
    assert widget.wait(60)
    assert part(widget, "tabs").selected_index == 1
    best = widget.comparison.runs[
        [run.name for run in widget.comparison.runs].index(widget.comparison.best)
    ].lrs[0]
    assert widget.picked_lr == pytest.approx(np.sqrt(best * auto.lr), rel=1e-6)
    assert "Picked" in part(widget, "compare-status").value


def test_a_clear_suggestion_needs_no_check():
    widget = new_widget()
    widget.run(block=True)
    assert widget.suggestions["auto"].reliable
    assert part(widget, "check").layout.display == "none"
