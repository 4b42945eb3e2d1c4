"""Every form of data gives the batches that `fit` would train on."""

import itertools
import math

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from lrwidget.core.data.source import source_of
from lrwidget.errors import DataError
from tests.core.battery import FEATURES, SAMPLES, batches, features, labels

BATCH = 10


def first(data, count, seed=0):
    return list(
        itertools.islice(source_of(data, BATCH).stream(seed).dataset.as_numpy_iterator(), count)
    )


class Sequence(keras.utils.PyDataset):
    def __len__(self):
        return math.ceil(SAMPLES / BATCH)

    def __getitem__(self, index):
        rows = slice(index * BATCH, (index + 1) * BATCH)
        return features()[rows], labels()[rows]


class Loader:
    """As a torch DataLoader looks from outside: an iterable with a length, of lists."""

    def __len__(self):
        return math.ceil(SAMPLES / BATCH)

    def __iter__(self):
        for start in range(0, SAMPLES, BATCH):
            yield [features()[start : start + BATCH], labels()[start : start + BATCH]]


def generator_function():
    yield from Loader()


IN_ORDER = {
    "dataset": batches,
    "dataset of unknown size": lambda: batches().filter(lambda x, y: True),
    "endless dataset": lambda: batches().repeat(),
    "PyDataset": lambda: Sequence(),
    "loader": Loader,
    "generator function": lambda: generator_function,
    "list of batches": lambda: [tuple(batch) for batch in Loader()],
}


@pytest.mark.parametrize("form", IN_ORDER)
def test_batches_keep_their_order_and_start_again_at_the_end(form):
    expected = [tuple(batch) for batch in Loader()]
    got = first(IN_ORDER[form](), 2 * len(expected))
    for (x, y), (wanted_x, wanted_y) in zip(got, expected * 2, strict=True):
        np.testing.assert_array_equal(x, wanted_x)
        np.testing.assert_array_equal(y, wanted_y)


def test_arrays_are_shuffled_and_every_epoch_has_every_sample_once():
    x = np.arange(25)
    epochs = first((x, x * 2), 6)
    assert [len(batch[0]) for batch in epochs] == [10, 10, 5] * 2
    one, two = (np.concatenate([batch[0] for batch in part]) for part in (epochs[:3], epochs[3:]))
    assert sorted(one) == sorted(two) == list(x)
    assert list(one) != list(two)
    for inputs, targets in epochs:
        np.testing.assert_array_equal(targets, inputs * 2)


def test_the_order_of_arrays_depends_on_the_seed_alone():
    data = np.arange(50), np.arange(50)
    tf.random.set_seed(1)
    one = first(data, 5, seed=3)
    tf.random.set_seed(2)
    two = first(data, 5, seed=3)
    np.testing.assert_array_equal([batch[0] for batch in one], [batch[0] for batch in two])
    other = first(data, 5, seed=4)
    assert not np.array_equal([batch[0] for batch in one], [batch[0] for batch in other])


ARRAYS = {
    "numpy": lambda x, y: (x, y),
    "float64": lambda x, y: (x.astype("float64"), y),
    "pandas": lambda x, y: (pd.DataFrame(x), pd.Series(y)),
    "tensors": lambda x, y: (tf.constant(x), tf.constant(y)),
    "sample_weight": lambda x, y: (x, y, np.ones(len(x))),
    "None as sample_weight": lambda x, y: (x, y, None),
    "dict of inputs": lambda x, y: ({"a": x, "b": x}, y),
    "list of inputs": lambda x, y: ([x, x], y),
}


@pytest.mark.parametrize("form", ARRAYS)
def test_arrays_of_every_kind_become_batches(form):
    data = ARRAYS[form](features(), labels())
    batch = first(data, 1)[0]
    arrays = keras.tree.flatten(batch)
    assert all(len(array) == BATCH for array in arrays)
    assert arrays[0].shape == (BATCH, FEATURES)
    assert arrays[0].dtype == "float32"
    assert len(batch) == len([part for part in data if part is not None])


def test_batches_of_different_length_are_taken_as_they_come():
    sentences = [(np.ones((2, length)), np.ones(2)) for length in (3, 7, 5)]
    assert [x.shape for x, _ in first(sentences, 3)] == [(2, 3), (2, 7), (2, 5)]


def test_a_torch_dataloader_gives_its_batches():
    torch = pytest.importorskip("torch", reason="opt-in: pip install torch")
    tensors = torch.from_numpy(features()), torch.from_numpy(labels())
    dataset = torch.utils.data.TensorDataset(*tensors)
    got = first(torch.utils.data.DataLoader(dataset, batch_size=BATCH), 5)
    for (x, y), (wanted_x, wanted_y) in zip(got, Loader(), strict=True):
        np.testing.assert_array_equal(x, wanted_x)
        np.testing.assert_array_equal(y, wanted_y)


def test_data_that_is_empty_on_its_second_pass_says_so():
    passes = iter([[(features(), labels())] * 2, [(features(), labels())] * 2, []])
    batches_ = source_of(lambda: iter(next(passes)), BATCH).stream(0)
    with pytest.raises(tf.errors.OpError):
        list(itertools.islice(batches_.dataset, 5))
    assert isinstance(batches_.failure, DataError)
    assert "none later" in str(batches_.failure)
