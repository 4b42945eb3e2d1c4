"""The widget in JupyterLab, with a real kernel, met as a person meets it."""

import math
import re
import time

import pytest
from playwright.sync_api import expect

FAST = "new_data(), min_lr=1e-5, max_lr=10.0, steps=60, seed=0"
SLOW = "slow_batches(), min_lr=1e-7, max_lr=10.0, steps=400, seed=0"

TIMED_STOP = """
import time
_stopped = []
widget.observe(lambda change: _stopped.append(time.time()), "status")
"""


@pytest.fixture
def finished(show):
    """A notebook whose widget has finished a test that a click on Run started."""
    notebook = show(FAST)
    run_to_the_end(notebook)
    return notebook


def run_to_the_end(notebook):
    notebook.find(".lrw-run").click()
    expect(notebook.find(".lrw-status")).to_contain_text("pick a learning rate")


def plot_area(notebook):
    """Return the box that the plot's axes enclose, in pixels of the page."""
    area = notebook.find(".lrw-plot rect.plotarea_events")
    area.scroll_into_view_if_needed()
    return area.bounding_box()


def set_width(notebook, width):
    """Make the widget as wide as a narrow window would, and wait for the plot to follow."""
    root = notebook.page.locator(".lrw")
    root.evaluate("(element, width) => element.style.maxWidth = width + 'px'", width)
    area = notebook.find(".lrw-plot rect.plotarea_events")
    drawn = f"area => Math.abs(area.getBoundingClientRect().width - {width} + 110) < 2"
    end = time.monotonic() + 10
    while not area.evaluate(drawn):
        assert time.monotonic() < end, area.bounding_box()


def curve_width(notebook):
    """Return how far the smoothed curve reaches to the right, in pixels."""
    return curve_of(notebook).evaluate("path => path.getBBox().width")


def curve_of(notebook):
    """Return the smoothed curve on the plot: the strongest line."""
    return notebook.find('.lrw-plot path.line[style*="stroke-width: 2.5"]')


def picked_after(notebook, act):
    """Return what is picked once `act` has changed the pick."""
    notebook.execute("widget._state.picked_lr = None")
    act()
    end = time.monotonic() + 10
    while time.monotonic() < end:
        picked = notebook.ask("widget.picked_lr")
        if picked is not None:
            return picked
    raise AssertionError("nothing was picked")


def test_run_draws_a_curve_and_says_what_to_do_next(finished):
    assert curve_width(finished) > 200
    expect(finished.find(".lrw-run")).to_be_enabled()
    expect(finished.find(".lrw-stop")).to_have_class(re.compile("lrw-resting"))
    headline = finished.find(".lrw-headline")
    expect(headline).to_have_text(re.compile(r"Suggested \d\.\d\de[+-]\d+ \(.* confidence"))
    expect(finished.find(".lrw-rule").first).to_be_hidden()
    dots = finished.find(".lrw-plot path.dot")
    expect(dots).to_have_count(1)
    finished.find(".lrw-all-rules").click()
    rule = finished.find(".lrw-rule").first
    expect(rule).to_contain_text(re.compile(r"auto\s+\d\.\d\de[+-]\d+"))
    expect(dots).not_to_have_count(1)
    assert dots.count() >= 3


def test_curve_grows_while_the_test_runs(show):
    notebook = show(SLOW)
    notebook.find(".lrw-run").click()
    widths = set()
    end = time.monotonic() + 20
    while len(widths) < 6 and time.monotonic() < end:
        widths.add(round(curve_width(notebook)))
    assert len(widths) >= 6
    expect(notebook.find(".lrw-status")).to_contain_text("steps a second")
    assert notebook.ask("widget.status") == "running"
    notebook.execute("widget.stop(); widget.wait()")


