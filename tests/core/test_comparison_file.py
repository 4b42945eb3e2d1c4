"""Comparison: saved and loaded, drawn, as a table and in words, without any training."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrwidget
from lrwidget.core.compare.comparison import Comparison
from lrwidget.core.compare.run import Run
from lrwidget.core.model.restored import Restored
from lrwidget.errors import ConfigError, DataError, FileError

STEPS = 40
ODD = "_<b>$\\alpha$</b> & 'ü'\n"


def made_run(name: str, seed: int, level: float, end: str = "finished", count: int = STEPS) -> Run:
    random = np.random.default_rng(seed)
    validation = np.full(count, np.nan)
    validation[3::4] = level + 1
    return Run(
        name=name,
        seed=seed,
        lrs=np.linspace(0.1, 0.01, STEPS)[:count],
        losses=level + 0.1 * random.normal(size=count),
        metrics={"accuracy": random.uniform(size=count), "odd": np.full(count, math.inf)},
        validation_losses=validation,
        stop_reason=end,
        seconds=0.5,
        steps=STEPS,
        validation_batches=level + random.uniform(size=4) if end == "finished" else np.empty(0),
    )


def made_comparison(seeds: int = 2) -> Comparison:
    runs = [made_run("good", seed, 1.0) for seed in range(seeds)]
    runs += [made_run(ODD, seed, 1.02) for seed in range(seeds)]
    runs += [made_run("up", seed, 5.0, "diverged", 9) for seed in range(seeds)]
    runs += [made_run("none", seed, 5.0, "stopped", 0) for seed in range(seeds)]
    return Comparison.of(
        runs,
        settings={"steps": STEPS, "seeds": seeds, "seed": 3, "rounds": [STEPS], "validated": True},
        steps_done=seeds * (2 * STEPS + 9),
        restored=Restored("0a", "0a"),
    )


COMPARISON = made_comparison()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "comparison.json"
    COMPARISON.save(path)
    return path


def test_a_saved_comparison_comes_back_as_it_was(file):
    loaded = lrwidget.Comparison.load(file)
    assert repr(loaded) == repr(COMPARISON)
    assert loaded.ranking[:2] == COMPARISON.ranking[:2]
    assert loaded.settings == COMPARISON.settings
    assert loaded.restored == COMPARISON.restored
    assert (loaded.steps, loaded.seconds) == (COMPARISON.steps, COMPARISON.seconds)
    assert loaded.versions["numpy"]
    for mine, theirs in zip(loaded.runs, COMPARISON.runs, strict=True):
        assert (mine.name, mine.seed, mine.stop_reason) == (
            theirs.name,
            theirs.seed,
            theirs.stop_reason,
        )
        for name in ("lrs", "losses", "validation_losses", "validation_batches"):
            np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name))
        assert mine.metrics.keys() == theirs.metrics.keys()
        for name in mine.metrics:
            np.testing.assert_array_equal(mine.metrics[name], theirs.metrics[name])
    loaded.plot()


def test_the_file_is_strict_json(file):
    def refuse(word: str) -> None:
        raise AssertionError(word)

    content = json.loads(file.read_text(encoding="utf-8"), parse_constant=refuse)
    assert content["kind"] == "comparison"
    assert content["format"] == 1


def changed(**entries: Any):
    return lambda content: content.update(entries)


CHANGES = {
    "another kind": changed(kind="range test"),
    "no runs": changed(runs=[]),
    "runs of another type": changed(runs="two"),
    "a run of another type": changed(runs=[3]),
    "no settings": lambda content: content.pop("settings"),
    "a newer format": changed(format=99),
    "restored of another type": changed(restored=[1, 2]),
    "a shorter array": lambda content: content["runs"][0]["losses"].pop(),
    "a metric of another length": lambda content: content["runs"][0]["metrics"]["odd"].pop(),
    "text in an array": lambda content: content["runs"][0].update(losses=["a"] * STEPS),
    "no name": lambda content: content["runs"][0].pop("name"),
    "an unknown end": lambda content: content["runs"][0].update(stop_reason="bored"),
    "metrics of another type": lambda content: content["runs"][0].update(metrics=[1]),
    "steps in words": lambda content: content["runs"][0].update(steps="many"),
    "endless seconds": lambda content: content["runs"][0].update(seconds="Infinity"),
    "notes of another type": changed(notes=3),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_changed_file_raises_a_data_error_that_names_the_file(file, change):
    content = json.loads(file.read_text(encoding="utf-8"))
    change(content)
    file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(DataError, match="comparison"):
        Comparison.load(file)


def test_a_file_of_something_else_is_no_comparison(tmp_path):
    (tmp_path / "a.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match=r"Comparison\.save"):
        Comparison.load(tmp_path / "a.json")
    with pytest.raises(FileError, match="cannot be read"):
        Comparison.load(tmp_path / "none.json")
    with pytest.raises(ConfigError, match="path"):
        Comparison.load(3)
    with pytest.raises(FileError, match="cannot be saved"):
        COMPARISON.save(tmp_path / "no folder" / "a.json")


@pytest.mark.parametrize("show", COMPARISON.series_names())
def test_every_series_can_be_drawn(show):
    axes = COMPARISON.plot(show=show)
    axes.figure.canvas.draw()
    assert axes.get_xlabel() == "Training step"
    if show == "odd":
        assert axes.get_legend() is None  # no value of it can be drawn
    else:
        assert len(axes.get_legend().get_texts()) == 3


def test_the_series_are_the_losses_the_learning_rate_and_the_metrics():
    assert COMPARISON.series_names() == ["loss", "validation_loss", "lr", "accuracy", "odd"]
    with pytest.raises(ConfigError, match='"validation_loss", "lr"'):
        COMPARISON.plot(show="speed")


def test_it_draws_on_the_axes_of_the_user():
    from matplotlib.figure import Figure

    mine = Figure().add_subplot()
    assert COMPARISON.plot(mine) is mine


def test_the_table_has_one_row_for_each_step_of_each_run():
    frame = COMPARISON.to_frame()
    assert len(frame) == 2 * (2 * STEPS + 9)
    assert list(frame.columns) == [
        "name",
        "seed",
        "step",
        "lr",
        "loss",
        "validation_loss",
        "accuracy",
        "odd",
    ]
    part = frame[(frame["name"] == "good") & (frame["seed"] == 1)]
    np.testing.assert_array_equal(part["loss"], COMPARISON.runs[1].losses)


def test_the_sentence_says_who_is_best_and_who_is_tied():
    assert COMPARISON.best == COMPARISON.ranking[0].name
    assert set(COMPARISON.tied) <= {"good", ODD}
    assert "is best with probability" in COMPARISON.summary
    assert "2 seeds" in COMPARISON.basis
    assert "this order of the data" in made_comparison(seeds=1).basis


def test_seeds_that_are_alike_are_said_to_be():
    runs = [made_run("a", 0, 1.0), made_run("b", 0, 2.0)]
    runs += [Run(**{**vars(run), "seed": 1}) for run in runs]
    comparison = Comparison.of(runs, settings={}, steps_done=160, restored=None)
    assert "keep their own order" in comparison.basis


def test_nothing_that_finished_means_no_best():
    runs = [made_run("up", 0, 5.0, "diverged", 9), made_run("none", 0, 5.0, "stopped", 0)]
    comparison = Comparison.of(runs, settings={}, steps_done=9, restored=None)
    assert comparison.best is None
    assert comparison.tied == ()
    assert comparison.summary.startswith("No variant finished (")
    comparison.plot()
    comparison._repr_html_()


def test_the_html_escapes_odd_names():
    text = COMPARISON._repr_html_()
    assert "<b>" not in text
    assert "&lt;b&gt;" in text
    assert "the loss rose far above its lowest level" in text


def test_a_name_with_dollar_signs_is_drawn_as_it_is():
    axes = COMPARISON.plot()
    axes.figure.canvas.draw()
    texts = axes.get_legend().get_texts()
    assert all(not text.get_parse_math() for text in texts)
