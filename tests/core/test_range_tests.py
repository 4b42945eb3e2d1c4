"""range_tests: one range test for each of several ways to train, from the same start."""

import keras
import numpy as np
import pytest
from keras import layers

import lrwidget
from lrwidget.errors import BusyError, ConfigError, LRWidgetError, ModelError
from tests.core.battery import compiled, features, labels
from tests.core.test_no_trace import raiser, state_of

X, Y = features(), labels()
SETTINGS = {"steps": 30, "min_lr": 1e-4, "max_lr": 1.0, "stop_factor": None}
VARIANTS = {
    "as it is": {},
    "again": {},
    "a copy": {"clipnorm": None},
    "decay": {"weight_decay": 0.5},
    "<sgd> $x$": keras.optimizers.SGD(0.1),
    "_large": {"batch_size": 48},
}


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(2)
    model = compiled(keras.optimizers.Adam(0.01), layers.Dense(6), layers.Dropout(0.2))
    model.fit(X, Y, verbose=0)
    return model


@pytest.fixture(scope="module")
def tests(model) -> lrwidget.RangeTests:
    before = state_of(model)
    found = lrwidget.range_tests(model, (X, Y), VARIANTS, **SETTINGS)
    assert state_of(model) == before
    return found


def test_it_maps_the_names_to_results(tests):
    assert list(tests) == list(VARIANTS)
    assert len(tests) == len(VARIANTS)
    assert all(isinstance(each, lrwidget.RangeTestResult) for each in tests.values())
    assert all(each.restored for each in tests.values())
    with pytest.raises(KeyError):
        tests["none"]


def test_the_present_settings_give_the_range_test_of_the_model(unchanged, tests):
    alone = lrwidget.range_test(unchanged, (X, Y), seed=0, **SETTINGS)
    for name in ("as it is", "again", "a copy"):
        np.testing.assert_array_equal(tests[name].losses, alone.losses)


def test_another_setting_gives_another_curve_from_the_same_start(tests):
    for name in ("decay", "<sgd> $x$"):
        assert tests[name].losses[0] == tests["as it is"].losses[0]
        assert not np.array_equal(tests[name].losses, tests["as it is"].losses)
    assert tests["_large"].config.batch_size == 48


def test_each_curve_has_its_own_suggestion(tests):
    found = tests.suggestions(rule="steepest")
    assert list(found) == list(VARIANTS)
    assert found["as it is"].lr == tests["as it is"].suggest("steepest").lr
    assert "decay: " in repr(tests)


def test_one_chart_holds_all_curves(tests):
    axes = tests.plot()
    axes.figure.canvas.draw()
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert len(texts) == len(VARIANTS)
    assert texts[4].startswith("<sgd> $x$ (")
    assert axes.get_xscale() == "log"
    assert tests.plot(axes) is axes


def test_the_table_has_one_row_for_each_point_of_each_curve(tests):
    frame = tests.to_frame()
    assert len(frame) == sum(len(each.lrs) for each in tests.values())
    assert set(frame["name"]) == set(VARIANTS)


def test_learning_rates_are_refused_because_the_test_moves_them(unchanged):
    for variants in ([0.1], {"a": {"learning_rate": 0.1}}):
        with pytest.raises(ConfigError, match="has a learning rate, which the range test itself"):
            lrwidget.range_tests(unchanged, (X, Y), variants, **SETTINGS)


@pytest.mark.parametrize(
    ("variants", "settings", "message"),
    [
        ({"a": {"wd": 1}}, {}, "unknown changes"),
        ({}, {}, "1 to 1000 variants"),
        ({"a": lambda steps: {}}, {}, "A variant is"),
        ({"a": {}}, {"steps": 1}, "steps"),
        ({"a": {"batch_size": 8}}, {"optimizer": 3}, "optimizer=3"),
    ],
)
def test_what_cannot_be_used_is_refused(unchanged, variants, settings, message):
    with pytest.raises(LRWidgetError, match=message):
        lrwidget.range_tests(unchanged, (X, Y), variants, **settings)


def test_an_error_on_the_way_restores_the_model(unchanged):
    with pytest.raises(ZeroDivisionError):
        lrwidget.range_tests(
            unchanged,
            (X, Y),
            {"sgd": keras.optimizers.SGD(0.1)},
            on_update=raiser(ZeroDivisionError()),
            **SETTINGS,
        )


def test_a_model_in_use_is_refused(unchanged):
    def use(_update: object) -> None:
        with pytest.raises(BusyError):
            lrwidget.range_tests(unchanged, (X, Y), [{}], **SETTINGS)

    lrwidget.range_test(unchanged, (X, Y), on_update=use, **SETTINGS)


def test_a_model_that_is_not_compiled_is_refused():
    model = keras.Sequential([keras.Input((6,)), layers.Dense(3)])
    with pytest.raises(ModelError, match="not compiled"):
        lrwidget.range_tests(model, (X, Y), [{}], **SETTINGS)
