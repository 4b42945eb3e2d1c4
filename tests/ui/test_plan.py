"""Apply as: the schedules, their numbers, the second pick and the preview."""

import time

import numpy as np
import pytest

from lrwidget import LRFinderWidget, schedules, suggest_bounds
from lrwidget.core.schedules.rates import rates_at
from lrwidget.errors import ConfigError
from lrwidget.ui.looks import axis
from lrwidget.ui.plan.plan import Plan
from lrwidget.ui.plan.recipes import NUMBERS, RECIPES
from lrwidget.ui.views.tree import descendants
from lrwidget.ui.words.text import format_lr
from tests.ui.conftest import code_on_show, marks_of, new_data, new_model, part, slow_batches

BATCHES = 20  # 640 samples in batches of 32
TARGETS = ("constant", "one_cycle")
SCHEDULES = [kind for kind, recipe in RECIPES.items() if recipe.schedule]


@pytest.fixture(scope="module")
def tested():
    """A widget after a test, for all that leaves the curve alone."""
    widget = LRFinderWidget(new_model(), new_data(), min_lr=1e-5, max_lr=10.0, steps=60, seed=0)
    widget.run(block=True)
    yield widget
    widget.close()


@pytest.fixture
def picked(tested):
    """The same with a pick and nothing planned; nothing stays applied."""
    tested.plan("constant")
    tested._state.plan = Plan(batches=BATCHES, found_low=suggest_bounds(tested.result).low)
    tested.pick(0.02)
    yield tested
    while tested._state.changes:
        tested.undo()


@pytest.fixture
def model(tested):
    return tested._model


def field(widget, name):
    return part(widget, f"plan-{name}")


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize(("epochs", "batches"), [(1, 1), (1, 500), (50, 1), (3, 7), (10, 25)])
def test_numbers_that_are_filled_in_peak_at_the_pick_and_end_below_it(kind, epochs, batches):
    plan = Plan().changed(kind=kind, epochs=epochs, batches=batches)
    lrs = rates_at("schedule", plan.learning_rate(0.02), np.arange(epochs * batches + 1))
    assert lrs.max() <= 0.02 * 1.001
    if epochs * batches >= 20:
        assert lrs.max() > (0.008 if kind == "cyclical, shrinking" else 0.018)
        assert lrs[-1] < 0.6 * lrs.max()


@pytest.mark.parametrize("kind", list(RECIPES))
def test_code_does_in_a_script_what_apply_does(picked, kind):
    picked.plan(kind)
    picked.apply()
    names = {"model": new_model()}
    assert code_on_show(picked) == picked.code
    exec(code_on_show(picked), names)
    steps = range(0, 10 * BATCHES + 20, 7)
    rate_of = [m.optimizer._learning_rate for m in (picked._model, names["model"])]
    applied, scripted = (
        [float(rate(step)) for step in steps] if callable(rate) else float(rate) for rate in rate_of
    )
    assert type(rate_of[0]) is type(rate_of[1])
    assert applied == scripted


@pytest.mark.parametrize("kind", SCHEDULES)
def test_preview_is_the_schedule_over_all_steps(picked, kind):
    part(picked, "kind").value = kind
    (line,) = part(picked, "preview").children[0].marks
    schedule = picked._state.plan.learning_rate(0.02)
    assert line.x[-1] == 10 * BATCHES
    each = [float(schedule(int(step))) for step in line.x[::20]]
    np.testing.assert_allclose(line.y[::20], each, rtol=1e-6)


@pytest.mark.parametrize("half", [2, 23.5, 47, 100])
def test_preview_of_many_cycles_reaches_their_ends(picked, half):
    picked.plan("triangular", epochs=10, batches=1875, low_lr=0.01, step_size=half)
    (line,) = part(picked, "preview").children[0].marks
    assert len(line.x) < 1000
    for stretch in np.array_split(line.y, 10):
        assert stretch.min() < 0.0106
        assert stretch.max() > 0.0194
    picked.plan("constant", batches=BATCHES)


