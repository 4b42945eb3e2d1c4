"""The history of a widget: every run stays, with its name, and can be saved and loaded."""

import csv
import dataclasses

import numpy as np
import pytest

from lrwidget import LRWidgetError, RangeTestResult
from lrwidget.core.curve.ladder import format_lr
from lrwidget.core.model.learning_rate import rate_value
from lrwidget.core.model.restored import Restored
from lrwidget.ui.state.suggested import Suggested
from lrwidget.ui.views.tree import descendants
from tests.ui.conftest import classes_of, marks_of, part, slow_batches


@pytest.fixture
def two_runs(finished, tmp_path, monkeypatch):
    """A widget after two runs of different lengths, in an empty folder, with its list open."""
    monkeypatch.chdir(tmp_path)
    part(finished, "steps").children[0].value = "40"
    finished.run(block=True)
    part(finished, "history-toggle").value = True
    return finished


def rows(widget):
    """The rows of the list, the newest run first."""
    return [each for each in descendants(widget) if "lrw-past-run" in classes_of(each)]


def control(row, name):
    (found,) = [each for each in descendants(row) if f"lrw-{name}" in classes_of(each)]
    return found


def test_every_run_is_listed_with_its_settings_and_stays_in_python(two_runs):
    assert [run.name for run in two_runs.history] == ["Run 1", "Run 2"]
    assert two_runs.history[-1].result is two_runs.result
    assert len(rows(two_runs)) == 2
    newest, oldest = (control(row, "what").value for row in rows(two_runs))
    assert f"{len(two_runs.history[1].result.lrs)} steps: suggested" in newest
    assert f"{len(two_runs.history[0].result.lrs)} steps: suggested" in oldest


def test_an_earlier_curve_is_hidden_shown_and_removed(two_runs):
    earlier, first = marks_of(two_runs).earlier, two_runs.history[0].result
    np.testing.assert_array_equal(earlier.x, first.lrs)
    shown = rows(two_runs)[1].children[1]
    shown.value = False
    assert earlier.x.size == 0
    shown.value = True
    np.testing.assert_array_equal(earlier.x, first.lrs)
    control(rows(two_runs)[1], "remove").click()
    assert earlier.x.size == 0
    assert [run.name for run in two_runs.history] == ["Run 2"]
    assert control(rows(two_runs)[0], "remove").disabled


def test_a_run_gets_a_name_that_no_other_has(two_runs):
    name = rows(two_runs)[1].children[2]
    name.value = "wide"
    assert [run.name for run in two_runs.history] == ["wide", "Run 2"]
    name.value = "Run 2"
    assert name.value == "wide"
    assert "Another run is called 'Run 2'" in part(two_runs, "answer").value


def test_a_curve_is_saved_in_four_formats_and_no_file_is_replaced(two_runs, tmp_path):
    newest = rows(two_runs)[0]
    for kind in ("png", "svg", "csv", "json", "json"):
        control(newest, f"save-{kind}").click()
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "range-test-run-2-2.json",
        "range-test-run-2.csv",
        "range-test-run-2.json",
        "range-test-run-2.png",
        "range-test-run-2.svg",
    ]
    assert part(two_runs, "answer").value == f"Saved range-test-run-2-2.json in {tmp_path}."
    assert (tmp_path / "range-test-run-2.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "range-test-run-2.svg").read_text()
    with (tmp_path / "range-test-run-2.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in table] == two_runs.result.losses.tolist()
    saved = RangeTestResult.load(tmp_path / "range-test-run-2.json")
    assert saved.losses.tolist() == two_runs.result.losses.tolist()


def test_a_saved_run_is_loaded_into_another_widget(two_runs, make, tmp_path):
    two_runs.history[0].result.save(tmp_path / "range-test-wide.json")
    other = make()
    part(other, "history-toggle").value = True
    part(other, "load").value = "range-test-wide.json"
    (run,) = other.history
    assert run.name == "wide"
    assert run.result.losses.tolist() == two_runs.history[0].result.losses.tolist()
    np.testing.assert_array_equal(marks_of(other).earlier.x, run.result.lrs)
    part(other, "load").value = "missing.json"
    assert "missing.json" in part(other, "answer").value
    assert len(other.history) == 1


def test_old_runs_are_drawn_only_on_demand(finished):
    for _ in range(6):
        finished.run(block=True)
    assert [run.is_shown for run in finished.history] == [False, *[True] * 6]
    assert len(marks_of(finished).earlier.x) == 5
    finished._state.history.show(1, True)
    assert len(marks_of(finished).earlier.x) == 6


def test_a_new_widget_of_the_model_takes_over_from_the_older_one(finished, make, model):
    assert part(finished, "older").layout.display == "none"
    finished.pick(1e-2)
    finished.apply()
    first = finished.history[0].result
    newer = make()
    assert part(newer, "older").layout.display == "flex"
    part(newer, "take-over").click()
    assert part(newer, "older").layout.display == "none"
    assert newer.history[0].result is first
    assert newer.picked_lr == 1e-2
    with pytest.raises(LRWidgetError, match="closed"):
        finished.run()
    newer.undo()
    assert rate_value(model.optimizer) == pytest.approx(1e-3)


def test_a_widget_whose_test_runs_is_not_taken_over(make):
    older = make(slow_batches(), steps=400)
    older.run()
    newer = make()
    part(newer, "take-over").click()
    assert "A test of the older widget is running" in part(newer, "status").value
    assert older.status == "running"
    older.stop()
    older.wait()


def test_an_overlay_runs_one_test_for_each_value(finished, model):
    before = [each.numpy() for each in model.variables]
    part(finished, "overlay-change").value = "weight_decay"
    part(finished, "overlay-values").value = "0, 0.5"
    part(finished, "overlay-run").click()
    finished.wait()
    names = [run.name for run in finished.history]
    assert names == ["Run 1", "weight_decay=0", "weight_decay=0.5"]
    low, high = (run.result for run in finished.history[1:])
    assert low.lrs[0] == high.lrs[0] == finished.history[0].result.lrs[0]
    assert not np.array_equal(low.losses[:20], high.losses[:20])
    assert finished.result is finished.history[0].result  # Apply is for the model as it is
    assert marks_of(finished).earlier.x.shape[0] == 2
    answer = part(finished, "status").value
    for run in finished.history[1:]:
        assert f"{run.name}: {format_lr(run.result.suggest().lr)}" in answer
    after = [each.numpy() for each in model.variables]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert model.optimizer.weight_decay is None


@pytest.mark.parametrize(
    ("change", "values", "said"),
    [
        ("weight_decay", "none", "is not a number"),
        ("batch_size", "1.5", "is not a whole number"),
        ("optimizer", "Sgdd", "is no optimizer of Keras"),
        ("momentum", "0.9", "unknown changes"),
        ("weight_decay", " ", "Type the values of weight_decay"),
    ],
)
def test_values_that_cannot_be_varied_are_refused(finished, change, values, said):
    part(finished, "overlay-change").value = change
    part(finished, "overlay-values").value = values
    part(finished, "overlay-run").click()
    assert said in part(finished, "answer").value
    assert len(finished.history) == 1


def test_an_overlay_says_if_a_test_has_changed_the_model(finished):
    changed = dataclasses.replace(finished.result, restored=Restored("before", "after"))
    suggested = Suggested.of(changed)
    finished._state.finish_overlay({"a": changed}, {"a": suggested, "": suggested}, changed)
    assert "The range test changed the model" in part(finished, "status").value
