"""The tf.distribute strategy of a model, where Keras runs on TensorFlow."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras

from lrwidget.core.model.values import is_tensorflow


def scope_of(model: keras.Model) -> AbstractContextManager[Any]:
    """Return the context in which variables for a model are made."""
    return model.distribute_strategy.scope() if is_tensorflow() else nullcontext()


def replicas_of(model: keras.Model) -> int:
    """Return the number of devices that each train on a share of a batch."""
    return int(model.distribute_strategy.num_replicas_in_sync) if is_tensorflow() else 1
