"""The widget in Voila and in Notebook 7: run, suggestion, click, apply, with a live curve."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, expect

from tests.browser.lab import ROOT, free_port, notebook_of

CELLS = [
    """
from lrwidget import LRFinderWidget
from tests.ui.conftest import new_model, slow_batches
model = new_model()
""",
    "LRFinderWidget(model, slow_batches(0.02), min_lr=1e-5, max_lr=10.0, steps=60, seed=0)",
]


def command(frontend: str, folder: Path, port: int) -> list[str]:
    """Return the command that serves the notebook "app.ipynb" in a folder."""
    if frontend == "voila":
        return [sys.executable, "-m", "voila", "app.ipynb", f"--port={port}", "--no-browser"]
    options = [f"--port={port}", "--no-browser", "--allow-root", "--IdentityProvider.token="]
    return [sys.executable, "-m", "notebook", f"--ServerApp.root_dir={folder}", *options]


def visit(page: Page, url: str) -> None:
    """Open a page once its server is up."""
    end = time.monotonic() + 60
    while True:
        try:
            page.goto(url, timeout=90_000)
            return
        except Error:
            if time.monotonic() > end:
                raise
            time.sleep(0.5)


@pytest.fixture(params=["voila", "notebook"])
def page(request: pytest.FixtureRequest, browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """A notebook with a widget in a front end, its cells executed."""
    (tmp_path / "app.ipynb").write_text(json.dumps(notebook_of(CELLS)))
    with served(request.param, browser, tmp_path) as page:
        yield page


@pytest.fixture
def app(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """The app of the repository in Voila."""
    shutil.copy(ROOT / "notebooks" / "app.ipynb", tmp_path)
    with served("voila", browser, tmp_path) as page:
        yield page


@contextmanager
def served(frontend: str, browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """Yield a page that shows "app.ipynb" in a front end, its cells executed."""
    port = free_port()
    own = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython",
    }
    paths = {name: str(tmp_path / value) for name, value in own.items()}
    server = subprocess.Popen(
        command(frontend, tmp_path, port),
        cwd=tmp_path,
        env={**os.environ, **paths, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    page = browser.new_page(viewport={"width": 1200, "height": 1000})
    try:
        if frontend == "voila":
            visit(page, f"http://127.0.0.1:{port}/")
        else:
            visit(page, f"http://127.0.0.1:{port}/notebooks/app.ipynb")
            page.locator(".jp-Cell").last.wait_for(timeout=60_000)
            expect(page.locator(".jp-Notebook-ExecutionIndicator")).to_have_attribute(
                "data-status", "idle", timeout=60_000
            )
            page.wait_for_timeout(1000)  # the menu is there before its commands
            page.get_by_role("menuitem", name="Run").first.click()
            page.get_by_text("Run All Cells", exact=True).first.click()
        page.locator(".lrw-plot rect.plotarea_events").wait_for(state="attached", timeout=120_000)
        yield page
    finally:
        page.close()
        server.terminate()
        server.wait(30)


def test_run_grows_and_a_click_picks_what_apply_sets(page: Page) -> None:
    status = page.locator(".lrw-status")
    page.locator(".lrw-run").click()
    expect(status).to_contain_text("steps a second", timeout=30_000)
    curve = page.locator('.lrw-plot path.line[style*="stroke-width: 2.5"]')
    widths = set()
    while page.locator(".lrw-run").is_disabled():
        widths.add(curve.evaluate("path => Math.round(path.getBBox().width)"))
        time.sleep(0.1)
    assert len(widths) >= 3
    expect(status).to_contain_text("pick a learning rate", timeout=30_000)
    expect(page.locator(".lrw-headline")).to_contain_text("Suggested")
    area = page.locator(".lrw-plot rect.plotarea_events").bounding_box()
    page.mouse.click(area["x"] + 0.4 * area["width"], area["y"] + 0.5 * area["height"])
    expect(page.locator(".lrw-answer")).to_contain_text("Picked")
    picked = page.locator(".lrw-picked input").input_value()
    page.locator(".lrw-apply").click()
    expect(status).to_contain_text(f"Learning rate was 1.00e-3, now {picked}.")
    expect(page.locator("img[width='719']:visible")).to_have_count(0)


def test_app_tests_a_chosen_model_and_trains_it_at_the_suggestion(app: Page) -> None:
    app.get_by_label("Data").select_option("Diabetes (regression)")
    app.get_by_label("Optimizer").select_option("SGD with momentum")
    expect(app.locator(".lrw-now")).to_contain_text("SGD, now 1.00e-2", timeout=30_000)
    app.wait_for_timeout(1000)  # until the plot of the new widget is drawn
    app.locator(".lrw-run").click()
    app.locator(".lrw-use:enabled").wait_for(timeout=60_000)
    app.locator(".lrw-use").click()
    expect(app.locator(".lrw-answer")).to_contain_text("Learning rate was 1.00e-2")
    app.get_by_role("button", name="Train 5 epochs").click()
    outcome = app.get_by_text("On samples held back, after 5 epochs")
    expect(outcome).to_be_visible(timeout=60_000)
    loss = float(outcome.inner_text().rsplit(" ", 1)[1])
    assert loss < 0.9  # the mean squared error of the mean is 1
