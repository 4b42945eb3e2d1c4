"""The code of the README and of the pages runs as it stands there."""

import importlib
import re
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot
import numpy as np
import pytest

import lrwidget
import lrwidget.schedules

mpl.use("agg")

README = Path(__file__).parent.parent / "README.md"
LOOPS = README.parent / "docs" / "loops.md"
COMPARE = README.parent / "docs" / "compare.md"
API = README.parent / "docs" / "api.md"
COMING_FROM = README.parent / "docs" / "coming_from.md"
GUIDE = README.parent / "docs" / "guide.md"
LOGGING = README.parent / "docs" / "logging.md"
MONITOR = README.parent / "docs" / "monitor.md"
RULES_PAGE = README.parent / "docs" / "rules.md"
SCHEDULES = README.parent / "docs" / "schedules.md"
START = README.parent / "docs" / "start.md"

RULES = {f'"{rule}"' for rule in ("auto", "minimum", "steepest", "valley", "slide", "edge")}


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
    "page", [README, *sorted(GUIDE.parent.glob("*.md"))], ids=lambda page: page.stem
)
def test_the_files_that_a_page_links_to_are_there(page):
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)|(?:src|srcset)=\"([^\"]+)\"", text)
    missing = [
        link for pair in links for link in pair if link and not (page.parent / link).exists()
    ]
    assert not missing


@pytest.mark.parametrize(
    "page", [README, *sorted(GUIDE.parent.glob("*.md"))], ids=lambda page: page.stem
)
def test_the_sections_that_a_page_links_to_are_there(page):
    text = page.read_text(encoding="utf-8")
    for file, section in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", text):
        target = (page.parent / file if file else page).read_text(encoding="utf-8")
        titles = re.findall(r"^#+ (.+)$", target, re.MULTILINE)
        slugs = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]
        assert section in slugs


def test_the_five_minute_start_trains_better_at_the_suggested_rate(capsys):
    names = run_code_of(START)
    assert "widget" in names
    assert names["result"].restored
    default, suggested = names["default"], names["suggested"]
    assert suggested["loss"] < default["loss"]
    assert suggested["accuracy"] > default["accuracy"]
    names["widget"].close()


def test_the_page_about_rules_says_in_which_order_their_rates_come(capsys):
    names = run_code_of(RULES_PAGE)
    # "the peak is higher than a constant rate", "falls with the length of the training"
    assert names["long_training"] < names["constant"] < names["one_cycle"]
    assert names["bounds"].low < names["constant"] < names["bounds"].high
    assert set(names["rates"]) == {rule.strip('"') for rule in RULES}
    assert names["comparison"].best in names["rates"]
    assert names["swept"].low <= names["swept"].lr <= names["swept"].high


def test_the_page_about_schedules_trains_with_one_and_loads_it_again(capsys):
    names = run_code_of(SCHEDULES)
    steps, schedule = names["steps"], names["schedule"]
    assert steps == len(names["monitor"].lrs) == 171
    np.testing.assert_allclose(names["monitor"].lrs, schedule(np.arange(steps)), rtol=1e-5)
    assert names["loaded"].optimizer.get_config()["learning_rate"]["class_name"] == "OneCycle"
    page = SCHEDULES.read_text("utf-8")
    assert all(f"`{name}`" in page for name in ("OneCycle", "LinearDecay", "WarmupStableDecay"))


def test_the_page_about_the_monitor_records_both_trainings(capsys):
    names = run_code_of(MONITOR)
    schedule = names["schedule"]
    np.testing.assert_allclose(names["monitor"].lrs, schedule(np.arange(90)), rtol=1e-5)
    assert names["second"].lrs == pytest.approx(np.full(90, 0.002))
    assert ", ".join(names["table"].columns) in MONITOR.read_text("utf-8")


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
    assert names["from_generator"].restored
    assert len(names["smoother"]) > 30
    assert names["loop"].lrs[names["loop"].losses.argmin()] == pytest.approx(0.01, rel=0.3)
    assert len(names["table"]) == len(names["result"].lrs) > 20
    assert np.ptp(np.diff(names["linear"].lrs)) == pytest.approx(0, abs=1e-12)
    assert len(names["monitor"].lrs) == 57
    shrunk = 1e-4 + 0.0099 * 0.999**100
    assert names["peaks"] == pytest.approx([1e-2, 1e-2, 1e-2, shrunk], rel=1e-5)


def test_each_row_about_other_finders_is_in_the_code_below_it():
    sections = COMING_FROM.read_text("utf-8").split("\n## ")[1:]
    assert len(sections) == 5
    for section in sections:
        code = "".join(re.findall(r"```python\n(.*?)```", section, re.DOTALL))
        for row in re.findall(r"^\| `.*\|$", section, re.MULTILINE):
            ours = re.findall(r"`([^`]+)`", row.strip("|").split(" | ")[1])
            for word in re.findall(r"\.\w+|\w+(?==)|\"\w+\"", " ".join(ours)):
                known = word in code or word in {".data", ".Dataset"} | RULES
                assert known, f"{word} of {row}"


def test_the_examples_of_the_api_run(capsys):
    names = run_code_of(API)
    assert names["result"].restored
    assert names["comparison"].restored
    assert 1e-3 < names["found"].lr < 0.1
    assert names["tests"]["sgd"].suggest().lr > names["tests"]["adam"].suggest().lr
    assert names["monitor"].lrs.shape == (57,)
    assert float(names["resumed"](57)) == pytest.approx(float(names["schedule"](0)))
    assert "Swap them" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("module", "name"),
    [
        *(("lrwidget", name) for name in lrwidget.__all__),
        *(("lrwidget.schedules", name) for name in lrwidget.schedules.__all__),
    ],
)
def test_every_public_name_has_an_example_that_runs(module, name):
    found = getattr(importlib.import_module(module), name)
    examples = "".join(re.findall(r"```python\n(.*?)```", API.read_text("utf-8"), re.DOTALL))
    assert f"{module}.{name}" in examples or ">>> " in (found.__doc__ or "")
