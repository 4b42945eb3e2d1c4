"""A model on two devices: two logical CPUs, which need a process of their own."""

import subprocess
import sys

SCRIPT = """
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

import keras
import lrwidget
from tests.core.battery import batches, compiled

def model(strategy):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        return compiled("adam", keras.layers.Dense(8), metrics=["accuracy"])

def trained(model):
    model.fit(data, verbose=0, shuffle=False)
    return [*model.get_weights(), *(variable.numpy() for variable in model.optimizer.variables)]

data = batches().take(4)
# As in a notebook whose cell is run again: a strategy of an earlier test is still alive.
earlier, mirrored = (tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]) for _ in range(2))
assert lrwidget.range_test(model(earlier), data, steps=5).restored
one, two = model(tf.distribute.get_strategy()), model(mirrored)
settings = {"steps": 40, "max_lr": 0.1}
alone, spread = (lrwidget.range_test(each, data, **settings) for each in (one, two))
np.testing.assert_allclose(spread.losses, alone.losses, rtol=1e-4)
np.testing.assert_allclose(spread.metrics["accuracy"], alone.metrics["accuracy"], rtol=1e-4)
assert spread.restored
for tested, untouched in zip(trained(two), trained(model(mirrored)), strict=True):
    np.testing.assert_array_equal(tested, untouched)
"""


def test_a_mirrored_model_gives_the_curve_of_one_device_and_comes_back():
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
