"""The documentation site: it builds without a warning, and every public name is on its pages."""

import json
import re
import runpy
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import pytest

import lrwidget

ROOT = Path(__file__).parents[1]


class Page(HTMLParser):
    """A page of the built site: the ids on it and the addresses that it uses."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.addresses: list[str] = []
        self.without_text: list[str] = []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.ids.update(named[key] or "" for key in ("id", "name") if key in named)
        self.addresses += [named[key] or "" for key in ("href", "src") if key in named]
        # Docutils puts the address in place of a missing text.
        if tag == "img" and (named.get("alt") or "") in ("", Path(named["src"] or "").name):
            self.without_text.append(named["src"] or "")


def numbers_in(figure: Path) -> Any:
    """Return the numbers that a figure carries as its description."""
    shown = ElementTree.parse(figure).find(".//{http://purl.org/dc/elements/1.1/}description")
    assert shown is not None
    return json.loads(shown.text or "")


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
        assert numbers_in(ROOT / "docs" / "pictures" / "study" / f"{name}.svg") == read(), name
    assert len(script["FIGURES"]) == 4


@pytest.mark.parametrize("name", ["rules", "schedules", "monitor"])
def test_the_figures_of_the_pages_show_what_comes_out(name: str) -> None:
    script = runpy.run_path(str(ROOT / "docs" / "make_page_figures.py"))
    numbers, _ = script["FIGURES"][name]()
    assert numbers_in(ROOT / "docs" / "pictures" / "pages" / f"{name}.svg") == pytest.approx(
        numbers, rel=1e-5 if name == "schedules" else 0.2
    )


def test_every_link_on_the_site_leads_to_a_page_and_a_section_that_is_there(site: Path) -> None:
    site = site.resolve()
    files = [path for path in site.rglob("*.html") if "_static" not in path.parts]
    pages = {path: Page(path) for path in files}
    checked, dead = 0, []
    for path, page in pages.items():
        for address in page.addresses:
            link = urlsplit(address)
            if link.scheme or link.netloc:
                continue
            target = (path.parent / unquote(link.path)).resolve() if link.path else path
            section = unquote(link.fragment)
            known = not section or target not in pages or section in pages[target].ids
            checked += 1
            if not (target.exists() and known):
                dead.append(f"{address} on {path.relative_to(site)}")
    assert dead == []
    assert checked > 1000


def test_every_picture_of_a_page_has_a_text(site: Path) -> None:
    pages = sorted((site / "docs").glob("*.html"))
    assert {path.name: Page(path).without_text for path in pages if Page(path).without_text} == {}


def test_the_tests_that_the_guarantees_name_are_there() -> None:
    named = re.findall(r"`(test_\w+)`", (ROOT / "docs" / "engine.md").read_text("utf-8"))
    tests = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(named) >= 16
    assert [name for name in named if f"def {name}(" not in tests] == []
