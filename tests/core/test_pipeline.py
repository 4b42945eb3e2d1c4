"""A range test leaves the shuffles and caches of the user's pipeline where they were."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import lrwidget
from lrwidget.core.data import pipeline
from tests.core.battery import compiled, features, labels


def numbers() -> tf.data.Dataset:
    return tf.data.Dataset.range(12)


def generated() -> tf.data.Dataset:
    spec = tf.TensorSpec((), tf.int64)
    return tf.data.Dataset.from_generator(lambda: iter(range(12)), output_signature=spec)


def add_one(x: tf.Tensor) -> tf.Tensor:
    return x + 1


def pair(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    return 100 * left + right


PIPELINES = {
    "shuffle": lambda: numbers().shuffle(12).batch(4),
    "shuffle with a seed": lambda: numbers().shuffle(12, seed=3).batch(4),
    "cache, shuffle, map, prefetch": lambda: (
        numbers().cache().shuffle(12).map(add_one).batch(4).prefetch(2)
    ),
    "shuffle before cache": lambda: numbers().shuffle(12).cache().batch(4),
    "two shuffles": lambda: numbers().shuffle(12).batch(4).shuffle(3),
    "zip of shuffles": lambda: (
        tf.data.Dataset.zip((numbers().shuffle(12), numbers().shuffle(12))).map(pair).batch(4)
    ),
    "Python generator": lambda: generated().shuffle(12).batch(4),
    "with options": lambda: numbers().shuffle(12).batch(4).with_options(tf.data.Options()),
}


def order(dataset: tf.data.Dataset) -> list[int]:
    return [int(number) for batch in dataset for number in batch.numpy()]


def seeded(name: str) -> tf.data.Dataset:
    tf.random.set_seed(0)
    return PIPELINES[name]()


@pytest.mark.parametrize("name", PIPELINES)
def test_reading_the_copy_leaves_the_order_of_later_epochs(name):
    untouched = seeded(name)
    expected = [order(untouched) for _ in range(3)]
    dataset = seeded(name)
    copy = pipeline.detached(dataset, seed=1)
    order(copy), order(copy)
    assert [order(dataset) for _ in range(3)] == expected


@pytest.mark.parametrize("name", PIPELINES)
def test_the_copy_has_the_same_samples_in_an_order_of_the_seed(name):
    dataset = PIPELINES[name]()
    one, again, other = (order(pipeline.detached(dataset, seed)) for seed in (1, 1, 2))
    assert one == again != other
    if name != "zip of shuffles":
        assert sorted(one) == sorted(order(dataset))


def test_training_after_a_test_on_a_shuffling_pipeline_equals_training_without():
    def trained(with_test: bool) -> list[np.ndarray]:
        keras.utils.set_random_seed(5)
        data = tf.data.Dataset.from_tensor_slices((features(), labels())).shuffle(48).batch(10)
        model = compiled("adam")
        if with_test:
            lrwidget.range_test(model, data)
        model.fit(data, epochs=2, verbose=0, shuffle=False)
        return model.get_weights()

    for with_test, without in zip(trained(True), trained(False), strict=True):
        np.testing.assert_array_equal(with_test, without)


def test_the_same_seed_gives_the_same_curve_on_a_shuffling_pipeline():
    data = tf.data.Dataset.from_tensor_slices((features(), labels())).shuffle(48).batch(10)
    model = compiled("adam")
    first, second = (lrwidget.range_test(model, data, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.losses, second.losses)
    sweeps = lrwidget.range_test(model, data, seed=3, sweeps=2, max_lr=1e-3).sweep_losses
    assert not np.array_equal(sweeps[0], sweeps[1])


def test_a_pipeline_that_keeps_no_state_or_much_data_is_read_as_it_is():
    plain = numbers().batch(4)
    assert pipeline.detached(plain, 1) is plain
    much = np.zeros(pipeline.LARGEST_COPY + 1, dtype="int8")
    large = tf.data.Dataset.from_tensor_slices(much).shuffle(4).batch(4)
    assert pipeline.detached(large, 1) is large


def large(seed=None, **options):
    x = np.zeros((pipeline.LARGEST_COPY // 16 + 1, 4), dtype="float32")
    data = tf.data.Dataset.from_tensor_slices((x, np.zeros(len(x), dtype="int64")))
    return data.shuffle(4, seed, **options).batch(8).take(5)


NOTED = {
    "seeded shuffle": lambda: large(seed=1),
    "cache": lambda: large().cache(),
    "captured in map": lambda: captured().shuffle(4, seed=1).batch(4),
}
NOT_NOTED = {
    "shuffle without any seed": large,
    "one order for all epochs": lambda: large(seed=1, reshuffle_each_iteration=False),
    "captured, no shuffle": lambda: captured().batch(4),
    "small": lambda: numbers().map(lambda x: (tf.zeros(4), x)).shuffle(4, seed=1).batch(4),
}


def captured() -> tf.data.Dataset:
    held = tf.zeros((pipeline.LARGEST_COPY // 16 + 1, 4))
    return numbers().map(lambda x: (held[x], x))


@pytest.mark.parametrize("name", [*NOTED, *NOT_NOTED])
def test_a_result_says_if_the_order_of_later_epochs_has_changed(name):
    tf.random.set_seed(None)
    notes = pipeline.note_on({**NOTED, **NOT_NOTED}[name]())
    assert (notes is not None) == (name in NOTED)


def test_the_note_of_a_large_pipeline_is_in_the_result():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    result = lrwidget.range_test(model, large(seed=1), steps=3, min_lr=1e-5, max_lr=1e-3)
    assert "its shuffles continue from where the test left them" in result.notes[0]
    assert not lrwidget.range_test(model, large(), steps=3, min_lr=1e-5, max_lr=1e-3).notes


def test_a_cache_in_a_file_stays_the_users(tmp_path):
    data = numbers().cache(str(tmp_path / "cache")).shuffle(12).batch(4)
    assert sorted(order(pipeline.detached(data, 1))) == list(range(12))