def test_stop_in_the_middle_answers_at_once_and_restores_the_model(show):
    notebook = show(SLOW)
    notebook.execute("model.optimizer.build(model.trainable_variables); before = state_of(model)")
    notebook.find(".lrw-run").click()
    expect(notebook.find(".lrw-status")).to_contain_text("steps a second")
    notebook.execute(TIMED_STOP)
    clicked = time.time()
    notebook.find(".lrw-stop").click()
    expect(notebook.find(".lrw-status")).to_contain_text("Stopped after")
    assert notebook.ask("_stopped[-1]") - clicked < 1.0
    assert notebook.ask("widget.status") == "stopped"
    assert 0 < notebook.ask("len(widget.result.lrs)") < 400
    assert notebook.ask("state_of(model) == before")


def test_click_anywhere_picks_the_nearest_learning_rate(finished):
    lrs = finished.ask("widget.result.lrs.tolist()")
    area = plot_area(finished)

    def nearest(x):
        across = (x - area["x"]) / area["width"]
        clicked = math.log(lrs[0]) + across * math.log(lrs[-1] / lrs[0])
        return min(lrs, key=lambda lr: abs(math.log(lr) - clicked))

    for place in range(20):
        x = area["x"] + (place + 0.5) / 20 * area["width"]
        y = area["y"] + (0.06 + 0.88 * ((7 * place) % 20) / 19) * area["height"]
        picked = picked_after(finished, lambda x=x, y=y: finished.page.mouse.click(x, y))
        # Half a pixel from the border between two of them, either may be meant.
        assert picked in {nearest(x - 0.5), nearest(x + 0.5)}, f"place {place}"


@pytest.mark.parametrize("width", [600, 733])
def test_no_place_in_the_plot_misses_a_click(finished, width):
    set_width(finished, width)
    area = plot_area(finished)
    missed = finished.page.evaluate(
        """([left, top, width, height]) => {
          const missed = [];
          for (let x = left + 0.125; x < left + width - 0.125; x += 0.25)
            for (const y of [top + 2, top + height / 2, top + height - 2]) {
              const hit = document.elementFromPoint(x, y);
              if (!hit?.closest(".bar, .lrw-axis-slider")) missed.push([x - left, y - top]);
            }
          return missed;
        }""",
        [area["x"], area["y"], area["width"], area["height"]],
    )
    assert missed == []


def test_click_on_a_curve_of_a_thousand_steps_picks_within_a_few_pixels(show):
    notebook = show("new_data(), min_lr=1e-5, max_lr=0.1, steps=1000, seed=0, stop_factor=1e9")
    run_to_the_end(notebook)
    area = plot_area(notebook)
    for across in (0.031, 0.502, 0.977):
        x = area["x"] + across * area["width"]
        picked = picked_after(notebook, lambda x=x: notebook.page.mouse.click(x, area["y"] + 99))
        off = abs((math.log10(picked) + 5) / 4 - across) * area["width"]
        assert off < 3


def test_cursor_tells_learning_rate_and_loss(finished):
    area = plot_area(finished)
    finished.page.mouse.move(area["x"] + 0.25 * area["width"], area["y"] + 80)
    cursor = finished.find(".lrw-cursor")
    expect(cursor).to_contain_text(re.compile(r"LR \d\.\d\de-4 +loss \d.* smoothed \d"))
    expect(cursor).to_have_css("opacity", "1")


def test_apply_changes_the_optimizer_and_undo_restores_it(finished):
    before = finished.ask("float(model.optimizer.learning_rate)")
    finished.find(".lrw-use").click()
    expect(finished.find(".lrw-status")).to_contain_text("Learning rate was 1.00e-3, now")
    applied = finished.ask("float(model.optimizer.learning_rate)")
    assert applied == pytest.approx(finished.ask("widget.picked_lr"), rel=1e-6)
    assert applied != before
    finished.execute("model.fit(*new_data(), verbose=0)")
    finished.find(".lrw-undo").click()
    expect(finished.find(".lrw-status")).to_contain_text("1.00e-3 again")
    assert finished.ask("float(model.optimizer.learning_rate)") == before


def test_smoothing_redraws_without_training(finished):
    finished.execute("before = state_of(model); result = widget.result")
    curve = curve_of(finished)
    drawn = curve.get_attribute("d")
    handle = finished.find(".lrw-smoothing .noUi-handle")
    handle.focus()
    for _ in range(8):
        handle.press("ArrowRight")
    expect(curve).not_to_have_attribute("d", drawn)
    assert finished.ask("widget._state.smoothing") > 0.25
    assert finished.ask("state_of(model) == before and widget.result is result")


