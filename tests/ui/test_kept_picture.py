"""A saved notebook keeps a picture: the curve, the suggestion and what was applied."""

import base64
import io

import nbformat
import pytest
from matplotlib.image import imread
from nbclient import NotebookClient

from lrwidget.core.curve.ladder import format_lr
from lrwidget.ui.finder import picture

CELLS = [
    """
from lrwidget import LRFinderWidget, LRMonitor
from tests.ui.conftest import new_data, new_model
model, (x, y) = new_model(), new_data()
widget = LRFinderWidget(model, (x, y), min_lr=1e-5, max_lr=10.0, steps=40, seed=0)
widget
""",
    "widget.run(block=True)",
    "widget.pick(1e-3); widget.apply()",
    "history = model.fit(x, y, verbose=0, callbacks=[LRMonitor(live=True)])",
]


def pictures(cell):
    return [each.data["image/png"] for each in cell.outputs if "image/png" in each.get("data", {})]


def test_notebook_keeps_pictures_of_the_widget_and_of_the_monitor(tmp_path):
    kept = []
    for cells in (CELLS[:2], CELLS):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
        NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
        kept.append(pictures(notebook.cells[0]))
    (of_run,), (of_apply,) = kept
    assert of_run != of_apply
    for png in (of_run, of_apply, *pictures(notebook.cells[3])):
        shape = imread(io.BytesIO(base64.b64decode(png))).shape
        assert shape[:2] == (380, 719)
    assert len(pictures(notebook.cells[3])) == 1
    widget, below = notebook.cells[0].outputs
    assert "application/vnd.jupyter.widget-view+json" in widget.data
    assert widget.data["text/plain"].startswith("LRFinderWidget(model='sequential")
    assert "\n" not in widget.data["text/plain"]
    assert below.metadata["image/png"]["width"] == 719


def test_picture_says_what_was_suggested_and_applied(finished, monkeypatch):
    drawn = []
    monkeypatch.setattr(picture, "png_of", lambda draw: drawn.append(draw))
    figure = pytest.importorskip("matplotlib.figure").Figure
    finished.pick(2e-3)
    finished.apply()
    picture.picture_of(finished._state)
    axes = figure().subplots()
    drawn[0](axes)
    suggested = format_lr(finished.suggestions["auto"].lr)
    title = axes.get_title(loc="left")
    assert title.startswith(f"Suggested {suggested} (")
    assert title.endswith("Learning rate was 1.00e-3, now 2.00e-3.")
    legend = [each.get_text() for each in axes.get_legend().get_texts()]
    assert "picked: 2.00e-3" in legend
    assert f"auto: {suggested}" in legend
