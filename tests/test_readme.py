"""The code of the README and of the pages runs as it stands there."""

import re
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot
import numpy as np
import pytest

mpl.use("agg")

README = Path(__file__).parent.parent / "README.md"
LOOPS = README.parent / "docs" / "loops.md"
COMPARE = README.parent / "docs" / "compare.md"
COMING_FROM = README.parent / "docs" / "coming_from.md"
GUIDE = README.parent / "docs" / "guide.md"
LOGGING = README.parent / "docs" / "logging.md"


def run_code_of(page: Path) -> dict:
    """Run the Python code of a page, block after block, and return the names that it defines."""
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 2
    names: dict = {}
    for block in blocks:
        exec(compile(block, str(page), "exec"), names)
    mpl.pyplot.close("all")
    return names


def test_the_code_of_the_readme_runs(capsys):
    names = run_code_of(README)
    assert re.search(r"Learning rate was 0\.001, now 0\.\d+\.", capsys.readouterr().out)
    names["widget"].close()


def test_the_code_of_the_guide_runs():
    names = run_code_of(GUIDE)
    assert names["finder"].result.restored
    np.testing.assert_allclose(names["monitor"].lrs, names["schedule"](np.arange(114)), rtol=1e-5)
    assert 1e-4 < names["found"].lr < 0.3


def test_the_loops_that_are_not_kerass_are_tested_and_restored(capsys):
    names = run_code_of(LOOPS)
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in said] == ["True", "True", "None"]
    assert 0.01 < float(said[0].split()[0]) < 1.0
    assert 1e-3 < float(said[1].split()[0]) < 0.05
    assert names["other"].suggest().lr == names["result"].suggest().lr


@pytest.mark.parametrize(
    "page", [README, GUIDE, LOOPS, COMPARE, LOGGING], ids=lambda page: page.stem
)
def test_the_files_that_a_page_links_to_are_there(page):
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)|(?:src|srcset)=\"([^\"]+)\"", text)
    missing = [
        link for pair in links for link in pair if link and not (page.parent / link).exists()
    ]
    assert not missing


@pytest.mark.parametrize("page", [README, GUIDE], ids=lambda page: page.stem)
def test_the_sections_that_a_page_links_to_are_there(page):
    text = page.read_text(encoding="utf-8")
    for file, section in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", text):
        target = (page.parent / file if file else page).read_text(encoding="utf-8")
        titles = re.findall(r"^#+ (.+)$", target, re.MULTILINE)
        slugs = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]
        assert section in slugs


def test_the_page_on_comparing_finds_a_better_rate_and_restores_the_model():
    names = run_code_of(COMPARE)
    comparison, found = names["comparison"], names["found"]
    assert comparison.best != "as it is"
    assert comparison.restored
    assert 1e-3 < found.lr < 0.3
    assert names["tests"]["sgd"].suggest().lr > names["tests"]["adam"].suggest().lr


def test_the_page_on_logging_names_the_tags_that_its_code_writes(tmp_path, monkeypatch):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    monkeypatch.chdir(tmp_path)
    text = LOGGING.read_text(encoding="utf-8")
    # The other blocks need packages that are not installed for the tests.
    exec(re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0], {})
    for folder in ("logs", "logs/range_test"):
        tags = reader.EventAccumulator(folder).Reload().Tags()
        for tag in [*tags["scalars"], *tags["images"]]:
            *_, last = tag.split("/")
            assert f"`{tag}`" in text or f"`.../{last}`" in text
    assert tags["images"] == ["lrwidget/range_test/curve"]
    assert (tmp_path / "logs" / "range_test").is_dir()


def test_the_code_of_the_page_about_other_finders_runs():
    names = run_code_of(COMING_FROM)
    assert set(names["rates"]) == {"auto", "minimum", "steepest", "valley", "slide", "edge"}
    assert len(names["result"].lrs) > 20
    assert len(names["monitor"].lrs) == 57
    assert float(names["schedule"](100)) == pytest.approx(1e-2)
