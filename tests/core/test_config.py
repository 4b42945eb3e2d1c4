"""The settings of a range test: plain values, or an error that names the setting."""

import dataclasses
import inspect
import json
import math
from dataclasses import replace

import numpy as np
import pytest

import lrwidget
from lrwidget.core.range_test.settings import RangeTestConfig, RangeTestSettings, SettingsOfSweeps
from lrwidget.errors import ConfigError
from tests.core.battery import batches, compiled

MILLION = 1_000_000

WRONG = {
    "min_lr": [0, -1e-3, math.nan, math.inf, "1e-7", True, 1j, None, [1e-7], 1e-46, np.ones(1)],
    "max_lr": [0, math.nan, math.inf, "10", np.True_, 1e39, np.datetime64("2026-01-01"), print],
    "steps": [1, 0, -5, MILLION + 1, 2**31, 10**30, 50.0, "50", None, False, math.nan],
    "mode": ["cubic", None, 3, ["linear"], b"linear", np.array("linear")],
    "batch_size": [0, -1, 2**31, 32.0, "32", None, True],
    "stop_factor": [0, -1.0, math.nan, -math.inf, "4", True, 4j, [4.0]],
    "sweeps": [0, -1, 1001, 2**31, 3.0, "3", None, True],
    "seed": [-1, 1.5, "7", True, 2**63, np.ones(1, int)],
    "monitor": ["", None, 3, b"loss", ["loss"]],
    "probes_min": [0, 1, "yes", None],
    "probes_max": [0, 1, "yes", None],
}


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in WRONG.items() for value in values],
    ids=lambda each: str(each)[:20],
)
def test_a_wrong_value_is_named_with_what_is_needed(name, value):
    with pytest.raises(ConfigError, match=rf"`{name}` must be .*got {name}=") as caught:
        RangeTestConfig(**{name: value})
    assert isinstance(caught.value, ValueError)


def test_an_error_shows_no_more_of_a_value_than_helps():
    with pytest.raises(ConfigError) as caught:
        RangeTestConfig(steps="x" * 10**6)
    assert len(str(caught.value)) < 300
    with pytest.raises(ConfigError) as caught:
        RangeTestConfig(seed=10**5000)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.float16, np.array, lambda n: n])
def test_any_number_is_welcome_and_becomes_a_plain_one(kind):
    config = RangeTestConfig(min_lr=kind(0.25), max_lr=kind(2), stop_factor=kind(3.5))
    assert config == RangeTestConfig(min_lr=0.25, max_lr=2.0, stop_factor=3.5)
    assert {type(config.min_lr), type(config.max_lr), type(config.stop_factor)} == {float}


@pytest.mark.parametrize("kind", [np.int64, np.uint8, np.array, lambda n: n])
def test_any_whole_number_is_welcome_and_becomes_a_plain_one(kind):
    config = RangeTestConfig(steps=kind(50), sweeps=kind(2), batch_size=kind(8), seed=kind(3))
    assert config == RangeTestConfig(steps=50, sweeps=2, batch_size=8, seed=3)
    assert json.loads(json.dumps(config.as_json())) == config.as_json()


@pytest.mark.parametrize("never", [None, math.inf, np.float32(np.inf)])
def test_no_stop_factor_and_infinity_never_stop(never):
    assert RangeTestConfig(stop_factor=never).stop_factor == math.inf
    model = compiled()
    settings = {"min_lr": 1e-3, "max_lr": 1e4, "steps": 60, "seed": 1}
    assert lrwidget.range_test(model, batches(), **settings).stop_reason == "diverged"
    result = lrwidget.range_test(model, batches(), stop_factor=never, **settings)
    assert result.stop_reason in ("finished", "non_finite")


def test_the_largest_sizes_are_welcome():
    config = RangeTestConfig(steps=MILLION, sweeps=1000)
    assert len(config.ladder()) == MILLION


def test_a_linear_ladder_that_skips_decades_is_a_warning_with_two_remedies():
    with pytest.warns(UserWarning, match=r'Use mode="exponential", or raise min_lr to 5\.26e-1') as w:
        lrwidget.range_test(
            compiled(), batches(), min_lr=1e-7, max_lr=10.0, steps=20, mode="linear"
        )
    (ours,) = [each for each in w if each.category is UserWarning]
    assert ours.filename == __file__
    lrwidget.range_test(compiled(), batches(), min_lr=0.53, max_lr=10.0, steps=20, mode="linear")


def test_settings_changed_later_are_checked_too():
    with pytest.raises(ConfigError, match="`sweeps`"):
        replace(RangeTestConfig(), sweeps=2**31)


def test_the_typed_settings_are_the_keywords_of_range_test_and_of_its_config():
    keywords = [
        name
        for name, each in inspect.signature(lrwidget.range_test).parameters.items()
        if each.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    assert RangeTestSettings.__optional_keys__ == set(keywords)
    fields = {each.name for each in dataclasses.fields(RangeTestConfig)}
    limits = {"min_lr", "max_lr", "probes_min", "probes_max"}
    assert SettingsOfSweeps.__optional_keys__ == fields - limits
