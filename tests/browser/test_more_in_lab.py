"""What goes on beside a test, what else can be shown, and schedules, in JupyterLab."""

import re

import pytest
from playwright.sync_api import expect

from lrwidget.core.curve.ladder import format_lr
from tests.browser.test_widget_in_lab import SLOW, curve_of, finished, plot_area, run_to_the_end

__all__ = ["finished"]  # a fixture

FAST = "new_data(), min_lr=1e-5, max_lr=10.0, steps=60, seed=0"

REFUSED = """
from lrwidget import LRWidgetError, range_test
inputs, labels = new_data()
acts = {
    "fit": lambda: model.fit(inputs, labels, verbose=0),
    "train_on_batch": lambda: model.train_on_batch(inputs, labels),
    "predict": lambda: model.predict(inputs, verbose=0),
    "evaluate": lambda: model.evaluate(inputs, labels, verbose=0),
    "second range test": lambda: range_test(model, (inputs, labels), steps=5),
}

def outcomes():
    said = {}
    for name, act in acts.items():
        try:
            act()
            said[name] = "works"
        except LRWidgetError as error:
            said[name] = str(error)
    return said
"""

REFUSE_TO_COPY = """() => {
  document.execCommand = () => false;
  navigator.clipboard.writeText = () => Promise.reject(new Error("not allowed"));
}"""

COPY_AGAIN = "() => { delete document.execCommand; delete navigator.clipboard.writeText; }"

SHAPE = "part => [part.offsetLeft, part.offsetTop, part.offsetWidth, part.offsetHeight]"

BOTH = """
import ipywidgets
models = [new_model(), new_model()]
settings = {"min_lr": 1e-5, "max_lr": 10.0, "steps": 80, "seed": 0}
pair = [LRFinderWidget(each, slow_batches(0.005), **settings) for each in models]
widget = ipywidgets.VBox(pair)
"""


MAKE = """
from lrwidget import LRFinderWidget
from tests.ui.conftest import new_data, new_model
widget = LRFinderWidget(new_model(), new_data(), min_lr=1e-5, steps=20, seed=0)
widget.run(block=True)
"""


def test_the_model_is_refused_to_other_cells_during_a_test_and_works_after_it(show):
    notebook = show(SLOW)
    notebook.execute(REFUSED)
    notebook.find(".lrw-run").click()
    expect(notebook.find(".lrw-status")).to_contain_text("steps a second")
    during = notebook.ask("outcomes()")
    assert len(during) == 5
    for name, said in during.items():
        assert "a range test is running on this model" in said, name
        assert name.split()[-1] in said
    assert notebook.ask("widget.status") == "running"
    notebook.find(".lrw-stop").click()
    expect(notebook.find(".lrw-status")).to_contain_text("Your model is unchanged")
    after = notebook.ask("outcomes()")
    assert set(after.values()) == {"works"}


def test_two_widgets_on_two_models_run_side_by_side_and_both_finish(notebook):
    notebook.execute(BOTH)
    notebook.run_cell(1)
    runs = notebook.find(".lrw-run")
    expect(runs).to_have_count(2)
    for index in range(2):
        runs.nth(index).click()
    statuses = notebook.find(".lrw-status")
    for index in range(2):
        expect(statuses.nth(index)).to_contain_text("Your model is unchanged", timeout=30_000)
    curves = notebook.ask("[each.result.losses.tolist() for each in pair]")
    assert curves[0] == pytest.approx(curves[1], rel=1e-4)
    notebook.execute("[each.close() for each in pair]; widget.close()")


def test_accuracy_is_shown_instead_of_the_loss_without_training(show):
    notebook = show(FAST)
    expect(notebook.find(".lrw-show")).to_be_hidden()
    notebook.execute("model.compile('adam', model.loss, metrics=['accuracy'])")
    run_to_the_end(notebook)
    result = notebook.ask("id(widget.result)")
    drawn = curve_of(notebook).get_attribute("d")
    notebook.find(".lrw-show select").select_option("accuracy")
    expect(curve_of(notebook)).not_to_have_attribute("d", drawn)
    area = plot_area(notebook)
    notebook.page.mouse.move(area["x"] + 40, area["y"] + 80)
    expect(notebook.find(".lrw-cursor")).to_contain_text(re.compile(r"accuracy 0\.\d"))
    assert notebook.ask("id(widget.result)") == result