@pytest.mark.parametrize("kind", SCHEDULES)
def test_longest_plan_can_be_drawn(picked, kind):
    picked.plan(kind, epochs=1000, batches=2_000_000)
    (line,) = part(picked, "preview").children[0].marks
    assert part(picked, "problem").value == ""
    assert np.isfinite(line.y).all()
    assert line.x[-1] == 2e9
    picked.plan("constant", batches=BATCHES)


def test_details_open_only_for_a_schedule(picked):
    panel = part(picked, "plan")
    assert panel.layout.display == "none"
    part(picked, "kind").value = "one-cycle"
    assert panel.layout.display == "flex"
    part(picked, "kind").value = "constant"
    assert panel.layout.display == "none"


def test_fields_on_show_are_those_of_the_schedule(picked):
    for kind in SCHEDULES:
        part(picked, "kind").value = kind
        shown = {
            name
            for name in NUMBERS
            if field(picked, name.replace("_", "-")).layout.display != "none"
        }
        assert shown == set(RECIPES[kind].numbers)


def test_epochs_and_the_size_of_the_data_fill_the_numbers_in(picked):
    part(picked, "kind").value = "one-cycle"
    assert field(picked, "batches").value == str(BATCHES)
    assert field(picked, "total-steps").value == str(10 * BATCHES)
    field(picked, "epochs").value = "4"
    assert field(picked, "total-steps").value == str(4 * BATCHES)
    assert f"total_steps={4 * BATCHES}," in code_on_show(picked)


def test_number_that_is_typed_stays_until_the_length_changes(picked):
    picked.plan("one-cycle")
    field(picked, "start-divisor").value = "10"
    picked.pick(0.05)
    assert picked._state.plan.arguments(0.05)["start_divisor"] == 10.0
    field(picked, "total-steps").value = "150"
    part(picked, "kind").value = "constant"
    part(picked, "kind").value = "one-cycle"
    assert field(picked, "start-divisor").value == "10"
    assert field(picked, "total-steps").value == "150"
    field(picked, "epochs").value = "3"
    assert field(picked, "start-divisor").value == "10"
    assert field(picked, "total-steps").value == str(3 * BATCHES)
    field(picked, "start-divisor").value = ""
    assert field(picked, "start-divisor").value == "25"


def test_next_test_on_the_same_data_keeps_the_numbers_that_were_typed(make):
    widget = make(new_data(), steps=5)
    widget.run(block=True)
    part(widget, "kind").value = "one-cycle"
    field(widget, "total-steps").value = "150"
    widget.run(block=True)
    assert field(widget, "total-steps").value == "150"


def test_plan_from_python_fills_in_what_it_does_not_name(picked):
    picked.plan("one-cycle", total_steps=150, start_divisor=10.0)
    picked.plan("one-cycle", end_divisor=50.0)
    arguments = picked._state.plan.arguments(0.02)
    assert arguments["total_steps"] == 10 * BATCHES
    assert (arguments["start_divisor"], arguments["end_divisor"]) == (25.0, 50.0)


@pytest.mark.parametrize(("name", "typed"), [("warmup-share", "1"), ("end-divisor", "0.5")])
def test_number_that_does_not_fit_is_refused_aloud(picked, name, typed):
    picked.plan("one-cycle")
    control = field(picked, name.replace("share", "fraction"))
    before = control.value
    control.value = typed
    assert control.value == before
    assert repr(typed) in part(picked, "status").value


def test_refused_number_is_told_until_one_is_taken(picked):
    picked.plan("one-cycle")
    said = part(picked, "status").value
    field(picked, "epochs").value = "inf"
    assert "'inf' is not a whole number" in part(picked, "status").value
    field(picked, "epochs").value = "7"
    assert part(picked, "status").value == said
    assert picked.error is None


def test_apply_right_after_a_refused_number_waits_for_a_second_press(picked, model):
    picked.plan("one-cycle")
    field(picked, "warmup-fraction").value = "40%"
    part(picked, "apply").click()
    assert "'40%' is not" in part(picked, "status").value
    assert "Nothing was applied" in part(picked, "status").value
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-3)
    part(picked, "apply").click()
    assert isinstance(model.optimizer._learning_rate, schedules.OneCycle)


