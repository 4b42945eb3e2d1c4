"""What a range test hands back."""

import dataclasses
import json

import numpy as np
import pytest

import lrwidget
from lrwidget.core.config import RangeTestConfig
from lrwidget.core.result import RangeTestResult, Restored
from lrwidget.core.suggest import suggest
from lrwidget.errors import DataError


@pytest.fixture
def result():
    lrs = lrwidget.lr_ladder(1e-5, 1.0, 60, "exponential")
    position = np.linspace(0, 1, 60)
    losses = 2.3 - 2.0 / (1 + np.exp(-(position - 0.5) * 30)) + 1e-3 * np.exp(position * 9)
    validation = np.stack([losses, losses + 0.1, losses + 0.2])
    return RangeTestResult(
        lrs=lrs,
        losses=losses,
        sweep_losses=losses[None, :] + np.array([[-0.1], [0.0], [0.1]]),
        metrics={"accuracy": 1 - losses / 3},
        stop_reason="diverged",
        config=RangeTestConfig(min_lr=1e-5, max_lr=1.0, steps=60, sweeps=3, seed=9),
        restored=Restored("0badcafe", "0badcafe"),
        validation_losses=validation[1],
        sweep_validation_losses=validation,
        optimizer="sgd",
        versions={"keras": "3.0"},
    )


def test_a_result_cannot_be_changed(result):
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.lrs = None
    with pytest.raises(ValueError, match="read-only"):
        result.losses[0] = 1.0


def test_saving_and_loading_gives_the_same_bits(result, tmp_path):
    result.save(tmp_path / "result.json")
    loaded = RangeTestResult.load(tmp_path / "result.json")
    for name in ("lrs", "losses", "sweep_losses", "validation_losses", "sweep_validation_losses"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(result, name))
    np.testing.assert_array_equal(loaded.metrics["accuracy"], result.metrics["accuracy"])
    assert (loaded.config, loaded.stop_reason) == (result.config, result.stop_reason)
    assert loaded.versions == result.versions
    assert loaded.suggestions() == result.suggestions()


def test_a_file_of_the_first_format_can_still_be_read(result, tmp_path):
    path = tmp_path / "old.json"
    result.save(path)
    content = json.loads(path.read_text())
    del content["optimizer"], content["sweep_validation_losses"]
    path.write_text(json.dumps(content | {"format": 1}))
    loaded = RangeTestResult.load(path)
    np.testing.assert_array_equal(loaded.losses, result.losses)
    assert loaded.suggest("valley") == result.suggest("valley")
    assert loaded.suggest("auto").lr < result.suggest("auto").lr


def test_a_result_suggests_for_its_optimizer_and_with_its_validation_loss(result):
    sweeps = list(zip(result.sweep_losses, result.sweep_validation_losses, strict=True))
    alone = [
        suggest(result.lrs, losses, optimizer="sgd", validation_losses=validation).lr
        for losses, validation in sweeps
    ]
    found = result.suggest()
    assert found.lr == alone[1]
    assert (found.low, found.high) == pytest.approx(np.quantile(alone, [0.1, 0.9]), rel=1e-3)
    assert dataclasses.replace(result, optimizer="other").suggest().lr < found.lr


@pytest.mark.parametrize("content", ["not json", "[]", "{}", json.dumps({"format": 99})])
def test_loading_something_else_is_refused(content, tmp_path):
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"other\.json"):
        RangeTestResult.load(path)


def test_there_is_a_suggestion_for_every_rule(result):
    suggestions = result.suggestions()
    assert {"minimum", "steepest", "valley", "auto"} <= set(suggestions)
    for rule, suggestion in suggestions.items():
        assert suggestion.rule == rule
        assert result.lrs[0] <= suggestion.lr <= result.lrs[result.losses.argmin()]


def test_a_frame_has_a_row_for_each_rate(result):
    frame = result.to_frame()
    assert list(frame.columns) == ["lr", "loss", "smoothed_loss", "validation_loss", "accuracy"]
    np.testing.assert_array_equal(frame["lr"], result.lrs)


def test_a_plot_shows_raw_and_smoothed_losses_and_names_the_rules(result):
    import matplotlib as mpl

    mpl.use("agg")
    axes = result.plot()
    assert axes.get_xscale() == "log"
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), result.losses)
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), result.smoothed())
    legend = " ".join(text.get_text() for text in axes.get_legend().get_texts())
    assert "minimum" in legend
    assert "auto" in legend


def test_an_empty_result_can_be_asked_everything(tmp_path):
    empty = RangeTestResult(
        lrs=np.empty(0),
        losses=np.empty(0),
        sweep_losses=np.empty((1, 0)),
        metrics={},
        stop_reason="stopped",
        config=RangeTestConfig(),
        restored=Restored("", ""),
        validation_losses=np.empty(0),
        sweep_validation_losses=np.empty((1, 0)),
    )
    assert all(suggestion.lr is None for suggestion in empty.suggestions().values())
    assert empty.to_frame().empty
    empty.save(tmp_path / "empty.json")
    assert RangeTestResult.load(tmp_path / "empty.json").sweep_losses.shape == (1, 0)