@pytest.fixture
def clipboard(notebook):
    """Return a function that reads the clipboard, which other tests may have written to."""
    context = notebook.page.context
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    notebook.page.evaluate("navigator.clipboard.writeText('')")
    yield lambda: notebook.page.evaluate("navigator.clipboard.readText()")
    context.clear_permissions()


@pytest.fixture
def no_copying(notebook):
    """A browser that lets no page write to the clipboard."""
    notebook.page.evaluate(REFUSE_TO_COPY)
    yield
    notebook.page.evaluate(COPY_AGAIN)


def test_copy_button_copies_exactly_the_code_by_mouse_and_by_keyboard(show, clipboard):
    notebook = show(FAST)
    toggle, copy = notebook.find(".lrw-code-toggle"), notebook.find(".lrw-copy")
    expect(copy).to_be_hidden()
    toggle.click()
    expect(copy).to_be_disabled()
    notebook.execute("widget.pick(0.0123456789)")
    copy.click()
    expect(copy).to_have_text("Copied")
    assert clipboard() == notebook.ask("widget.code")
    notebook.execute("widget.pick(0.02)")
    expect(copy).to_have_text("Copy")
    toggle.focus()
    notebook.page.keyboard.press("Tab")
    notebook.page.keyboard.press("Enter")
    expect(copy).to_have_text("Copied")
    assert clipboard() == notebook.ask("widget.code")
    assert notebook.page.get_by_role("button", name="Copied", exact=True).count() == 1


def test_copy_that_is_refused_says_so_and_leaves_the_code_selected(show, clipboard, no_copying):
    notebook = show(FAST)
    notebook.find(".lrw-code-toggle").click()
    notebook.execute("widget.pick(0.0123456789)")
    copy = notebook.find(".lrw-copy:enabled")
    before = copy.evaluate(SHAPE)
    copy.click()
    expect(copy).to_have_text("Press Ctrl+C")
    assert copy.evaluate(SHAPE) == before
    assert copy.evaluate("button => button.scrollWidth <= button.clientWidth")
    code = notebook.ask("widget.code")
    assert notebook.page.evaluate("getSelection().toString()") == code
    assert clipboard() == ""
    notebook.page.keyboard.press("ControlOrMeta+c")
    assert clipboard() == code


def test_copy_goes_the_other_way_where_the_first_is_refused(show, clipboard, no_copying):
    notebook = show(FAST)
    notebook.find(".lrw-code-toggle").click()
    notebook.execute("widget.pick(0.0123456789)")
    notebook.page.evaluate("() => { delete navigator.clipboard.writeText; }")
    notebook.find(".lrw-copy").click()
    expect(notebook.find(".lrw-copy")).to_have_text("Copied")
    assert clipboard() == notebook.ask("widget.code")


def test_one_cycle_is_previewed_copied_as_code_and_applied(finished, clipboard):
    finished.execute("widget.pick(widget.suggestions['auto'].lr)")
    finished.find(".lrw-kind select").select_option("one-cycle")
    steps = finished.find(".lrw-plan-total-steps input")
    expect(steps).to_have_value("200")
    epochs = finished.find(".lrw-plan-epochs input")
    epochs.fill("3")
    epochs.press("Enter")
    expect(steps).to_have_value("60")
    line = finished.find(".lrw-preview path.line").element_handle()
    finished.page.wait_for_function("path => path.getBBox().width > 400", arg=line)
    finished.find(".lrw-code-toggle").click()
    finished.find(".lrw-copy").click()
    expect(finished.find(".lrw-copy")).to_have_text("Copied")
    assert clipboard() == finished.ask("widget.code")
    finished.find(".lrw-apply").click()
    expect(finished.find(".lrw-status")).to_contain_text("Learning rate was 1.00e-3, now OneCycle.")
    assert finished.ask("model.optimizer._learning_rate.total_steps") == 60
    finished.execute("model.fit(*new_data(), epochs=3, verbose=0)")
    trained_at = finished.ask("float(model.optimizer.learning_rate)")
    assert trained_at == pytest.approx(finished.ask("widget.picked_lr") / 1e5, rel=1e-2)
    finished.find(".lrw-undo").click()
    expect(finished.find(".lrw-status")).to_contain_text("1.00e-3 again")


def test_finished_widget_is_shown_as_a_widget_although_it_carries_a_picture(finished):
    assert finished.ask("'image/png' in widget._repr_mimebundle_()")
    finished.run_cell(1)
    finished.find(".lrw-plot rect.plotarea_events").wait_for(state="attached")
    picture = finished.page.locator(".jp-OutputArea img[width='719']")
    expect(picture).to_be_attached()
    expect(picture).to_be_hidden()
    assert curve_of(finished).evaluate("path => path.getBBox().width") > 200


