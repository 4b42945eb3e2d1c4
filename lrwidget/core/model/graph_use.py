"""Detects whether a part of a TensorFlow graph uses given variables."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from lrwidget.core.model.host import iterations_of, native_of, rate_held_by


def uses_since_now(rates: list[Any]) -> Callable[[], bool]:
    """Return a function that tells whether the current graph has used one of the rates since now.

    Args:
        rates: Optimizers (used if the graph reads their learning rate or step count) or variables.
    """
    graph = tf.compat.v1.get_default_graph()
    if tf.executing_eagerly() or not hasattr(graph, "capture"):
        return lambda: True
    inputs = [graph.capture(handle) for rate in rates for handle in _handles(rate)]
    before = sum(len(each.consumers()) for each in inputs)
    return lambda: sum(len(each.consumers()) for each in inputs) > before


def _handles(rate: Any) -> list[Any]:
    variables = [rate]
    if isinstance(rate, keras.optimizers.Optimizer):
        variables = [iterations_of(rate), rate_held_by(rate)]
    natives = [native_of(each) for each in variables]
    return [each.handle for each in natives if hasattr(each, "handle")]