def test_refused_number_is_told_while_a_test_runs(make):
    widget = make(slow_batches(0.005), steps=200)
    widget.run()
    part(widget, "kind").value = "one-cycle"
    field(widget, "epochs").value = "many"
    deadline = time.monotonic() + 30
    while widget._state.progress < 0.5 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "'many' is not" in part(widget, "status").value
    widget.stop()
    widget.wait()


def test_error_of_apply_disappears_once_its_cause_is_fixed(picked):
    picked.plan("triangular", low_lr=0.03)
    part(picked, "apply").click()
    assert "must be below" in part(picked, "status").value
    field(picked, "low-lr").value = "0.003"
    assert picked.error is None
    assert "must be below" not in part(picked, "status").value


def test_undo_after_a_new_compile_says_so_and_can_be_used_again():
    model = new_model()
    widget = LRFinderWidget(model, new_data())
    widget.pick(0.02)
    widget.apply()
    model.compile("sgd", "mse")
    part(widget, "undo").click()
    assert "compiled again" in part(widget, "status").value
    assert part(widget, "undo").disabled
    widget.close()


def test_lower_end_is_where_the_loss_begins_to_fall_until_it_is_chosen(picked):
    found = suggest_bounds(picked.result).low
    picked.plan("triangular")
    assert picked._state.low_lr == found
    picked.pick(0.04)
    assert field(picked, "low-lr").value == format_lr(found)
    picked.pick(found / 2)
    assert picked._state.low_lr == found / 8
    picked.pick(0.08)
    field(picked, "low-lr").value = "0.003"
    picked.pick(0.04)
    assert picked._state.low_lr == 0.003
    assert marks_of(picked).low_line.x.tolist() == [0.003, 0.003]


def test_lower_end_is_picked_on_the_plot_and_the_next_click_is_for_the_pick_again(picked):
    picked.plan("triangular")
    assert part(picked, "aim").description == "Pick lower LR on plot"
    part(picked, "aim").value = True
    assert part(picked, "aim").description == "Click plot to set lower LR"
    columns = axis.hit_columns(picked.result.config.ladder(), axis.LOG)
    hits = marks_of(picked).hits
    hits._handle_custom_msgs(hits, {"event": "element_click", "data": {"index": 0}})
    assert picked._state.low_lr == picked.result.lrs[0] == pytest.approx(columns[0])
    assert picked.picked_lr == 0.02
    assert not part(picked, "aim").value
    assert part(picked, "aim").description == "Pick lower LR on plot"
    hits._handle_custom_msgs(hits, {"event": "element_click", "data": {"index": 0}})
    assert picked.picked_lr == picked.result.lrs[0]


def test_lower_end_can_be_typed_first_and_emptied_again(picked):
    picked._state.picked_lr = None
    picked.plan("triangular")
    field(picked, "low-lr").value = "0.003"
    assert field(picked, "low-lr").value == "3.00e-3"
    picked.pick(0.02)
    assert picked._state.low_lr == 0.003
    field(picked, "low-lr").value = ""
    assert picked._state.low_lr == suggest_bounds(picked.result).low


def test_aim_for_the_lower_end_goes_where_that_is_typed_or_a_test_starts(make):
    widget = make(new_data(), steps=5)
    widget.plan("triangular")
    part(widget, "aim").value = True
    field(widget, "low-lr").value = "0.003"
    assert not part(widget, "aim").value
    part(widget, "aim").value = True
    widget.run(block=True)
    assert not part(widget, "aim").value


def test_sentence_about_one_kind_goes_with_it(picked):
    constant = picked.result.suggest("auto", "constant").lr
    picked.pick(constant)
    part(picked, "kind").value = "one-cycle"
    assert "for one-cycle over 200 steps. Your pick is still" in part(picked, "status").value
    part(picked, "kind").value = "constant"
    assert part(picked, "status").value.startswith(f"Picked {format_lr(constant)}")


