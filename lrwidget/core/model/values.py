"""The values of variables, copied and compared."""

from collections.abc import Iterable
from typing import Any, Protocol

import keras
import numpy as np

from lrwidget.core.model.host import native_of

AnyArray = np.ndarray[Any, Any]


class Variable(Protocol):
    """A variable of Keras or of the backend.

    Attributes:
        shape: Its lengths, in the form of the library that made it.
        dtype: Its type, likewise.
    """

    shape: Any
    dtype: Any

    def assign(self, value: Any) -> Any:
        """Set all of its values."""


def numpy_of(variable: Any) -> AnyArray:
    """Return the value of a variable or tensor as a numpy array.

    `keras.ops.convert_to_numpy` fails for a single bfloat16 number on TensorFlow (seen with 2.21).
    """
    value = native_of(variable)
    numpy = getattr(value, "numpy", None)
    return np.asarray(numpy() if numpy and is_tensorflow() else keras.ops.convert_to_numpy(value))


def is_tensorflow() -> bool:
    """Return whether Keras runs on TensorFlow."""
    return bool(keras.backend.backend() == "tensorflow")


def copies_of(variables: Iterable[Variable]) -> list[AnyArray]:
    """Return the values of variables as numpy arrays."""
    return [numpy_of(variable).copy() for variable in variables]


def changed(variables: Iterable[Variable], before: Iterable[AnyArray]) -> list[Variable]:
    """Return the variables whose values have changed."""
    # Compare bytes: NaN then equals itself, and numpy cannot compare bfloat16 with NaN.
    return [
        variable
        for variable, value in zip(variables, before, strict=True)
        if numpy_of(variable).tobytes() != value.tobytes()
    ]


def float_type() -> str:
    """Return the type for calculations with learning rates and losses: never half precision."""
    return "float64" if keras.config.floatx() == "float64" else "float32"
