"""The widget by keyboard and for screen readers, in JupyterLab's light and dark theme."""

from importlib.resources import files

import pytest

from tests.browser.test_more_in_lab import FAST
from tests.browser.test_widget_in_lab import run_to_the_end

CHANGE_THEME = """theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"""

VIOLATIONS = """async () => {
  const found = await axe.run(document.querySelector('.lrw'));
  return found.violations.flatMap(
    violation => violation.nodes.map(node => [violation.impact, violation.id, node.html])
  );
}"""

# ipywidgets gives the handles of its sliders no name, and has no trait for one.
OF_THE_HOST = {"aria-input-field-name"}

FOCUSED = "() => document.activeElement.closest('.lrw')?.contains(document.activeElement) ?? false"


@pytest.fixture(params=["JupyterLab Light", "JupyterLab Dark"])
def themed(notebook, request):
    notebook.page.evaluate(CHANGE_THEME, request.param)
    yield notebook
    notebook.page.evaluate(CHANGE_THEME, "JupyterLab Light")


def serious(notebook):
    notebook.page.evaluate(files("axe_core_python").joinpath("axe.min.js").read_text("utf-8"))
    found = notebook.page.evaluate(VIOLATIONS)
    return [
        each for each in found if each[0] in ("serious", "critical") and each[1] not in OF_THE_HOST
    ]


def test_axe_has_no_serious_finding_with_everything_open(themed, show):
    notebook = show(f"{FAST}, validation_data=new_data()")
    run_to_the_end(notebook)
    notebook.find(".lrw-use").click()
    for part in ("all-rules", "more", "history-toggle", "code-toggle"):
        notebook.find(f".lrw-{part}").click()
    notebook.find(".lrw-kind select").select_option("triangular")
    notebook.find(".lrw-plan-low-lr input").wait_for()
    notebook.find(".lrw-past-run").wait_for()
    assert serious(notebook) == []
    notebook.page.locator(".lrw .lm-TabBar-tab").nth(1).click()
    notebook.find(".lrw-compare-run").wait_for()
    assert serious(notebook) == []


def test_focus_stays_in_the_widget_after_run_and_undo(show):
    notebook = show(FAST)
    page = notebook.page
    for name, afterwards in (
        ("run", "use:enabled"),
        ("use", "undo:enabled"),
        ("undo", "undo:disabled"),
    ):
        notebook.find(f".lrw-{name}").focus()
        page.keyboard.press("Enter")
        notebook.find(f".lrw-{afterwards}").wait_for()
        page.wait_for_function(FOCUSED)


def test_arrow_keys_and_end_move_the_pick_along_the_curve(show):
    notebook = show(FAST)
    run_to_the_end(notebook)
    lrs = notebook.ask("widget.result.lrs.tolist()")
    handle = notebook.find(".lrw-pick-slider .noUi-handle")
    for key, expected in (("End", lrs[-1]), ("ArrowLeft", lrs[-2]), ("Home", lrs[0])):
        handle.focus()
        notebook.page.keyboard.press(key)
        notebook.page.wait_for_timeout(500)
        assert notebook.ask("widget.picked_lr") == expected, key


def test_handle_is_dragged_and_the_wheel_zooms(show):
    notebook = show(FAST)
    run_to_the_end(notebook)
    notebook.execute("widget.pick(float(widget.result.lrs[10]))")
    handle = notebook.find(".lrw-pick-slider .noUi-handle").bounding_box()
    x, y = handle["x"] + 8, handle["y"] + 8
    mouse = notebook.page.mouse
    mouse.move(x, y)
    mouse.down()
    mouse.move(x + 200, y, steps=10)
    mouse.up()
    notebook.page.wait_for_timeout(500)
    area = notebook.find(".lrw-plot rect.plotarea_events").bounding_box()
    low, high = notebook.ask("[float(lr) for lr in widget.result.lrs[[0, -1]]]")
    across = (x + 200 - area["x"]) / area["width"]
    assert notebook.ask("widget.picked_lr") == pytest.approx(low * (high / low) ** across, rel=0.15)
    notebook.find(".lrw-move-view").click()
    mouse.move(area["x"] + area["width"] / 2, area["y"] + 100)
    mouse.wheel(0, -400)
    notebook.find(".lrw-reset-view:enabled").wait_for()
    notebook.find(".lrw-reset-view").click()
    notebook.find(".lrw-reset-view:disabled").wait_for()


def test_screen_reader_gets_the_curve_as_a_table_and_the_message(show):
    notebook = show(FAST)
    run_to_the_end(notebook)
    table = notebook.find(".lrw-spoken table")
    assert table.locator("tbody tr").count() >= 20
    assert "The curve: loss at" in table.locator("caption").inner_text()
    assert "pick a learning rate" in notebook.find(".lrw-spoken [role=status]").inner_text()
