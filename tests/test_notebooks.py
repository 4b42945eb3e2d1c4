"""What is saved in the notebooks, and the quickstart where its reader does something else."""

import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
LARGEST = 600_000
TEST = "LRFinderWidget(model, (x_train, y_train), seed=0"


def code_of(notebook: Path) -> list[str]:
    cells = json.loads(notebook.read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def run(cells: list[str], arguments: str = "") -> dict[str, Any]:
    """Run cells of the quickstart, its widget with further arguments; return their names."""
    plt = pytest.importorskip("matplotlib.pyplot")
    pytest.importorskip("sklearn")
    names: dict[str, Any] = {}
    source = "\n".join(cells).replace("plt.show()", "plt.close()")
    assert source.count(TEST) == 1
    exec(source.replace(TEST, TEST + arguments), names)
    plt.close("all")
    return names


@pytest.fixture(scope="module")
def quickstart() -> list[str]:
    return code_of(next(each for each in NOTEBOOKS if each.stem == "quickstart"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_saved_notebook_holds_no_error_no_message_and_no_trace_of_a_machine(
    notebook: Path,
) -> None:
    content = json.loads(notebook.read_text())
    outputs = [each for cell in content["cells"] for each in cell.get("outputs", [])]
    assert not [each for each in outputs if each["output_type"] == "error"]
    assert not [each for each in outputs if each.get("name") == "stderr"]
    assert set(content["metadata"]) == {"kernelspec", "language_info"}
    assert list(content["metadata"]["language_info"]) == ["name"]
    assert not [cell["metadata"] for cell in content["cells"] if cell["metadata"]]
    assert notebook.stat().st_size < LARGEST


def test_the_quickstarts_text_and_auto_agree_on_where_a_good_rate_lies(
    quickstart: list[str],
) -> None:
    names = run(quickstart[:4])
    result, suggestion = names["result"], names["suggestion"]
    smoothed = result.smoothed()
    lowest = smoothed.argmin()
    top, bottom = smoothed[: lowest + 1].max(), smoothed[lowest]
    # "on the upper part of the slope: the loss clearly falls"
    assert 0.05 < (top - suggestion.loss) / (top - bottom) < 0.5
    # "and the rate is still far below the one with the lowest loss"
    assert 4 * suggestion.lr < result.lrs[lowest]
    assert names["widget"].picked_lr == suggestion.lr
    assert result.restored


def test_the_quickstart_goes_on_where_nothing_can_be_suggested(
    quickstart: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    names = run(quickstart, ", min_lr=1e-7, max_lr=1e-6")
    said = capsys.readouterr().out
    assert names["suggestion"].lr is None
    assert "No suggestion: the loss did not move" in said
    assert "learning rate is now 1.00e-03" in said
    assert names["widget"].error is None
