"""explained: why data do not fit a model, where the training step has failed on them.

Keras decides whether data fit. Only after it has refused them, the commonest mistakes are looked
for, and named with their remedy.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from lrwidget.errors import DataError, LRWidgetError


@contextmanager
def explained(model: keras.Model, batch_spec: Any) -> Iterator[None]:
    """Name a common mistake where a training step fails, else let the error pass.

    Args:
        model: The model whose step runs or is traced.
        batch_spec: Shapes and types of a batch.

    Raises:
        DataError: The data have one of the common mistakes.
    """
    try:
        yield
    except LRWidgetError:
        raise
    except (ValueError, TypeError, AttributeError, RuntimeError, tf.errors.OpError) as error:
        mistake = _unbatched(model, batch_spec) or _without_targets(model, batch_spec)
        if mistake is None:
            raise
        raise DataError(mistake) from error


def _unbatched(model: keras.Model, spec: Any) -> str | None:
    inputs = getattr(model, "inputs", None) or []
    given = tf.nest.flatten(spec[0] if isinstance(spec, tuple) and spec else spec)
    for wanted, got in zip(inputs, given, strict=False):
        shape = getattr(got, "shape", None)
        if shape is not None and shape.rank is not None and shape.rank == len(wanted.shape) - 1:
            return (
                f"The dataset is not batched: it gives samples of shape {tuple(shape)}, and the "
                f"model needs batches of shape {tuple(wanted.shape)}. Add `.batch(32)` to it."
            )
    dense = [each for each in tf.nest.flatten(spec) if isinstance(each, tf.TensorSpec)]
    if not inputs and any(each.shape.rank == 0 for each in dense):
        return (
            "The dataset is not batched: it gives single samples of shapes "
            f"{[tuple(each.shape) for each in dense]}. Add `.batch(32)` to it."
        )
    return None


def _without_targets(model: keras.Model, spec: Any) -> str | None:
    trains_as_keras = type(model).train_step is keras.Model.train_step
    if not trains_as_keras or (isinstance(spec, tuple) and len(spec) > 1):
        return None
    return (
        "The data have inputs but no targets, and the model's loss needs targets. Pass both: "
        "arrays as a tuple (x, y), where x may be a dict or list of arrays, or batches of (x, y)."
    )
