"""Results of losses that were measured elsewhere."""

import numpy as np
import pytest

from lrwidget import RangeTestResult, suggest
from lrwidget.errors import ConfigError
from tests.core import curves

LRS = curves.ladder(60)
LOSSES = curves.good(LRS)


def test_suggestions_are_those_of_the_losses():
    result = RangeTestResult.from_losses(LRS.tolist(), LOSSES.tolist(), optimizer="sgd")
    assert result.suggest("edge") == suggest(LRS, LOSSES, "edge", optimizer="sgd")
    assert (result.config.min_lr, result.config.max_lr) == (LRS[0], LRS[-1])
    assert (result.config.steps, result.config.mode) == (60, "exponential")
    assert result.stop_reason == "finished"


def test_nothing_was_restored_and_a_file_keeps_that(tmp_path):
    result = RangeTestResult.from_losses(LRS, LOSSES)
    result.save(tmp_path / "result.json")
    loaded = RangeTestResult.load(tmp_path / "result.json")
    assert result.restored is None
    assert loaded.restored is None
    np.testing.assert_array_equal(loaded.losses, result.losses)


def test_a_curve_ends_before_the_first_loss_that_is_not_finite():
    losses = np.stack([LOSSES, LOSSES])
    losses[1, 40] = np.nan
    result = RangeTestResult.from_losses(LRS, losses, metrics={"accuracy": np.ones(60)})
    assert result.stop_reason == "non_finite"
    assert result.sweep_losses.shape == (2, 40)
    assert len(result.lrs) == len(result.metrics["accuracy"]) == 40
    assert result.config.steps == 60


def test_several_sweeps_give_a_median_and_intervals():
    rows = [curves.as_measured(curves.good(LRS, end=9), 0.05, seed) for seed in range(5)]
    result = RangeTestResult.from_losses(LRS, rows, validation_losses=rows)
    np.testing.assert_array_equal(result.losses, np.median(rows, axis=0))
    np.testing.assert_array_equal(result.validation_losses, result.losses)
    assert result.config.sweeps == 5
    assert result.suggest("steepest").low is not None


def test_even_differences_are_the_linear_mode():
    lrs = np.linspace(0.01, 1.0, 50)
    assert RangeTestResult.from_losses(lrs, np.ones(50)).config.mode == "linear"


@pytest.mark.parametrize(
    ("lrs", "losses", "more", "message"),
    [
        ([0.1], [1.0], {}, "`lrs` must have at least 2"),
        ([0.1, 0.2], [1.0], {}, "`lrs` and `losses` must have the same length"),
        ([0.2, 0.1], [1.0, 2.0], {}, "`lrs` must be finite, above 0 and increasing"),
        ([1e-50, 0.1], [1.0, 2.0], {}, r"`lrs\[0\]`"),
        ([0.1, 0.2], ["a", "b"], {}, "`losses` must be an array of real numbers"),
        ([0.1, 0.2], [[[1.0, 2.0]]], {}, "`losses` must have 2 dimensions"),
        ([0.1, 0.2], [1.0, 2.0], {"metrics": [1.0]}, "`metrics` must be a dictionary"),
        ([0.1, 0.2], [1.0, 2.0], {"metrics": {"a": [1.0]}}, r"`metrics\['a'\]`"),
        ([0.1, 0.2], [1.0, 2.0], {"validation_losses": [1.0]}, r"shape of `losses`, \(2,\)"),
        ([0.1, 0.2], [1.0, 2.0], {"optimizer": "adam"}, "optimizer='adam'"),
    ],
)
def test_what_is_no_curve_is_named(lrs, losses, more, message):
    with pytest.raises(ConfigError, match=message):
        RangeTestResult.from_losses(lrs, losses, **more)
