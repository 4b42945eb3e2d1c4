"""The Compare tab in a real JupyterLab: try the pick, follow it live, apply the winner."""

import re

from playwright.sync_api import expect

FAST = "new_data(), min_lr=1e-5, max_lr=1.0, steps=60, seed=0"


def test_try_it_compares_live_and_the_winner_is_applied(show):
    notebook = show(FAST)
    notebook.find(".lrw-run").click()
    expect(notebook.find(".lrw-use")).to_be_enabled(timeout=30_000)
    notebook.find(".lrw-all-rules").click()
    notebook.find(".lrw-rule").first.click()
    before = notebook.ask("str(state_of(model))")
    notebook.find(".lrw-try").click()
    status = notebook.find(".lrw-compare-status")
    expect(status).to_contain_text("is best with probability", timeout=60_000)
    assert notebook.ask("str(state_of(model))") == before
    expect(notebook.find(".lrw-compare-curves path.line")).to_have_count(5)
    expect(notebook.find(".lrw-ranking tr")).to_have_count(6)
    notebook.find(".lrw-apply-winner").click()
    expect(status).to_contain_text(re.compile(r"Learning rate was 0\.001, now .* Now call"))


def test_a_typed_rate_runs_and_stops(show):
    notebook = show("slow_batches(0.05), min_lr=1e-5, max_lr=1.0, seed=0")
    notebook.find(".lm-TabBar-tab").nth(1).click()
    field = notebook.find(".lrw-add-lr input")
    for typed in ("1e-3", "1e-2"):
        field.fill(typed)
        field.press("Enter")
        expect(field).to_have_value("")
    expect(notebook.find(".lrw-variant")).to_have_count(2)
    notebook.find(".lrw-compare-run").click()
    expect(notebook.find(".lrw-compare-status")).to_contain_text("Training", timeout=30_000)
    notebook.find(".lrw-compare-stop").click()
    expect(notebook.find(".lrw-compare-status")).to_contain_text("Stopped", timeout=30_000)