def test_lower_end_is_picked_by_a_button_and_a_click(finished):
    finished.execute("widget.pick(0.02)")
    finished.find(".lrw-kind select").select_option("triangular")
    finished.find(".lrw-aim").click()
    area = plot_area(finished)
    finished.page.mouse.click(area["x"] + 0.25 * area["width"], area["y"] + 200)
    lowest, highest = finished.ask("[float(lr) for lr in widget.result.lrs[[0, -1]]]")
    there = lowest * (highest / lowest) ** 0.25
    finished.page.wait_for_timeout(300)
    assert finished.ask("widget.picked_lr") == 0.02
    low = finished.ask("widget._state.low_lr")
    assert low == pytest.approx(there, rel=0.3)
    expect(finished.find(".lrw-plan-low-lr input")).to_have_value(format_lr(low))


def test_range_that_ends_too_early_is_extended_by_one_button(show):
    notebook = show("new_data(), min_lr=1e-5, max_lr=0.03, steps=80, seed=0")
    expect(notebook.find(".lrw-extend")).to_be_hidden()
    run_to_the_end(notebook)
    notebook.find(".lrw-extend").click()
    expect(notebook.find(".lrw-max-lr input[type=text]")).to_have_value("3")
    expect(notebook.find(".lrw-use.mod-primary")).to_have_count(1)
    expect(notebook.find(".lrw-said")).to_contain_text("rules agree within a factor of")
    expect(notebook.find(".lrw-earlier")).to_be_visible()


def test_range_left_to_the_probe_is_found_and_holds_the_curve(show):
    notebook = show(FAST)
    notebook.find(".lrw-auto-range").click()
    expect(notebook.find(".lrw-auto")).to_have_count(2)
    run_to_the_end(notebook)
    expect(notebook.find(".lrw-auto-range input")).to_be_checked()
    found = notebook.ask("[widget.result.config.min_lr, widget.result.config.max_lr]")
    fields = [notebook.find(f".lrw-{side}-lr input[type=text]") for side in ("min", "max")]
    shown = [float(field.input_value()) for field in fields]
    assert shown == pytest.approx(found, rel=0.01)
    assert shown != [1e-5, 10.0]
    losses = notebook.ask("widget.result.smoothed().tolist()")
    assert losses[0] > 1.2 * min(losses)
    assert losses[-1] > 1.5 * min(losses)


def test_history_lists_saves_and_hides_a_run(finished, tmp_path):
    finished.execute(f"import os; os.chdir({str(tmp_path)!r})")
    finished.find(".lrw-history-toggle").click()
    row = finished.find(".lrw-past-run")
    expect(row).to_have_count(1)
    expect(row.locator(".lrw-what")).to_contain_text("steps: suggested")
    row.locator(".lrw-save-json").click()
    expect(finished.find(".lrw-answer")).to_contain_text("Saved range-test-run-1.json in")
    assert (tmp_path / "range-test-run-1.json").exists()
    run_to_the_end(finished)
    expect(row).to_have_count(2)
    row.last.locator("input[type=checkbox]").uncheck()
    shown = "[run.is_shown for run in widget.history]"
    for _ in range(50):  # ipywidgets waits with a message until the last one is answered
        if finished.ask(shown) != [True, True]:
            break
    assert finished.ask(shown) == [False, True]


def test_after_a_restart_one_sentence_and_the_picture_stay(lab, browser):
    page = browser.new_page(viewport={"width": 1200, "height": 1000})
    page.set_default_timeout(30_000)
    notebook = lab.open(page, [MAKE, "widget"])
    notebook.run_cell(0)
    notebook.run_cell(1)
    picture = page.locator(".jp-OutputArea img[width='719']")
    expect(picture).to_be_attached()
    expect(picture).to_be_hidden()
    page.get_by_role("menuitem", name="Kernel").first.click()
    page.get_by_text("Restart Kernel…", exact=True).first.click()
    page.locator(".jp-Dialog .jp-mod-accept").click()
    expect(picture).to_be_visible()
    expect(page.locator(".lrw .lrw-run")).to_be_hidden()
    said = page.locator(".lrw").evaluate("root => getComputedStyle(root, '::after').content")
    assert said == '"The kernel was restarted: run this cell again."'
    page.close()
