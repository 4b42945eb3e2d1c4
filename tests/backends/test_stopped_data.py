"""A test that is stopped need not wait for data that block, on every backend of Keras."""

import threading
import time

import keras
import numpy as np
import pytest

import lrwidget
from lrwidget.core.data import reader

X = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
Y = X[:, :1]


def make_model():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    model.train_on_batch(X, Y)
    return model


def weights_of(model):
    return [np.array(keras.ops.convert_to_numpy(each)) for each in model.variables]


def data_threads():
    return [each for each in threading.enumerate() if each.name == "lrwidget data"]


def assert_threads_end():
    end = time.monotonic() + 10
    while data_threads():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("given", "validates"),
    [(0, False), (1, False), (2, False), (9, False), (0, True), (2, True)],
)
def test_data_that_block_do_not_keep_a_stopped_test(given, validates, monkeypatch):
    monkeypatch.setattr(reader, "SECONDS_AFTER_STOP", 0.2)
    stop, go_on = threading.Event(), threading.Event()

    def blocking():
        for _ in range(given):
            yield X[:8], Y[:8]
        stop.set()
        go_on.wait()

    model = make_model()
    before = weights_of(model)
    data, validation = (X, Y), None
    if validates:
        validation = blocking
    else:
        data = blocking
    result = lrwidget.range_test(model, data, validation_data=validation, max_lr=1e-3, stop=stop)
    assert result.stop_reason == "stopped"
    assert len(result.lrs) <= max(given, 1)
    assert result.restored
    for now, then in zip(weights_of(model), before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert any("gave no batch" in note for note in result.notes)
    assert len(data_threads()) == 1
    go_on.set()
    assert_threads_end()


def test_a_test_that_can_be_stopped_reads_the_same_batches():
    def batches():
        for start in range(0, 64, 8):
            yield X[start : start + 8], Y[start : start + 8]

    settings = {"steps": 20, "min_lr": 1e-4, "max_lr": 1e-2}
    plain = lrwidget.range_test(make_model(), batches, **settings)
    result = lrwidget.range_test(make_model(), batches, stop=threading.Event(), **settings)
    np.testing.assert_array_equal(result.losses, plain.losses)
    assert not result.notes
    assert not data_threads()


@pytest.mark.parametrize("validates", [False, True])
def test_an_error_of_the_data_passes_through_a_test_that_can_be_stopped(validates):
    closed = []

    def failing():
        try:
            for _ in range(5):
                yield X[:8], Y[:8]
            raise OSError("the disk is gone")
        finally:
            closed.append(True)

    data, validation = ((X, Y), failing) if validates else (failing, None)
    with pytest.raises(OSError, match="the disk is gone"):
        lrwidget.range_test(make_model(), data, validation_data=validation, stop=threading.Event())
    assert closed
    assert_threads_end()


def test_a_generator_is_closed_after_the_test():
    closed = []

    def endless():
        try:
            while True:
                yield X[:8], Y[:8]
        finally:
            closed.append(True)

    lrwidget.range_test(make_model(), endless, steps=5, max_lr=1e-3, stop=threading.Event())
    assert closed
    assert not data_threads()
