"""`train_step` gets each batch of a range test exactly as `fit` would hand it over."""

import gc
import weakref
from collections.abc import Callable
from typing import Any, ClassVar

import keras
import numpy as np
import pandas as pd
import psutil
import pytest
import scipy.sparse
import tensorflow as tf
from keras import layers

import lrwidget
from lrwidget.core.data.source import source_of
from lrwidget.errors import DataError
from tests.core.battery import FEATURES, SAMPLES, compiled, features, labels

BATCH = 8


class Recording(keras.Model):
    """Notes what its training step is given, and trains one weight on nothing of it."""

    seen: ClassVar[list[Any]] = []  # not of the instance: that comes back as it was

    def __init__(self):
        super().__init__()
        self.weight = self.add_weight(shape=(), initializer="ones")

    def train_step(self, data):
        self.seen.append(described(data))
        with tf.GradientTape() as tape:
            loss = tf.square(tf.convert_to_tensor(self.weight))
        self.optimizer.apply([tape.gradient(loss, self.weight.value)], [self.weight])
        return {"loss": loss}


def described(data: Any) -> Any:
    def one(value: Any) -> Any:
        if value is None:
            return "None"
        return type(value).__name__, value.shape.as_list()[1:], value.dtype.name

    kinds = keras.tree.map_structure(one, data)
    return type(data).__name__, kinds


def recorded(train: Callable[[keras.Model], Any]) -> Any:
    model = Recording()
    model.compile("sgd")
    train(model)
    return model.seen.pop()


def words() -> np.ndarray:
    return np.array([f"word {number}" for number in range(SAMPLES)], dtype=object)


def ragged() -> tf.RaggedTensor:
    return tf.ragged.constant([[1.0] * (1 + number % 3) for number in range(SAMPLES)])


def column() -> np.ndarray:
    return features()[:, 0]


ARRAYS = {
    "x alone": lambda: (features(),),
    "x and y": lambda: (features(), labels()),
    "sample weights": lambda: (features(), labels(), np.ones(SAMPLES)),
    "None as sample weights": lambda: (features(), labels(), None),
    "float64": lambda: (features().astype("float64"), features()[:, :1].astype("float64")),
    "columns": lambda: ({"age": column(), "income": column()}, column()),
    "list of inputs": lambda: ([features(), column()], labels()),
    "dict of outputs": lambda: (features(), {"kind": labels(), "size": column()}),
    "an input that is None": lambda: ({"image": features(), "mask": None}, labels()),
    "pandas": lambda: (pd.DataFrame(features()), pd.Series(labels())),
    "pandas frame of targets": lambda: (features(), pd.DataFrame({"target": column()})),
    "tensors": lambda: (tf.constant(features()), tf.constant(labels())),
    "scipy sparse": lambda: (scipy.sparse.csr_matrix(features()), labels()),
    "sparse tensor": lambda: (tf.sparse.from_dense(features()), labels()),
    "ragged tensor": lambda: (ragged(), labels()),
    "strings": lambda: (words(), labels()),
    "booleans and bytes": lambda: ({"flag": column() > 0, "byte": np.uint8(labels())}, labels()),
}


if keras.__version__.startswith("3.7."):  # whose own `fit` fails on None in the data
    del ARRAYS["an input that is None"]


@pytest.mark.parametrize("form", ARRAYS)
def test_arrays_reach_the_training_step_as_in_fit(form):
    data = ARRAYS[form]()
    x, y, weights = (*data, None, None)[:3]
    wanted = recorded(
        lambda model: model.fit(x, y, sample_weight=weights, batch_size=BATCH, verbose=0)
    )
    got = recorded(lambda model: lrwidget.range_test(model, data, batch_size=BATCH, steps=2))
    assert got == wanted


def test_x_needs_no_tuple():
    for x in (features(), {"a": features(), "b": column()}, tf.constant(features())):
        wanted = recorded(lambda model, x=x: model.fit(x, verbose=0))
        assert recorded(lambda model, x=x: lrwidget.range_test(model, x, steps=2)) == wanted


def batched(*parts: Any) -> list[Any]:
    """Return the batches of some arrays, each batch a list of the parts."""
    return [[part[start : start + BATCH] for part in parts] for start in range(0, SAMPLES, BATCH)]