def test_lower_end_above_the_pick_is_told_and_not_applied(picked, model):
    picked.plan("triangular", low_lr=0.03)
    assert "must be below" in part(picked, "problem").value
    assert code_on_show(picked) == ""
    with pytest.raises(ConfigError, match=r"3\.00e-2 and 2\.00e-2"):
        picked.apply()
    part(picked, "apply").click()
    assert "must be below" in part(picked, "status").value
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-3)


def test_schedule_is_applied_and_taken_back(picked, model):
    picked.plan("one-cycle", epochs=2)
    part(picked, "apply").click()
    assert isinstance(model.optimizer._learning_rate, schedules.OneCycle)
    assert part(picked, "status").value == (
        "Learning rate was 1.00e-3, now OneCycle. Now call model.fit(..., batch_size=32, epochs=2)."
    )
    assert part(picked, "apply").button_style == ""
    field(picked, "epochs").value = "5"
    assert part(picked, "apply").button_style == "primary"
    part(picked, "undo").click()
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-3)


def test_schedule_on_an_optimizer_that_has_trained_says_where_it_goes_on():
    model = new_model()
    model.fit(*new_data(), verbose=0)
    widget = LRFinderWidget(model, new_data())
    widget.pick(0.02)
    widget.plan("one-cycle", batches=BATCHES)
    widget.apply()
    assert "has done 20 steps; the schedule starts at its step 0" in part(widget, "status").value
    widget.close()


def test_data_of_unknown_size_asks_for_it(make):
    widget = make(slow_batches(0.001), steps=30)
    widget.run(block=True)
    widget.pick(0.02)
    part(widget, "kind").value = "one-cycle"
    assert field(widget, "batches").value == ""
    assert "Enter the batches per epoch" in part(widget, "problem").value
    assert field(widget, "warmup-fraction").value == "0.25"
    with pytest.raises(ConfigError, match="does not report its length"):
        widget.apply()
    field(widget, "batches").value = "12"
    assert part(widget, "problem").value == ""
    assert "total_steps=120," in widget.code


def test_plan_refuses_what_it_does_not_know(picked):
    before = picked._state.plan
    with pytest.raises(ConfigError, match="'one-cycle'"):
        picked.plan("sawtooth")
    with pytest.raises(ConfigError, match="takes no `gamma`"):
        picked.plan("one-cycle", gamma=0.9)
    with pytest.raises(ConfigError, match="from 1 to 2147483647; got 0"):
        picked.plan("one-cycle", epochs=0)
    with pytest.raises(ConfigError, match="2147483647 training steps"):
        picked.plan("one-cycle", epochs=10**9)
    with pytest.raises(ConfigError, match="up to 1; got 2"):
        picked.plan("cyclical, shrinking", gamma=2)
    assert picked._state.plan == before


def test_every_schedule_of_ours_is_a_public_one():
    ours = [RECIPES[kind] for kind in SCHEDULES if RECIPES[kind].home == "lrwidget.schedules"]
    assert len(ours) >= 5
    assert all(recipe.schedule in schedules.__all__ for recipe in ours)


def test_step_divides_the_rate_by_ten_twice(picked):
    picked.plan("step", epochs=3, batches=100)
    schedule = picked._state.plan.learning_rate(0.02)
    rates = [float(schedule(step)) for step in (0, 99, 100, 199, 200, 299)]
    assert rates == pytest.approx([0.02, 0.02, 0.002, 0.002, 0.0002, 0.0002])


def test_piecewise_drops_after_half_and_after_three_quarters(picked):
    picked.plan("piecewise", epochs=4, batches=100, drop_factor=0.5)
    schedule = picked._state.plan.learning_rate(0.02)
    rates = [float(schedule(step)) for step in (0, 200, 201, 300, 301, 400)]
    assert rates == pytest.approx([0.02, 0.02, 0.01, 0.01, 0.005, 0.005])


def test_drops_in_the_wrong_order_are_said_in_the_preview_and_by_apply(picked):
    picked.plan("piecewise", first_drop=50, second_drop=40)
    assert "must come after the first" in part(picked, "problem").value
    part(picked, "apply").click()
    assert "must come after the first" in part(picked, "answer").value


