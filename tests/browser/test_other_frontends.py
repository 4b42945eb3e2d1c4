"""The widget in Voila and in Notebook 7: run, suggestion, click, apply, with a live curve."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
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
    """The notebook in a front end, its cells executed."""
    (tmp_path / "app.ipynb").write_text(json.dumps(notebook_of(CELLS)))
    port = free_port()
    own = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython",
    }
    paths = {name: str(tmp_path / value) for name, value in own.items()}
    server = subprocess.Popen(
        command(request.param, tmp_path, port),
        cwd=tmp_path,
        env={**os.environ, **paths, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    page = browser.new_page(viewport={"width": 1200, "height": 1000})
    try:
        if request.param == "voila":
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