BATCHES = {
    "x and y": lambda: [(x, y) for x, y in batched(features(), labels())],
    "x alone": lambda: [(x,) for (x,) in batched(features())],
    "dicts": lambda: [{"image": x, "label": y} for x, y in batched(features(), labels())],
    "dicts in tuples": lambda: [({"image": x}, y) for x, y in batched(features(), labels())],
    "float64 and columns": lambda: [
        (x.astype("float64"), y) for x, y in batched(features(), column())
    ],
    "None as an input": lambda: [
        ({"image": x, "mask": None}, y) for x, y in batched(features(), labels())
    ],
    "None as sample weights": lambda: [(x, y, None) for x, y in batched(features(), labels())],
    "scipy sparse": lambda: [
        (scipy.sparse.csr_matrix(x), y) for x, y in batched(features(), labels())
    ],
    "other lengths": lambda: [
        (np.ones((BATCH, 2 + k)), y) for k, (y,) in enumerate(batched(labels()))
    ],
}


# What `fit` itself takes from a generator, not from a PyDataset.
FOR_GENERATORS_ONLY = ("None as an input", "None as sample weights", "scipy sparse")


class Sequence(keras.utils.PyDataset):
    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


if keras.__version__.startswith("3.7."):
    del BATCHES["None as an input"], BATCHES["None as sample weights"]


@pytest.mark.parametrize("form", BATCHES)
def test_batches_of_python_data_reach_the_training_step_as_in_fit(form):
    batches = BATCHES[form]()

    def generator():
        yield from batches

    as_fit_takes_them = generator() if form in FOR_GENERATORS_ONLY else Sequence(batches)
    settings = {"steps_per_epoch": len(batches), "verbose": 0, "shuffle": False}
    wanted = recorded(lambda model: model.fit(as_fit_takes_them, **settings))
    for data in (Sequence(batches), batches, generator, generator()):
        got = recorded(lambda model, data=data: lrwidget.range_test(model, data, steps=2))
        assert got == wanted


def test_lists_in_a_batch_reach_the_training_step_as_tuples():
    batches = [([x, x], y) for x, y in batched(features(), labels())]
    as_tuples = [((x, x), y) for x, y in batched(features(), labels())]
    wanted = recorded(lambda model: model.fit(Sequence(as_tuples), verbose=0, shuffle=False))
    assert recorded(lambda model: lrwidget.range_test(model, batches, steps=2)) == wanted


def dataset(data: Any) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(data)


DATASETS = {
    "columns": lambda: dataset(({"age": column()}, column())).batch(BATCH),
    "a number for each batch": lambda: dataset(
        {"x": features().reshape(6, 8, FEATURES), "nodes": np.arange(6)}
    ),
    "two batch sizes": lambda: dataset((features().reshape(6, 8, 6), features().reshape(6, 4, 12))),
    "ragged": lambda: dataset((ragged(), labels())).batch(BATCH),
    "sparse": lambda: dataset((tf.sparse.from_dense(features()), labels())).batch(BATCH),
    "strings": lambda: dataset((words(), labels())).batch(BATCH),
    "x alone": lambda: dataset(features()).batch(BATCH),
    "one part in a tuple": lambda: dataset((features(),)).batch(BATCH),
    "float64": lambda: dataset((features().astype("float64"), labels())).batch(BATCH),
}


@pytest.mark.parametrize("form", DATASETS)
def test_batches_of_a_pipeline_reach_the_training_step_as_in_fit(form):
    wanted = recorded(lambda model: model.fit(DATASETS[form](), verbose=0, shuffle=False))
    got = recorded(lambda model: lrwidget.range_test(model, DATASETS[form](), steps=2))
    assert got == wanted


def weighted_loss(labels_: np.ndarray, output: layers.Layer, x: np.ndarray) -> tuple[Any, ...]:
    model = keras.Sequential([keras.Input(x.shape[1:]), output])
    model.compile(keras.optimizers.SGD(1e-9), keras.losses.BinaryCrossentropy(from_logits=True))
    return model, x, labels_


def marks() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 2, (SAMPLES, 4, 1)).astype("float32")


