"""A model of which no copy fits into memory is refused before anything starts."""

import os

import keras
import numpy as np
import pytest
import tensorflow as tf

import lrwidget
from lrwidget.core.model import memory, snapshot
from lrwidget.core.model.memory import available_memory, check_memory
from lrwidget.errors import TooLargeError
from tests.core.battery import batches, compiled


def test_the_error_says_what_is_needed_and_what_is_there():
    tensors = [tf.zeros((1000, 1000)), tf.zeros(500_000, tf.int64)]
    check_memory(tensors, available=8_000_000)
    with pytest.raises(TooLargeError, match=r"takes 8\.0 MB, and 7\.9 MB of memory is free"):
        check_memory(tensors, available=7_900_000)
    check_memory(tensors, available=None)


def test_the_free_memory_is_a_part_of_this_machines():
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert total / 1000 < available_memory() < total


@pytest.mark.parametrize(("limit", "free"), [("max\n", None), ("5000000\n", 2_000_000)])
def test_the_limit_of_a_container_counts_where_it_is_lower(limit, free, tmp_path, monkeypatch):
    (tmp_path / "max").write_text(limit)
    (tmp_path / "current").write_text("3000000\n")
    monkeypatch.setattr(memory, "_LIMIT_OF_THE_CONTAINER", tmp_path / "max")
    monkeypatch.setattr(memory, "_USE_OF_THE_CONTAINER", tmp_path / "current")
    if free is None:
        assert available_memory() > 5_000_000
    else:
        assert available_memory() == free


def test_a_model_that_is_too_large_is_refused_untouched(monkeypatch):
    model = compiled("adam", keras.layers.Dense(100))
    before = [weight.copy() for weight in model.get_weights()]
    monkeypatch.setattr(snapshot, "available_memory", lambda: 1000)
    with pytest.raises(TooLargeError, match="one copy"):
        lrwidget.range_test(model, batches())
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)
    monkeypatch.undo()
    assert lrwidget.range_test(model, batches(), max_lr=1e-3).restored
