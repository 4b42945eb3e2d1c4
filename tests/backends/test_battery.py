"""`range_test` on every model of the battery, on the backends that tests/core does not run on."""

import keras
import numpy as np
import pytest

import lrwidget
from lrwidget.core.model.random_state import RandomState
from tests.backends.test_battery_in_fit import built, trained, trained_without
from tests.core.battery import BACKEND, MODELS, compiled, crossentropy, features, labels
from tests.core.faults import bytes_of

pytestmark = pytest.mark.skipif(
    BACKEND == "tensorflow", reason="tests/core/test_no_trace.py does this on TensorFlow"
)
STEPS = 10


@pytest.mark.parametrize("name", MODELS)
def test_a_range_test_leaves_no_trace_and_training_afterwards_equals_training_without(name):
    model, data = built(name)
    variables = [*model.variables, *model.optimizer.variables]
    before, random = bytes_of(variables), RandomState()
    settings = {"steps": STEPS, "min_lr": 1e-5, "max_lr": 0.1, "seed": 1, "stop_factor": None}
    first = lrwidget.range_test(model, data, **settings)
    again = lrwidget.range_test(model, data, **settings)
    assert first.restored
    assert again.restored
    assert first.stop_reason == "finished"
    np.testing.assert_array_equal(first.losses, again.losses)
    assert bytes_of(variables) == before
    assert random.checksum() == random.checksum_now()
    assert trained(model, data) == trained_without(name)


class Shuffled(keras.utils.PyDataset):
    """Batches in another order each time that they are read from the start, as in a pipeline.

    Read by one thread: with more, `fit` itself gives other losses now and then on a busy machine.
    """

    def __init__(self):
        super().__init__(workers=1, use_multiprocessing=False)
        self.starts = 0

    def __len__(self):
        return 5

    def on_epoch_begin(self):
        self.starts += 1

    def __getitem__(self, index):
        rows = np.random.default_rng([self.starts, index]).integers(0, 48, 8)
        return features()[rows], labels()[rows]


@pytest.mark.parametrize("layers", [[], [keras.layers.Dense(3)]], ids=["built", "not built"])
def test_a_first_fit_reads_the_data_as_often_as_without_a_test(layers):
    def losses(tests):
        keras.utils.set_random_seed(3)
        model, data = compiled("adam", metrics=["accuracy"]), Shuffled()
        if layers:
            model = keras.Sequential([keras.layers.Dense(3)])
            model.compile("adam", crossentropy(), metrics=["accuracy"])
        for _ in range(tests):
            lrwidget.range_test(model, data, steps=4, max_lr=1e-2, validation_data=data)
        data.starts = 0
        return model.fit(data, epochs=2, verbose=0, shuffle=False).history["loss"], data.starts

    assert losses(0) == losses(1) == losses(2)


@pytest.mark.parametrize("name", MODELS)
def test_the_learning_rate_moves_the_losses(name):
    model, data = built(name)
    keras.utils.set_random_seed(1)
    settings = {"steps": STEPS, "min_lr": 1e-8, "seed": 1, "stop_factor": None}
    low, high = (lrwidget.range_test(model, data, max_lr=lr, **settings) for lr in (1e-7, 1.0))
    assert low.losses[0] == pytest.approx(high.losses[0], rel=1e-5)
    assert not np.allclose(low.losses[-2:], high.losses[-2:], rtol=1e-5)
