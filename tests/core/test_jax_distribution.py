"""A data-parallel model on JAX: four logical CPUs, which need a process of their own."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import keras
import numpy as np

import lrwidget

def model():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(8, "relu"), keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input((6,)), *layers])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model

def trained(model):
    model.fit(*data, verbose=0, shuffle=False)
    return [*model.get_weights(), *(np.asarray(each) for each in model.optimizer.variables)]

random = np.random.default_rng(0)
x = random.normal(size=(128, 6)).astype("float32")
data = x, x[:, :3].argmax(1)
settings = {"steps": 40, "min_lr": 1e-5, "max_lr": 0.1, "seed": 0}
alone = lrwidget.range_test(model(), data, **settings)
keras.distribution.set_distribution(keras.distribution.DataParallel())
tested = model()
assert len(tested.trainable_variables[0].value.sharding.device_set) == 4
spread = lrwidget.range_test(tested, data, **settings)
np.testing.assert_allclose(spread.losses, alone.losses, rtol=1e-5)
assert spread.losses[-1] < 0.95 * spread.losses[0]
assert spread.restored
for after, without in zip(trained(tested), trained(model()), strict=True):
    np.testing.assert_array_equal(after, without)
"""


def test_a_data_parallel_model_gives_the_curve_of_one_device_and_comes_back():
    pytest.importorskip("jax", reason="the oldest dependencies come without JAX")
    environment = os.environ | {
        "KERAS_BACKEND": "jax",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=4",
    }
    command = [sys.executable, "-c", SCRIPT]
    run = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
