"""A notebook that runs without a person keeps the curve that its last cell waited for."""

import base64

import nbformat
from nbclient import NotebookClient

CELLS = [
    """
from lrwidget import LRFinderWidget
from tests.ui.conftest import new_data, new_model
widget = LRFinderWidget(new_model(), new_data(), min_lr=1e-5, max_lr=10.0, steps=40, seed=0)
widget.run()
""",
    "widget.wait(); widget",
]


def test_notebook_without_a_person_keeps_the_whole_curve():
    cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
    states = [
        each["state"]
        for each in notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"][
            "state"
        ].values()
    ]
    said = [each["value"] for each in states if "lrw-status" in each.get("_dom_classes", ())]
    assert "pick a learning rate" in said[0]
    curves = [each for each in states if each["_model_name"] == "LinesModel"]
    assert max(each["x"]["shape"][0] for each in curves) >= 20
    widget, below = notebook.cells[1].outputs
    assert "application/vnd.jupyter.widget-view+json" in widget.data
    assert base64.b64decode(below.data["image/png"]).startswith(b"\x89PNG")
