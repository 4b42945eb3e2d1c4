"""One JupyterLab, one browser, one notebook and one kernel for all browser tests."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.lab import Lab, Notebook, launch_browser

SETUP = """
import keras, numpy as np
from lrwidget import LRFinderWidget
from tests.ui.conftest import failing_batches, new_data, new_model, slow_batches

def state_of(model):
    return [np.array(each).tolist() for each in (*model.variables, *model.optimizer.variables)]

model = widget = None
"""

SHOW = "widget"


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launch_browser(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("lab"))
    yield lab
    lab.close()


@pytest.fixture(scope="package")
def notebook(browser: Browser, lab: Lab) -> Iterator[Notebook]:
    page = browser.new_page(viewport={"width": 1200, "height": 1000})
    page.set_default_timeout(20_000)
    notebook = lab.open(page, [SETUP, SHOW])
    notebook.run_cell(0)
    yield notebook
    page.close()


@pytest.fixture
def show(notebook: Notebook) -> Iterator[Callable[[str], Notebook]]:
    """Return a function that shows a new widget over a new model, given its other arguments."""

    def show_widget(arguments: str) -> Notebook:
        notebook.execute(f"model = new_model(); widget = LRFinderWidget(model, {arguments})")
        notebook.run_cell(1)
        notebook.find(".lrw-plot rect.plotarea_events").wait_for(state="attached")
        return notebook

    del notebook.errors[:]
    yield show_widget
    notebook.execute("widget.close()")
    assert notebook.errors == []