WEIGHTED = {
    "hard labels": lambda: weighted_loss(marks()[:, 0], layers.Dense(1), features()),
    "soft labels": lambda: weighted_loss(0.1 + 0.8 * marks()[:, 0], layers.Dense(1), features()),
    "sequences": lambda: weighted_loss(
        marks(), layers.Dense(1), np.repeat(features()[:, None], 4, axis=1)
    ),
    "masks": lambda: weighted_loss(
        marks()[:, :, None], layers.Conv2D(1, 1), np.ones((SAMPLES, 4, 1, 2), "float32")
    ),
}


@pytest.mark.parametrize("form", WEIGHTED)
def test_class_weights_mean_what_they_mean_in_fit(form):
    model, x, y = WEIGHTED[form]()
    data, weights = dataset((x, y)).batch(SAMPLES), {0: 1.0, 1: 9.0}
    wanted = model.fit(data, verbose=0, shuffle=False, class_weight=weights).history["loss"][0]
    result = lrwidget.range_test(
        model, data, steps=2, min_lr=1e-9, max_lr=1e-8, class_weight=weights
    )
    np.testing.assert_allclose(result.losses[0], wanted, rtol=1e-5)


@pytest.mark.parametrize("weights", [{}, [1.0, 2.0], 3])
def test_class_weights_of_another_kind_are_refused(weights):
    with pytest.raises(DataError, match=r"class_weight.*maps class numbers"):
        lrwidget.range_test(compiled(), (features(), labels()), class_weight=weights)


class SeveralValues(keras.metrics.Metric):
    def __init__(self):
        super().__init__(name="several")
        self.count = self.add_weight(name="count", initializer="zeros")

    def update_state(self, *_args, **_kwargs):
        self.count.assign_add(1.0)

    def result(self):
        return {"low": self.count + 0.0, "high": self.count * 2}


def test_a_metric_may_report_several_values():
    result = lrwidget.range_test(
        compiled(metrics=[SeveralValues()]), (features(), labels()), steps=5, max_lr=1e-3
    )
    np.testing.assert_array_equal(result.metrics["low"], 1.0)
    np.testing.assert_array_equal(result.metrics["high"], 2.0)


UNREADABLE = {
    "text": (lambda: (np.array(["a"] * SAMPLES), labels()), r"str32.*tf\.constant"),
    "column of text": (lambda: (pd.DataFrame({"a": ["x"] * SAMPLES}), labels()), "tf.constant"),
    "nullable column": (lambda: (features(), pd.Series(labels(), dtype="Int64")), "astype"),
    "lists": (lambda: (features().tolist(), labels()), r"np\.array"),
    "lists in batches": (lambda: [(features().tolist(), labels())], r"np\.array"),
    "a number as y": (lambda: (features(), np.float32(1.0)), "fit` would not take"),
    "text in batches": (lambda: [(np.array(["a"] * BATCH), labels()[:BATCH])], r"tf\.constant"),
    "batches without parts": (lambda: [(), ()], "no array"),
}


@pytest.mark.parametrize("form", UNREADABLE)
def test_data_that_keras_cannot_read_are_refused_in_short_with_a_remedy(form):
    make, message = UNREADABLE[form]
    with pytest.raises(DataError, match=message) as caught:
        lrwidget.range_test(compiled(), make(), steps=5)
    assert len(str(caught.value)) < 700


def test_a_generator_is_started_once_for_each_sweep():
    starts = []

    def generator():
        starts.append(1)
        while True:
            yield features(), labels()

    lrwidget.range_test(compiled(), generator, steps=12, max_lr=1e-3, sweeps=3)
    assert len(starts) == 3
    lrwidget.range_test(compiled(), generator, steps=60, max_lr=1e-3)
    assert len(starts) == 5  # the probe has one of its own


def test_a_generator_that_is_endless_may_be_given_itself():
    def generator():
        while True:
            yield features(), labels()

    result = lrwidget.range_test(compiled(), generator(), steps=12, max_lr=1e-3)
    assert len(result.losses) == 12


def test_an_iterator_that_is_used_up_is_refused():
    used_up = iter([(features(), labels())])
    next(used_up)
    with pytest.raises(DataError, match=r"used up.*generator function"):
        lrwidget.range_test(compiled(), used_up)


