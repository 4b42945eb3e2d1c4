"""Why a loss was not finite, where the learning rate is not the reason."""

import itertools
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lrwidget.core.data.batches import Batches
from lrwidget.core.range_test.growing_curve import Curve

# So many updates from the first learning rate on, a rate that is too large is no explanation.
_EARLY = 2
# Reading more batches again would take longer than the test.
_MOST_BATCHES = 2000


def note_on_non_finite(curve: Curve, batches: Batches, gathered: int) -> str | None:
    """Return what to look at where the data or the model made a loss NaN or infinite.

    Args:
        curve: It ended because its next loss was not finite.
        batches: The data of this curve.
        gathered: Batches of one optimizer update.

    Returns:
        A sentence or two; None where the learning rate may be the reason.
    """
    if _holds_non_finite(batches, curve.count * gathered, gathered):
        return (
            f"Step {curve.count + 1}'s batch holds NaN or infinity: look at the data. The learning "
            "rate is not the reason."
        )
    if curve.count == 0:
        return (
            "The very first loss is not finite, before any update: look at the labels and at the "
            "loss function, for a logarithm of 0 or a division by 0. The learning rate is not the "
            "reason."
        )
    if curve.count < _EARLY and curve.config.min_lr < 1e-3:
        return (
            f"The first update made the loss NaN or infinite, at the learning rate "
            f"{curve.config.min_lr:.3g}. No rate is small enough where a gradient is not finite: "
            "look for the square root or the logarithm of 0 in the model and the loss."
        )
    return None


def _holds_non_finite(batches: Batches, first: int, count: int) -> bool:
    """Say whether any of `count` batches, from number `first` on, holds NaN or infinity."""
    if batches.python is not None:
        return any(number in batches.python.non_finite for number in range(first, first + count))
    if first + count > _MOST_BATCHES:
        return False
    again = itertools.islice(batches.dataset, first, first + count)
    return any(not is_finite(batch) for batch in again)


def is_finite(batch: Any) -> bool:
    """Say whether every floating-point number of a batch is finite."""
    return all(_is_finite(part) for part in keras.tree.flatten(batch))


def _is_finite(part: Any) -> bool:
    if isinstance(part, tf.RaggedTensor):
        part = part.flat_values
    elif isinstance(part, tf.SparseTensor):
        part = part.values
    if not tf.is_tensor(part) or not part.dtype.is_floating:
        return True
    return bool(np.isfinite(tf.cast(part, tf.float32).numpy()).all())
