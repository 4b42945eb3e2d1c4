"""The values of variables, copied and compared."""

from typing import Any

import keras
import numpy as np


def copies_of(variables: list[Any]) -> list[Any]:
    """Return the values of variables as numpy arrays."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def changed(variables: list[Any], before: list[Any]) -> list[Any]:
    """Return the variables whose values are others now."""
    # By their bytes: NaN equals itself, and numpy compares no bfloat16 with NaN.
    return [
        variable
        for variable, value in zip(variables, before, strict=True)
        if keras.ops.convert_to_numpy(variable).tobytes() != value.tobytes()
    ]
