"""Wrong arguments are refused before anything has changed, by an error that names them."""

import keras
import numpy as np
import pytest
from matplotlib.figure import Figure

import lrwidget
from lrwidget.errors import ConfigError, DataError, ModelError
from tests.core.battery import FEATURES, compiled, features, labels

SETTINGS = {"min_lr": 1e-4, "max_lr": 1e-2, "steps": 5}


def data():
    return features(), labels()


class Slices(keras.utils.PyDataset):
    """Gives empty batches for ever if it is read beyond its length."""

    def __len__(self):
        return 3

    def __getitem__(self, index):
        rows = slice(16 * index, 16 * index + 16)
        return features()[rows], labels()[rows]


class WithoutLength:
    """A DataLoader over an endless dataset."""

    def __iter__(self):
        while True:
            yield features(), labels()

    def __len__(self):
        raise TypeError("object of type 'Stream' has no len()")


@pytest.fixture(scope="module")
def model():
    return compiled()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: 3, r"must return the batches of one pass; it returned 3\..*generator function"),
        (lambda: None, "it returned None"),
        (lambda size: iter([data()] * size), "must take no argument.*lambda"),
        (int, "it returned 0"),
        (compiled(), "Data of type Sequential cannot be used"),
    ],
)
@pytest.mark.parametrize("place", ["data", "validation_data"])
def test_a_function_that_gives_no_batches_is_a_data_error(model, wrong, message, place):
    arguments = {"data": data(), place: wrong}
    with pytest.raises(DataError, match=message):
        lrwidget.range_test(model, **arguments, **SETTINGS)


def test_a_function_may_return_a_py_dataset():
    result = lrwidget.range_test(compiled(), Slices, steps=10, min_lr=1e-4, max_lr=1e-2)
    same = lrwidget.range_test(compiled(), Slices(), steps=10, min_lr=1e-4, max_lr=1e-2)
    assert len(result.losses) == len(same.losses) == 10


def test_data_whose_length_is_not_known_are_read_as_endless(model):
    assert len(lrwidget.range_test(model, WithoutLength(), **SETTINGS).losses) == 5


def test_validation_data_without_targets_are_named(model):
    with pytest.raises(DataError, match="The validation data have inputs but no targets"):
        lrwidget.range_test(model, data(), validation_data=features(), **SETTINGS)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"cat": 2.0}, "class_weight='cat'.*keys are class numbers"),
        ({0.5: 2.0}, "class_weight=0.5"),
        ({0: None}, r"class_weight\[0\]=None"),
        ({1: np.nan}, r"class_weight\[1\]=nan"),
    ],
)
def test_a_class_weight_that_fit_would_ignore_or_turn_into_nan_is_refused(model, weights, message):
    with pytest.raises(ConfigError, match=message):
        lrwidget.range_test(model, data(), class_weight=weights, **SETTINGS)


def test_classes_may_be_any_whole_numbers(model):
    weights = {np.int64(0): 1.0, 1.0: np.float32(2.0), np.float64(2.0): 3}
    assert lrwidget.range_test(model, data(), class_weight=weights, **SETTINGS).restored


@pytest.mark.parametrize("listener", ["on_update", "stop"])
@pytest.mark.parametrize("wrong", [3, "abc", lambda: None])
def test_a_listener_that_cannot_be_called_is_refused_before_the_test(model, listener, wrong):
    with pytest.raises(ConfigError, match=listener):
        lrwidget.range_test(model, data(), **{listener: wrong}, **SETTINGS)


@pytest.mark.parametrize(
    "call",
    [
        lambda: lrwidget.range_test_loop(lambda: 1.0, min_lr=1e-3, max_lr=1.0, steps=4),
        lambda: lrwidget.neighbors(0.1, schedule=lambda lr: lr),
        lambda: lrwidget.register_rule("one", lambda lrs: lrs[0]),
        lambda: lrwidget.schedules.CyclicalLearningRate(0.1, 0.2, 5, lambda: 1.0),
        lambda: lrwidget.LRRangeTest(learning_rate=lambda: None),
    ],
)
def test_a_function_that_takes_other_arguments_is_refused(call):
    with pytest.raises(ConfigError, match="function"):
        call()


def test_an_array_without_dimensions_is_no_list():
    lrs = lrwidget.lr_ladder(1e-4, 1.0, 20)
    result = lrwidget.RangeTestResult.from_losses(lrs, 2.0 - lrs)
    with pytest.raises(ConfigError, match=r"`rules`.*array\(0\.\)"):
        result.plot(Figure().subplots(), rules=np.array(0.0))
    with pytest.raises(ConfigError, match="`factors`"):
        lrwidget.neighbors(0.1, factors=np.array(2.0))


def test_rounds_may_be_an_array(model):
    rounds = np.array([2, 4])
    compared = lrwidget.compare(model, data(), [0.1, 0.01], steps=4, rounds=rounds)
    assert [run.steps for run in compared.runs]


@pytest.mark.parametrize("wrong", ["no", 2, None])
def test_restart_is_true_or_false(model, wrong):
    with pytest.raises(ConfigError, match="`restart` must be True or False"):
        lrwidget.apply_lr(model, lrwidget.schedules.OneCycle(0.1, 10), restart=wrong)


@pytest.mark.parametrize("wrong", ["abc", 0.1, keras.optimizers.SGD])
def test_the_callback_refuses_what_is_no_learning_rate(wrong):
    with pytest.raises(ConfigError, match=r"`learning_rate` must be a keras\.Variable"):
        lrwidget.LRRangeTest(learning_rate=wrong)


def without_weights() -> keras.Model:
    model = keras.Sequential([keras.Input((FEATURES,)), keras.layers.Rescaling(2.0)])
    model.compile("sgd", "mse")
    return model


def frozen() -> keras.Model:
    model = compiled()
    model.trainable = False
    model.compile("sgd", "mse")
    return model


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
@pytest.mark.parametrize("make", [without_weights, frozen])
@pytest.mark.parametrize("eager", [False, True])
def test_a_model_without_trainable_weights_is_called_so(make, eager):
    model = make()
    model.run_eagerly = eager
    targets = np.zeros(model.output_shape[1:], "float32") + np.zeros((48, 1), "float32")
    with pytest.raises(ModelError, match=r"has no trainable weights.*trainable = True"):
        lrwidget.range_test(model, (features(), targets), **SETTINGS)


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
def test_the_callbacks_know_a_model_without_trainable_weights():
    model = frozen()
    targets = np.zeros((48, 3), "float32")
    with pytest.raises(ModelError, match="has no trainable weights"):
        model.fit(features(), targets, verbose=0, callbacks=[lrwidget.LRRangeTest(steps=2)])
    monitor = lrwidget.LRMonitor()
    model.fit(features(), targets, verbose=0, callbacks=[monitor])
    assert len(monitor.losses) == 2
