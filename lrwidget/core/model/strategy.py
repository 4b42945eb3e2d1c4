"""The tf.distribute strategy of a model, if Keras runs on TensorFlow."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras

from lrwidget.core.model.values import is_tensorflow


def scope_of(model: keras.Model) -> AbstractContextManager[Any]:
    """Return the context in which to create variables for a model."""
    return model.distribute_strategy.scope() if is_tensorflow() else nullcontext()


def replicas_of(model: keras.Model) -> int:
    """Return the number of devices that each train on a share of a batch."""
    return int(model.distribute_strategy.num_replicas_in_sync) if is_tensorflow() else 1
