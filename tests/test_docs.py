"""The documentation site: it builds without a warning, and every public name is on its pages."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

import lrwidget

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; a warning, such as a link that leads nowhere, fails the build."""
    pytest.importorskip("sphinx", reason="the oldest dependencies come without Sphinx")
    built = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", "docs", ".", built]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return built


def test_the_site_builds_without_a_warning_and_its_first_page_leads_on(site: Path) -> None:
    assert "docs/index.html" in (site / "index.html").read_text("utf-8")
    assert "range test" in (site / "docs" / "index.html").read_text("utf-8")


@pytest.mark.parametrize("name", lrwidget.__all__)
def test_every_public_name_is_explained(site: Path, name: str) -> None:
    page = (site / "docs" / "api.html").read_text("utf-8")
    assert f'id="lrwidget.{name}"' in page or f'id="module-lrwidget.{name}"' in page


def test_every_notebook_is_a_page_with_its_pictures(site: Path) -> None:
    notebooks = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} - {"app"}
    assert len(notebooks) >= 8
    for name in notebooks:
        assert "<img" in (site / "notebooks" / f"{name}.html").read_text("utf-8"), name


def test_the_figures_of_the_study_show_the_numbers_of_its_pages() -> None:
    script = runpy.run_path(str(ROOT / "docs" / "make_study_figures.py"))
    for name, (read, _) in script["FIGURES"].items():
        drawn = ElementTree.parse(ROOT / "docs" / "pictures" / "study" / f"{name}.svg")
        shown = drawn.find(".//{http://purl.org/dc/elements/1.1/}description")
        assert shown is not None
        assert json.loads(shown.text or "") == read(), name
    assert len(script["FIGURES"]) == 4


def test_the_tests_that_the_guarantees_name_are_there() -> None:
    named = re.findall(r"`(test_\w+)`", (ROOT / "docs" / "engine.md").read_text("utf-8"))
    tests = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(named) >= 16
    assert [name for name in named if f"def {name}(" not in tests] == []