def test_pick_can_be_typed_and_moved_by_keyboard(finished):
    field = finished.find(".lrw-picked input")
    field.fill("0.00314")
    field.press("Enter")
    expect(field).to_have_value("3.14e-3")
    assert finished.ask("widget.picked_lr") == 0.00314
    handle = finished.find(".lrw-pick-slider .noUi-handle")
    handle.focus()
    handle.press("ArrowRight")
    expect(field).not_to_have_value("3.14e-3")
    assert finished.ask("widget.picked_lr in widget.result.lrs")


def test_exact_settings_can_be_typed(show):
    notebook = show(FAST)
    for name, typed in (("min-lr", "0.00031416"), ("max-lr", "7.5"), ("steps", "2345")):
        notebook.find(f".lrw-{name} input[type=text]").fill(typed)
        notebook.find(f".lrw-{name} input[type=text]").press("Enter")
    expect(notebook.find(".lrw-min-lr input[type=text]")).to_have_value("3.14e-4")
    config = "widget._state.config(widget._config)"
    settings = notebook.ask(f"[{config}.min_lr, {config}.max_lr, {config}.steps]")
    assert settings == [0.00031416, 7.5, 2345]


def test_failing_dataset_shows_its_error_in_the_widget(show):
    notebook = show("failing_batches")
    notebook.find(".lrw-run").click()
    status = notebook.find(".lrw-status")
    expect(status).to_contain_text("row 17 of shard 3 has no label")
    expect(status).to_have_class(re.compile("lrw-error"))
    expect(notebook.find(".lrw-run")).to_be_enabled()
    assert notebook.ask("widget.status") == "failed"


@pytest.mark.parametrize("width", [600, 1000])
def test_nothing_jumps_when_texts_change(show, width):
    notebook = show(FAST)
    set_width(notebook, width)
    notebook.find(".lrw-code-toggle").click()
    notebook.find(".lrw-copy").wait_for()
    before = places(notebook)
    notebook.find(".lrw-auto-range").click()
    run_to_the_end(notebook)
    assert places(notebook) == before
    notebook.find(".lrw-use").click()
    expect(notebook.find(".lrw-status")).to_contain_text("Learning rate was")
    assert places(notebook) == before


def places(notebook):
    """Return where the parts are, relative to the widget, and the widget's size, in pixels."""
    names = ("run", "stop", "progress", "plot", "use", "all-rules", "said", "picked", "kind")
    names += ("apply", "undo", "answer", "code-toggle", "code", "copy")
    names += ("min-lr", "max-lr", "auto-range", "more")
    top = notebook.page.locator(".lrw").bounding_box()
    boxes = [notebook.find(f".lrw-{name}").bounding_box() for name in names]
    starts = [(round(box["x"] - top["x"]), round(box["y"] - top["y"])) for box in boxes]
    return [*starts, (round(top["width"]), round(top["height"]))]


@pytest.mark.parametrize("kind", ["constant", "cyclical, shrinking", "one-cycle"])
@pytest.mark.parametrize("width", [400, 520, 600, 1000])
def test_no_text_is_cut_off(finished, width, kind):
    finished.execute(f"widget.pick(1e-3); widget.plan({kind!r})")
    finished.find(".lrw-code-toggle").click()
    finished.find(".lrw-copy").wait_for()
    finished.find(".lrw-auto-range").click()
    expect(finished.find(".lrw-auto")).to_have_count(2)
    set_width(finished, width)
    cut = finished.page.locator(".lrw").evaluate(
        """root => [...root.querySelectorAll("button, .widget-label, input, select")]
             .filter(part => part.scrollWidth > part.clientWidth + 1
                          || part.scrollHeight > part.clientHeight + 1)
             .filter(part => getComputedStyle(part).clipPath === "none")
             .map(part => part.className + ": " + part.textContent)"""
    )
    assert cut == []
