"""The page about reading curves: what it says about each curve is what comes out."""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "curves.md").read_text("utf-8")
STORIES = {
    re.search(r"pictures/curves/(\w+)\.svg", story)[1]: story  # type: ignore[index]
    for story in PAGE.split("\n## ")[1:]
}


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    """The names of the script that makes the pictures."""
    return runpy.run_path(str(DOCS / "make_curves.py"))


def test_each_curve_has_its_story_and_its_picture(script: dict[str, Any]) -> None:
    assert list(STORIES) == list(script["CURVES"])
    assert len(STORIES) == 12
    pictures = {path.stem for path in (DOCS / "pictures" / "curves").glob("*.svg")}
    assert pictures == set(STORIES)


@pytest.mark.parametrize("name", STORIES)
def test_a_curve_is_what_its_story_says(script: dict[str, Any], name: str) -> None:
    curve, story = script["CURVES"][name], STORIES[name]
    result = script["run"](curve.test)
    suggestion = result.suggest()
    assert result.restored
    assert f"**Confidence: {suggestion.confidence}" in story
    assert bool(suggestion.codes) == bool(curve.codes)
    assert set(suggestion.codes) <= set(curve.codes)
    for code in re.findall(r"\scode\s`(\w+)`", story):
        assert code in suggestion.codes
    drawn = (DOCS / "pictures" / "curves" / f"{name}.svg").read_text("utf-8")
    shown = [float(lr) for lr in re.findall(r"auto: ([\d.]+(?:e-?\d+)?)", drawn)]
    lrs = [] if suggestion.lr is None else [suggestion.lr]
    assert shown == pytest.approx(lrs, rel=0.2)
    assert ("Remedy:" in story) == (curve.remedied is not None)
    if curve.remedied is not None:
        assert script["run"](curve.remedied).suggest().confidence == "high"