def test_the_data_of_a_generator_are_freed_after_the_test():
    class Holder:
        def __call__(self):
            while True:
                yield features(), labels()

    holder = Holder()
    lrwidget.range_test(compiled(), holder, steps=5, max_lr=1e-3, sweeps=2)
    freed = weakref.ref(holder)
    del holder
    gc.collect()
    assert freed() is None


def test_a_batch_of_another_shape_than_the_first_two_says_so():
    batches = [(np.ones((4, 6)), np.zeros(4))] * 2 + [(np.ones((4, 5)), np.zeros(4))]
    with pytest.raises(DataError, match=r"\(4, 5\).*\(None, 6\)"):
        lrwidget.range_test(compiled(), batches)


def test_samples_with_scalar_features_train_a_model_of_columns():
    age = keras.Input((1,), name="age")
    model = keras.Model({"age": age}, layers.Dense(1)(age))
    model.compile("sgd", "mse")
    data = dataset(({"age": column()}, column())).batch(BATCH)
    assert len(lrwidget.range_test(model, data, steps=6, max_lr=1e-3).losses) == 6


def with_nan_in_sample(number: int) -> np.ndarray:
    x = features().copy()
    x[number] = np.nan
    return x


SPOILT = {
    "arrays": lambda: (with_nan_in_sample(0), labels()),
    "pipeline": lambda: dataset((with_nan_in_sample(20), labels())).batch(BATCH),
    "list of batches": lambda: batched(with_nan_in_sample(20), labels()),
}


@pytest.mark.parametrize("form", SPOILT)
def test_nan_in_the_data_is_named_with_its_batch(form):
    result = lrwidget.range_test(compiled(), SPOILT[form](), batch_size=BATCH, max_lr=1e-3)
    assert result.stop_reason == "non_finite"
    (note,) = result.notes
    assert note.startswith(f"Step {len(result.losses) + 1}'s batch holds NaN")
    if form != "arrays":
        assert len(result.losses) == 2


def test_a_first_update_that_breaks_the_weights_is_no_matter_of_the_rate():
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, kernel_initializer="zeros")])
    model.compile("sgd", lambda y, predicted: keras.ops.sqrt(keras.ops.square(predicted)))
    result = lrwidget.range_test(model, (np.ones((8, 1)), np.ones((8, 1))), batch_size=8)
    assert "No rate is small enough" in result.notes[0]


def test_a_first_loss_that_is_not_finite_is_no_matter_of_the_rate():
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, kernel_initializer="zeros")])
    model.compile("sgd", lambda y, predicted: keras.ops.log(predicted))
    result = lrwidget.range_test(model, (np.ones((8, 1)), np.ones((8, 1))), batch_size=8)
    assert len(result.losses) == 0
    assert "first loss is NaN or infinite" in result.notes[0]


def test_the_batch_size_is_known_where_fit_knows_it():
    class CountsSamples(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(3)

        def call(self, x):
            return self.dense(x) + keras.ops.ones((int(x.shape[0]), 3))

    model = CountsSamples()
    model.compile("sgd", "mse")
    y = np.zeros((SAMPLES, 3))
    model.fit(features(), y, batch_size=BATCH, verbose=0)
    result = lrwidget.range_test(model, (features(), y), batch_size=BATCH, steps=5, max_lr=1e-3)
    assert len(result.losses) == 5


def test_a_model_that_is_not_built_is_restored_where_an_optional_input_is_none():
    class WithOption(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(3)

        def call(self, inputs):
            return self.dense(inputs["features"])

    model = WithOption()
    model.compile("sgd", "mse")
    data = {"features": features(), "option": None}, np.zeros((SAMPLES, 3))
    assert lrwidget.range_test(model, data, steps=5, max_lr=1e-3).restored


def test_a_source_of_arrays_copies_them_only_when_a_test_starts():
    inputs = np.ones((1_000_000, 25))
    before = psutil.Process().memory_info().rss
    source = source_of((inputs, np.zeros(len(inputs))))
    assert psutil.Process().memory_info().rss - before < inputs.nbytes / 10
    next(iter(source.stream(0)))
    assert psutil.Process().memory_info().rss - before > inputs.nbytes / 4
