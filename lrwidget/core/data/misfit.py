"""Why data do not fit a model or cannot be read, and how to fix it.

Keras decides whether data fit. Only after Keras has refused them does this module look for common
mistakes, to name them together with a remedy.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from lrwidget.errors import DataError, LRWidgetError

FORMS = (
    "Pass what `model.fit` takes: a batched tf.data.Dataset, arrays as x, (x,), (x, y) or "
    "(x, y, sample_weight), a keras.utils.PyDataset, a DataLoader, a generator function or a list "
    "of batches."
)

# Keras repeats the data in some messages.
_LONGEST_REASON = 300

_REMEDIES = {
    "Invalid dtype": (
        "Arrays must hold numbers. Convert a pandas column with `.astype('float32')`, and pass "
        "text as a tensor: `tf.constant(texts)`."
    ),
    "array-like": "Lists of numbers must be arrays: `np.array(values)`.",
    # Keras 3.7 says so.
    "'float' object has no attribute 'shape'": (
        "Lists of numbers must be arrays: `np.array(values)`."
    ),
    "at least rank 1": (
        "Every part of a batch must be an array with one row for each sample; lists of numbers "
        "must be arrays: `np.array(values)`."
    ),
}


@contextmanager
def refusals_named() -> Iterator[None]:
    """Raise an error with a remedy for data that Keras refuses to read.

    Raises:
        DataError: Keras refused the data.
    """
    try:
        yield
    except LRWidgetError:
        raise
    except (ValueError, TypeError, AttributeError, IndexError) as error:
        reason = " ".join(str(error).split())
        remedies = [remedy for sign, remedy in _REMEDIES.items() if sign in reason]
        if len(reason) > _LONGEST_REASON:
            reason = f"{reason[:_LONGEST_REASON]} ..."
        reason = reason if reason.endswith(".") else f"{reason}."
        remedy = remedies[0] if remedies else FORMS
        raise DataError(f"`fit` would not take these data: {reason} {remedy}") from error


@contextmanager
def explained(model: keras.Model, batch_spec: Any, name: str = "data") -> Iterator[None]:
    """Explain a failing step if the data have a common mistake.

    Args:
        model: The model whose step runs or is traced.
        batch_spec: Shapes and types of a batch, or a batch.
        name: What the data are called in the explanation.

    Raises:
        DataError: The data have one of the common mistakes.
    """
    try:
        yield
    except LRWidgetError:
        raise
    except Exception as error:
        mistake = _unbatched(model, batch_spec, name) or _without_targets(model, batch_spec, name)
        if mistake is None:
            raise
        raise DataError(mistake) from error


def _unbatched(model: keras.Model, spec: Any, name: str) -> str | None:
    inputs = getattr(model, "inputs", None) or []
    given = keras.tree.flatten(spec[0] if isinstance(spec, tuple) and spec else spec)
    for wanted, got in zip(inputs, given, strict=False):
        shape = _shape(got)
        if shape is not None and len(shape) == len(wanted.shape) - 1:
            return (
                f"The {name} are not batched: they give samples of shape {shape}, and the model "
                f"needs batches of shape {tuple(wanted.shape)}. Add `.batch(32)` to the dataset."
            )
    shapes = [_shape(each) for each in keras.tree.flatten(spec)]
    if not inputs and () in shapes:
        return (
            f"The {name} are not batched: they give single samples of shapes "
            f"{[shape for shape in shapes if shape is not None]}. Add `.batch(32)` to the dataset."
        )
    return None


def _without_targets(model: keras.Model, spec: Any, name: str) -> str | None:
    trains_as_keras = type(model).train_step is keras.Model.train_step
    has_targets = isinstance(spec, tuple) and len(spec) > 1 and spec[1] is not None
    if not trains_as_keras or has_targets:
        return None
    return (
        f"The {name} have inputs but no targets, and the model's loss needs targets. Pass both: "
        "arrays as a tuple (x, y), where x may be a dict or list of arrays, or batches of (x, y)."
    )


def _shape(part: Any) -> tuple[int | None, ...] | None:
    """Return the shape of a part of a batch, None if its rank is not known."""
    shape = getattr(part, "shape", None)
    return None if shape is None or getattr(shape, "rank", 0) is None else tuple(shape)
