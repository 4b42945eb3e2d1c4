"""LRRangeTest and LRMonitor in the `fit` of every model of the battery."""

import functools

import keras
import numpy as np
import pytest

import lrwidget
from lrwidget.core.model.learning_rate import updates_of
from tests.core.battery import BACKEND, MODELS
from tests.core.faults import bytes_of

# `fit` hides steps from callbacks in the one; the other's generator is replaced by the seeding
# that makes the shuffles of two fits comparable.
TESTED = [name for name in MODELS if name not in ("steps_per_execution", "global_seed_generator")]
# `set_random_seed` of Keras 3.7 does not reset the global generator, so two fits differ.
REPEATABLE = [
    name
    for name in MODELS
    if name != "global_seed_generator" or not keras.__version__.startswith("3.7.")
]
STEPS = 12


def built(name):
    keras.utils.set_random_seed(7)
    return MODELS[name]()


def fit(model, data, epochs, *callbacks):
    keras.utils.set_random_seed(8)  # `fit` itself draws the seed of its shuffle
    if isinstance(data, tuple):
        arguments = dict(zip(("x", "y", "sample_weight"), data, strict=False))
    else:
        arguments = {"x": data}
    if BACKEND == "torch":  # building a model draws from PyTorch's state, in its first `fit` only
        seed = keras.callbacks.LambdaCallback(
            on_train_begin=lambda _logs: keras.utils.set_random_seed(8)
        )
        callbacks = (seed, *callbacks)
    options = {"verbose": 0, "shuffle": False, "callbacks": list(callbacks)}
    return model.fit(**arguments, epochs=epochs, **options).history


def trained(model, data, *callbacks):
    """Return what training leaves in the history, in the variables and in the random state."""
    history = fit(model, data, 2, *callbacks)
    ours = {"learning_rate", "step_lr", "step_loss"}
    history = {key: values for key, values in history.items() if key not in ours}
    variables = bytes_of(model.variables + model.optimizer.variables)
    return repr(history), variables, np.random.random()


@functools.cache
def trained_without(name):
    """Return what training leaves on a new model of the battery that nothing else has used."""
    return trained(*built(name))


@pytest.mark.parametrize("name", TESTED)
def test_training_after_a_range_test_in_fit_equals_training_without(name):
    model, data = built(name)
    finder = lrwidget.LRRangeTest(steps=STEPS, max_lr=0.1)
    fit(model, data, 10 * STEPS, finder)
    assert finder.result.restored
    assert finder.result.stop_reason == "finished"
    assert trained(model, data) == trained_without(name)


@pytest.mark.parametrize("name", REPEATABLE)
def test_training_with_a_monitor_equals_training_without(name):
    model, data = built(name)
    before = updates_of(model.optimizer)
    monitor = lrwidget.LRMonitor()
    with_monitor = trained(model, data, monitor)
    assert with_monitor == trained_without(name)
    assert np.isfinite(monitor.losses).all()
    assert np.isfinite(monitor.lrs).all()
    updates = updates_of(model.optimizer) - before
    assert len(monitor.losses) >= updates > 0