def test_one_primary_button_with_a_schedule(picked):
    picked.plan("triangular2")
    primary = [
        each.description
        for each in descendants(picked)
        if getattr(each, "button_style", "") == "primary"
    ]
    assert primary == ["Apply"]


def test_suggestions_are_for_what_the_pick_is_applied_as(picked):
    constant, peak = (picked.result.suggest("auto", target).lr for target in TARGETS)
    assert peak != constant
    picked.pick(constant)
    picked.plan("one-cycle")
    assert picked.suggestions["auto"].lr == peak
    assert marks_of(picked).rules["auto"].x.tolist() == [peak]
    assert picked.picked_lr == constant
    assert f"auto suggests {format_lr(peak)}" in part(picked, "status").value
    picked.plan("constant")
    assert picked.suggestions["auto"].lr == constant


def auto_of(widget, target="constant", steps=None):
    return widget.result.suggest("auto", target, train_steps=steps).lr


def test_auto_is_for_the_length_of_the_planned_schedule(finished):
    assert finished.suggestions["auto"].lr == auto_of(finished)
    finished.plan("one-cycle", epochs=30)
    assert finished.suggestions["auto"].lr == auto_of(finished, "one_cycle", 30 * 20)
    field(finished, "epochs").value = "100"
    shorter, longer = auto_of(finished, "one_cycle"), auto_of(finished, "one_cycle", 100 * 20)
    assert finished.suggestions["auto"].lr == longer < shorter
    others = {name: found for name, found in finished.suggestions.items() if name != "auto"}
    assert others == {name: finished.result.suggestions()[name] for name in others}
    finished.plan("constant")
    assert finished.suggestions["auto"].lr == auto_of(finished)


def test_longer_plan_after_a_pick_of_auto_says_what_auto_suggests_now(finished):
    finished.plan("one-cycle", epochs=10)
    finished.pick(finished.suggestions["auto"].lr)
    field(finished, "epochs").value = "100"
    said = part(finished, "status").value
    assert said.startswith(f"auto suggests {format_lr(auto_of(finished, 'one_cycle', 2000))} for")
    assert "one-cycle over 2000 steps" in said
    assert finished.picked_lr == auto_of(finished, "one_cycle", 200)


def test_length_of_the_training_can_be_passed(make):
    widget = make(train_steps=3990)
    widget.run(block=True)
    assert widget.suggestions["auto"].lr == auto_of(widget, steps=3990) < auto_of(widget)
    widget.plan("one-cycle")
    assert field(widget, "epochs").value == "200"  # of 20 batches
    field(widget, "epochs").value = "20"
    widget.run(block=True)
    assert field(widget, "epochs").value == "20"


def test_length_of_the_training_holds_where_the_batches_per_epoch_are_unknown(make):
    widget = make(slow_batches(0), train_steps=5000)
    widget.run(block=True)
    widget.plan("one-cycle")
    assert widget.suggestions["auto"].lr == auto_of(widget, "one_cycle", 5000)


@pytest.mark.parametrize("train_steps", [0, -1, 2.5, "many", np.nan, True])
def test_length_of_the_training_that_is_no_count_is_refused(make, train_steps):
    with pytest.raises(ConfigError, match="train_steps"):
        make(train_steps=train_steps)


def test_a_lower_end_above_the_pick_is_refused_and_the_old_one_stays(picked):
    picked.plan("triangular", epochs=10)
    low = picked._state.low_lr
    field(picked, "low-lr").value = "0.9"
    assert picked._state.low_lr == low
    assert "The lower LR must be below the picked one" in part(picked, "answer").value
    part(picked, "aim").value = True
    hits = marks_of(picked).hits
    last = {"event": "element_click", "data": {"index": len(hits.x) - 1}}
    hits._handle_custom_msgs(hits, last)
    assert picked._state.low_lr == low
    field(picked, "low-lr").value = "1e-4"
    assert picked._state.low_lr == 1e-4
